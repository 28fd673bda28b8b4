"""The commands ``drayman export`` and ``drayman import``: their arguments."""

import sys
from collections.abc import Callable
from typing import Any

import click

_STORE = "sqlite:PATH or postgresql://HOST/DATABASE"
_QUEUE = click.Option(
    ["--queue", "queues"], multiple=True, metavar="NAME",
    help="Queue to move, by its id, its full name or a pattern such as mail-*; all by default. "
    "May be repeated.",
)  # fmt: skip


def commands() -> list[click.Command]:
    """Return the commands."""
    return [
        click.Command(
            "export",
            params=[click.Argument(["store"]), click.Argument(["file"]), _QUEUE],
            callback=_export,
            help=f"Write queues, tasks and dead letters of STORE ({_STORE}) to FILE: JSON lines, "
            "compressed if its name ends with .gz, or - for standard output. Servers may use the "
            "store.",
        ),
        click.Command(
            "import",
            params=[click.Argument(["arguments"], nargs=-1, metavar="[FILE] STORE"), *_options()],
            callback=_import,
            help="Import FILE, written by drayman export (- for standard input), into STORE "
            f"({_STORE}); or with --from-google what the API of Cloud Tasks shows of a location. "
            "An import that was stopped continues when it is run again.",
        ),
    ]


def _options() -> list[click.Parameter]:
    return [
        _QUEUE,
        click.Option(
            ["--keep-existing"], is_flag=True,
            help="Add tasks to queues that exist, which keep their settings; by default such "
            "queues are refused.",
        ),
        click.Option(["--paused"], is_flag=True, help="Create queues in the state PAUSED."),
        click.Option(
            ["--restart"], is_flag=True, help="Begin again, whatever was imported before."
        ),
        click.Option(
            ["--from-google"], nargs=2, metavar="PROJECT LOCATION",
            help="Read queues and tasks of a location through the API, with application default "
            "credentials.",
        ),
        click.Option(
            ["--pause"], is_flag=True,
            help="With --from-google: pause each queue there before its tasks are read.",
        ),
        click.Option(
            ["--endpoint"], metavar="URL",
            help="With --from-google: another server of the API, such as http://HOST:PORT of "
            "drayman.",
        ),
    ]  # fmt: skip


def _export(*, store: str, file: str, queues: tuple[str, ...]) -> None:
    from drayman.transfer import jobs  # noqa: PLC0415 - keeps --help fast

    _run(lambda: jobs.export(store, file, queues), stream=sys.stderr if file == "-" else sys.stdout)


def _import(
    *,
    arguments: tuple[str, ...],
    from_google: tuple[str, str] | None,
    pause: bool,
    endpoint: str | None,
    **options: Any,
) -> None:
    from drayman.transfer import importing, jobs  # noqa: PLC0415 - keeps --help fast

    selected = importing.ImportOptions(**options)
    match from_google, arguments:
        case None, (file, store):
            if pause or endpoint:
                raise click.UsageError("--pause and --endpoint belong to --from-google")
            _run(lambda: jobs.import_file(file, store, selected))
        case (project, location), (store,):
            source = jobs.Source(project, location, endpoint, pause)
            _run(lambda: jobs.import_from_api(source, store, selected))
        case None, _:
            raise click.UsageError("import needs FILE and STORE, or --from-google and STORE")
        case _:
            raise click.UsageError("with --from-google, import needs STORE alone")


def _run(job: Callable[[], str], stream: Any = None) -> None:
    from drayman.transfer import jobs  # noqa: PLC0415 - keeps --help fast

    try:
        line = job()
    except jobs.ERRORS as error:
        sys.stderr.write(f"drayman: {error}\n")
        raise SystemExit(1) from None
    (stream or sys.stdout).write(f"drayman: {line}\n")
