"""The command ``drayman``."""

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

import drayman

if TYPE_CHECKING:
    import click

_EXTRA = 'the server is not installed; run: pip install "drayman[server]"'


def _serve(**given: Any) -> None:
    from drayman import config as configuration  # noqa: PLC0415 - keeps --help fast
    from drayman import server  # noqa: PLC0415

    file = given.pop("config")
    try:
        config = configuration.load(given, os.environ, file)
    except configuration.ConfigError as error:
        raise SystemExit(_complain(str(error), 2)) from None
    try:
        _run(server.serve(config))
    except configuration.ConfigError as error:
        raise SystemExit(_complain(str(error), 2)) from None
    except (server.StartError, server.CrashError) as error:
        raise SystemExit(_complain(str(error), 1)) from None


def _run(main: Any) -> None:
    import uvloop  # noqa: PLC0415

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"drayman: {message}\n")
    return status


def _command() -> "click.Group":
    import click  # noqa: PLC0415 - the client alone does not bring it

    from drayman.config import OPTIONS  # noqa: PLC0415

    group = click.Group("drayman", help="Google Cloud Tasks that anyone can run.")
    click.version_option(drayman.__version__, prog_name="drayman")(group)
    params: list[click.Parameter] = [
        click.Option(
            [option.flag],
            multiple=option.repeatable,
            is_flag=option.switch,
            flag_value="true" if option.switch else None,
            metavar=None if option.switch else option.metavar,
            help=f"{option.help} [{option.variable}"
            + (f"; default {option.default}]" if option.default else "]"),
        )
        for option in OPTIONS
    ]
    params.append(
        click.Option(
            ["--config"], metavar="FILE", help="TOML file with these settings. [DRAYMAN_CONFIG]"
        )
    )
    group.add_command(
        click.Command(
            "serve", params=params, callback=_serve, help="Run a server until it is told to stop."
        )
    )
    return group


def main() -> None:
    """Run the command line."""
    # What gRPC's core writes by itself is no use to a person; failures come back as errors.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        _command()()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("drayman"):
            raise
        raise SystemExit(_complain(f"{_EXTRA} ({error})", 1)) from None
