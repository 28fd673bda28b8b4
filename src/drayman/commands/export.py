"""``drayman export``: write queues, tasks and dead letters of a store to a file."""

import sys

import click

from drayman.commands import stores, terminal


@click.command("export")
@click.argument("store")
@click.argument("file")
@stores.queues_option
def command(*, store: str, file: str, queues: tuple[str, ...]) -> None:
    """Write queues, tasks and dead letters of STORE to FILE.

    STORE is sqlite:PATH or postgresql://HOST/DATABASE; servers may use it. FILE gets lines of
    JSON, compressed if its name ends with .gz; it may be - for standard output.
    """
    from drayman.transfer import jobs

    try:
        line = jobs.export(store, file, queues)
    except jobs.ERRORS as error:
        terminal.fail([error], terminal.ERROR)
    (sys.stderr if file == "-" else sys.stdout).write(f"drayman: {line}\n")
