"""``drayman import``: read queues, tasks and dead letters from a file, or through the API."""

from typing import Any

import click

from drayman.commands import stores, terminal


@click.command("import")
@click.argument("arguments", nargs=-1, metavar="[FILE] STORE")
@stores.queues_option
@click.option(
    "--keep-existing",
    is_flag=True,
    help="Add tasks to queues that exist, which keep their settings; by default such queues are "
    "refused.",
)
@click.option("--paused", is_flag=True, help="Create queues in the state PAUSED.")
@click.option("--restart", is_flag=True, help="Begin again, whatever was imported before.")
@click.option(
    "--from-google",
    nargs=2,
    metavar="PROJECT LOCATION",
    help="Read queues and tasks of a location through the API, with application default "
    "credentials.",
)
@click.option(
    "--pause",
    is_flag=True,
    help="With --from-google: pause each queue there before its tasks are read.",
)
@click.option(
    "--endpoint",
    metavar="URL",
    help="With --from-google: another server of the API, such as http://HOST:PORT of drayman.",
)
def command(
    *,
    arguments: tuple[str, ...],
    from_google: tuple[str, str] | None,
    pause: bool,
    endpoint: str | None,
    **options: Any,
) -> None:
    """Import FILE, written by drayman export (- for standard input), into STORE.

    STORE is sqlite:PATH or postgresql://HOST/DATABASE. With --from-google, import what the API of
    Cloud Tasks shows of a location. An import that was stopped continues when it is run again.
    """
    from drayman.transfer import importing, jobs

    selected = importing.ImportOptions(**options)
    try:
        match from_google, arguments:
            case None, (file, store):
                if pause or endpoint:
                    raise click.UsageError("--pause and --endpoint belong to --from-google")
                line = jobs.import_file(file, store, selected)
            case (project, location), (store,):
                source = jobs.Source(project, location, endpoint, pause)
                line = jobs.import_from_api(source, store, selected)
            case None, _:
                raise click.UsageError("import needs FILE and STORE, or --from-google and STORE")
            case _:
                raise click.UsageError("with --from-google, import needs STORE alone")
    except jobs.ERRORS as error:
        terminal.fail([error], terminal.ERROR)
    terminal.write(f"drayman: {line}")
