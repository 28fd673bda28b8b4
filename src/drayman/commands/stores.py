"""The store of a command that works on it without a server's help."""

import os
from collections.abc import Callable
from typing import Any

import click

from drayman.commands import terminal

_OPTIONS = (
    click.option("--store", metavar="STORE", help="As of drayman serve. [DRAYMAN_STORE]"),
    click.option("--config", metavar="FILE", help="As of drayman serve. [DRAYMAN_CONFIG]"),
)

queues_option = click.option(
    "--queue",
    "queues",
    multiple=True,
    metavar="NAME",
    help="Queue to move, by its id, its full name or a pattern such as mail-*; all by default. May "
    "be repeated.",
)


def options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--store`` and ``--config``."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def run(function: Callable[[Any], Any], *, config: str | None, store: str | None) -> Any:
    """Return what a function returns for the settings of the options.

    SettingsError and StoreError become a line and an exit status.
    """
    from drayman import settings
    from drayman.store.contract import StoreError

    reading = settings.read({"store": store}, os.environ, config)
    if "store" in reading.unknown:
        terminal.fail(reading.problems, terminal.USAGE)
    try:
        return function(reading.settings)
    except settings.SettingsError as error:
        terminal.fail(error.args, terminal.USAGE)
    except StoreError as error:
        terminal.fail([error], terminal.ERROR)
