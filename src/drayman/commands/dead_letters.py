"""``drayman dead-letters``: tasks that failed for good."""

from collections.abc import Callable, Iterator
from typing import Any

import click

from drayman.commands import ages, arguments, output, progress, remote, resources, terminal
from drayman.commands.output import Column
from drayman.commands.remote import Remote

_BATCH = 1000
"""The most tasks that one call names."""
_SHOWN = 5
"""How many failures are listed."""
_COLUMNS = (
    Column("TASK_NAME", "task.name.basename()"),
    ages.column("TIME", "time"),
    Column("STATUS", "task.lastAttempt.responseStatus.message"),
    Column("REASON", "reason"),
    Column("DISPATCH_ATTEMPTS", "task.dispatchCount", numeric=True),
)
_CODE = click.option("--code", metavar="CODE", help="Those with a status code, such as NOT_FOUND.")


@click.group("dead-letters")
def command() -> None:
    """Tasks that failed for good."""


@command.command("list")
@arguments.queue_option(required=True)
@_CODE
@arguments.paging
@remote.options
def _list(
    server: Remote, queue: str, code: str | None, limit: int | None, page_size: int | None
) -> None:
    """List dead letters, the earliest first."""
    params: dict[str, Any] = {"pageSize": page_size} if page_size else {}
    if code:
        params["code"] = code
    rows = server.page_through(_path(server, queue), "deadLetters", params)
    output.show_list(arguments.limited(rows, limit), server.format, _COLUMNS, "Listed 0 items.")


@command.command("describe")
@arguments.task
@remote.options
def _describe(server: Remote, task: str, queue: str | None) -> None:
    """Show a dead letter with its whole task."""
    name, task_id = resources.split_task(server.task(task, queue))
    output.show(server.http("GET", f"/drayman/v1/{name}/deadLetters/{task_id}"), server.format)


def _selection(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command what chooses dead letters: TASK…, --code or --all."""
    for option in (
        _CODE,
        click.option("--all", "everything", is_flag=True, help="All dead letters of the queue."),
        arguments.queue_option(required=True),
        click.argument("tasks", nargs=-1, metavar="[TASK]..."),
    ):
        function = option(function)
    return function


@command.command("replay")
@_selection
@remote.options
def _replay(
    server: Remote, queue: str, tasks: tuple[str, ...], code: str | None, everything: bool
) -> None:
    """Create the tasks of dead letters again, with all counts at zero."""
    selections = _selections(server, queue, tasks, code, everything=everything)
    _change(server, queue, "replay", "Replayed", selections)


@command.command("delete")
@_selection
@remote.options
def _delete(
    server: Remote, queue: str, tasks: tuple[str, ...], code: str | None, everything: bool
) -> None:
    """Delete dead letters."""
    selections = _selections(server, queue, tasks, code, everything=everything)
    chosen = f"{len(tasks)}" if tasks else code or "all"
    terminal.confirm(
        f"Are you sure you want to delete: [{chosen} dead letters of "
        f"{resources.short(server.queue(queue))}]",
        quiet=server.quiet,
    )
    _change(server, queue, "delete", "Deleted", selections)


def _path(server: Remote, queue: str) -> str:
    return f"/drayman/v1/{server.queue(queue)}/deadLetters"


def _selections(
    server: Remote, queue: str, tasks: tuple[str, ...], code: str | None, *, everything: bool
) -> list[dict[str, Any]]:
    """Return the bodies of the calls that select what the command line does; UsageError."""
    if sum((bool(tasks), bool(code), everything)) != 1:
        raise click.UsageError("give one of TASK…, --code and --all")
    if not tasks:
        return [{"code": code} if code else {"all": True}]
    ids = [resources.split_task(server.task(each, queue))[1] for each in tasks]
    return [{"tasks": ids[start : start + _BATCH]} for start in range(0, len(ids), _BATCH)]


def _change(
    server: Remote, queue: str, verb: str, done: str, selections: list[dict[str, Any]]
) -> None:
    """Change dead letters, a thousand at a time, and report how many."""
    count = 0
    failed: dict[str, Any] = {}
    total = sum(len(each.get("tasks", ())) for each in selections) or None
    with progress.bar(f"{done} dead letters") as show:
        for results in _results(server, f"{_path(server, queue)}:{verb}", selections):
            count += results["count"]
            failed |= results["failed"]
            show(count + len(failed), total)
    terminal.note(f"{done} {count} dead letters of queue [{resources.short(server.queue(queue))}].")
    if failed:
        terminal.fail(_failures(verb, failed), terminal.ERROR)


def _results(server: Remote, path: str, selections: list[dict[str, Any]]) -> Iterator[Any]:
    for selection in selections:
        results = server.http("POST", path, json=selection)
        yield results
        while results["more"]:
            body = selection | {"pageToken": results["nextPageToken"]}
            results = server.http("POST", path, json=body)
            yield results


def _failures(verb: str, failed: dict[str, Any]) -> Iterator[str]:
    for task_id, error in list(failed.items())[:_SHOWN]:
        yield f"{verb} {task_id}: {error['code']}: {error['message']}"
    if len(failed) > _SHOWN:
        yield f"and {len(failed) - _SHOWN:,} more"
