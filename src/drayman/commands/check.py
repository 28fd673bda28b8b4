"""``drayman check``: whether the store is as it should be."""

from typing import Any

import click

from drayman.commands import output, stores, terminal


@click.command("check")
@click.option(
    "--format", "form", metavar="FORMAT", type=output.parse_format, help="json, yaml or value(…)."
)
@stores.options
def command(*, form: output.Format | None, **store: Any) -> None:
    """Check the store, while a server uses it or not, and change nothing.

    Checks the pages of the file, the rows that belong together, the files beside it and who may
    read them. Exits with status 1 if there is a problem; a warning is none.
    """
    report, exposed = stores.run(_check, **store)
    for warning in (*report.warnings, *exposed):
        terminal.note(f"drayman: warning: {warning}")
    output.show(
        {
            "format": report.format,
            "inUse": report.in_use,
            "rows": report.counts,
            "problems": report.problems,
            "warnings": [*report.warnings, *exposed],
        },
        form,
    )
    if report.problems:
        terminal.fail(report.problems, terminal.ERROR)


def _check(settings: Any) -> tuple[Any, list[str]]:
    from drayman import files
    from drayman.store import opening
    from drayman.store.sqlite import files as store_files

    report = opening.inspect(settings.store)
    path = opening.path(settings.store)
    exposed = files.exposed(settings, [] if path is None else store_files.paths(path))
    return report, [
        f"{event.subject}: other users may read or write {', '.join(event.paths)}"
        for event in exposed
    ]
