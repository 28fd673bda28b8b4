"""``drayman migrate``: create or migrate the tables of a store."""

import os
from typing import Any

import click

from drayman.commands import setting_options, terminal


def _migrate(*, config: str | None, **arguments: Any) -> None:
    from drayman import settings
    from drayman.store import contract, opening

    reading = settings.read(arguments, os.environ, config)
    if reading.problems:
        terminal.fail(reading.problems, terminal.USAGE)
    try:
        number = opening.migrate(reading.settings.store)
    except contract.StoreError as error:
        terminal.fail([error], terminal.ERROR)
    url = opening.without_password(reading.settings.store)
    terminal.write(f"drayman: store {url} has format {number}")


command = click.Command(
    "migrate",
    params=setting_options.of_settings("store"),
    callback=_migrate,
    help="Create or migrate the tables of a store on PostgreSQL; serve does so at start.",
)
