"""``drayman copy``: copy a store into another."""

import click

from drayman.commands import terminal


@click.command("copy")
@click.argument("source")
@click.argument("target")
def command(*, source: str, target: str) -> None:
    """Copy the SQLite store SOURCE (sqlite:PATH) into the empty store TARGET.

    TARGET is postgresql://HOST/DATABASE. No server may use either.
    """
    from drayman.core.clock import SystemClock
    from drayman.store import contract, opening

    try:
        for table, count in opening.copy(source, target, SystemClock().now()):
            terminal.write(f"{count:>12,}  {table}")
    except contract.StoreError as error:
        terminal.fail([error], terminal.ERROR)
    url = opening.without_password(target)
    terminal.write(f"drayman: copied; start servers with --store {url} from now on")
