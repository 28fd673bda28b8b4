"""``drayman backup``: copy the store to a file."""

from typing import Any

import click

from drayman.commands import progress, stores, terminal


@click.command("backup")
@click.argument("target", type=click.Path(dir_okay=False))
@click.option("--force", is_flag=True, help="Replace TARGET if it exists.")
@stores.options
def command(*, target: str, force: bool, **store: Any) -> None:
    """Copy the SQLite store to the file TARGET, while a server uses it or not.

    The copy is the store at one moment, checked in full; a server can start with it. The keys of
    --key-file are not in it.
    """

    def back_up(settings: Any) -> int:
        from drayman.store import opening

        with progress.bar("Copying pages") as show:
            return opening.backup(settings.store, target, show, replace=force)

    size = stores.run(back_up, **store)
    terminal.write(f"drayman: backed up to {target}, {size:,} bytes; start with it by "
                   f"drayman serve --store sqlite:{target}")  # fmt: skip
