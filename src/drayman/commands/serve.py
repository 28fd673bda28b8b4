"""``drayman serve``: run a server."""

import os
import signal
from collections.abc import Callable
from typing import Any

import click

from drayman.commands import setting_options, terminal


def _serve(*, config: str | None, check: bool, **arguments: Any) -> None:
    if not check:  # files are loaded later anyway; the signal's default would end the process
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from drayman import running, server, settings

    reading = settings.read(arguments, os.environ, config)
    if check:
        _check(reading)
        return
    if reading.problems:
        terminal.fail(reading.problems, terminal.USAGE)
    make: Callable[[settings.Settings], server.Server] = server.Server
    if reading.settings.serves_tests:
        from drayman.testing import serving

        make = serving.make

    def read() -> settings.Settings:
        return settings.load(arguments, os.environ, config)

    try:
        _run(running.serve(reading.settings, read, make))
    except settings.SettingsError as error:
        terminal.fail(error.args, terminal.USAGE)
    except (server.StartError, running.CrashError) as error:
        terminal.fail([error], terminal.ERROR)


def _check(reading: Any) -> None:
    from drayman import check

    if problems := check.problems(reading):
        terminal.fail(problems, terminal.USAGE)
    terminal.write(f"drayman: {check.summary(reading)}")


def _run(main: Any) -> None:
    import asyncio

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


command = click.Command(
    "serve",
    params=[
        *setting_options.of_settings(),
        click.Option(
            ["--check"],
            is_flag=True,
            help="Start nothing: print all that is wrong with the settings and what they name.",
        ),
    ],
    callback=_serve,
    help="Run a server until it is told to stop.",
)
