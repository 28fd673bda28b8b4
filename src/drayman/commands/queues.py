"""``drayman queues``: list, create, change and delete queues."""

import contextlib
from typing import Any

import click

from drayman.commands import (
    arguments,
    failures,
    messages,
    output,
    policies,
    queue_options,
    remote,
    resources,
    statistics,
    terminal,
)
from drayman.commands.output import Column
from drayman.commands.remote import Remote

_UNLIMITED = -1


def _attempts(queue: Any) -> str:
    count = output.field(queue, "retryConfig.maxAttempts")
    return "unlimited" if count in {None, _UNLIMITED} else str(count)


_LOCATION = Column("LOCATION", lambda queue: str(queue["name"].partition("/queues/")[0]), rank=2)
_COLUMNS = (
    Column("QUEUE_NAME", "name.basename()"),
    Column("STATE", "state"),
    Column("MAX_NUM_OF_TASKS", "rateLimits.maxConcurrentDispatches", numeric=True, rank=9),
    Column("MAX_RATE (/sec)", "rateLimits.maxDispatchesPerSecond", numeric=True, rank=7),
    Column("MAX_ATTEMPTS", _attempts, numeric=True, rank=8),
)


@click.group("queues")
def command() -> None:
    """Create, list and change queues."""


for _policy_command in (policies.get, policies.replace, policies.add, policies.remove):
    command.add_command(_policy_command)


@command.command("list")
@arguments.paging
@click.option("--filter", "condition", metavar="FILTER", help="Which queues, as ListQueues has it.")
@remote.options
def _list(server: Remote, limit: int | None, page_size: int | None, condition: str | None) -> None:
    """List the queues of a location; without one, those of all locations of a Drayman server."""
    stats = None
    if not server.has_parent:
        stats = statistics.of_queues(server)
    elif server.format is None or server.format.kind == "table":
        with contextlib.suppress(failures.CallError, failures.UnreachableError):
            stats = statistics.of_queues(server)
    by_name = {each["name"]: each for each in stats or ()}
    parents = _parents(server, stats)
    request: dict[str, Any] = {"page_size": page_size or 0, "filter": condition or ""}
    queues = (
        queue for each in parents for queue in server.call("list_queues", parent=each, **request)
    )
    rows = map(messages.value, arguments.limited(queues, limit))
    columns = _columns(by_name, several=len(parents) > 1)
    output.show_list(rows, server.format, columns, "Listed 0 items.")


def _parents(server: Remote, stats: list[Any] | None) -> list[str]:
    """Return the locations to list: the one of the command line, or those that have queues."""
    if server.has_parent or stats is None:
        return [server.parent]
    parents = {each["name"].partition("/queues/")[0] for each in stats}
    suffix = f"/locations/{server.location}" if server.location else ""
    return sorted(each for each in parents if each.endswith(suffix))


def _columns(by_name: dict[str, Any], *, several: bool) -> list[Column]:
    counts = [
        each._replace(text=statistics.beside(each.cell, by_name)) for each in statistics.COUNTS
    ]
    name, *settings = _COLUMNS
    return [name, *([_LOCATION] if several else []), *settings, *(counts if by_name else [])]


@command.command("describe")
@arguments.queue
@remote.options
def _describe(server: Remote, queue: str) -> None:
    """Show a queue."""
    output.show(messages.value(server.call("get_queue", name=server.queue(queue))), server.format)


@command.command("create")
@arguments.queue
@queue_options.for_create
@remote.options
def _create(server: Remote, queue: str, **params: Any) -> None:
    """Create a queue."""
    name = server.queue(queue)
    value = queue_options.queue_value(params) | {"name": name}
    parent = name.partition("/queues/")[0]
    created = server.call("create_queue", parent=parent, queue=messages.queue(value))
    server.report(f"Created queue [{resources.short(name)}].", created)


@command.command("update")
@arguments.queue
@queue_options.for_update
@remote.options
def _update(server: Remote, queue: str, **params: Any) -> None:
    """Change settings of a queue."""
    name, mask = server.queue(queue), queue_options.update_mask(params)
    value = queue_options.queue_value(params) | {"name": name}
    updated = server.call("update_queue", queue=messages.queue(value), update_mask={"paths": mask})
    server.report(f"Updated queue [{resources.short(name)}].", updated)


@command.command("pause")
@arguments.queue
@remote.options
def _pause(server: Remote, queue: str) -> None:
    """Pause a queue: it makes no more attempts until it is resumed."""
    name = server.queue(queue)
    server.report(f"Paused queue [{resources.short(name)}].", server.call("pause_queue", name=name))


@command.command("resume")
@arguments.queue
@remote.options
def _resume(server: Remote, queue: str) -> None:
    """Resume a paused queue."""
    name = server.queue(queue)
    server.report(
        f"Resumed queue [{resources.short(name)}].", server.call("resume_queue", name=name)
    )


@command.command("purge")
@arguments.queue
@remote.options
def _purge(server: Remote, queue: str) -> None:
    """Delete all tasks of a queue."""
    name = server.queue(queue)
    short = resources.short(name)
    terminal.confirm(f"Are you sure you want to purge: [{short}]", quiet=server.quiet)
    server.report(f"Purged queue [{short}].", server.call("purge_queue", name=name))


@command.command("delete")
@arguments.queue
@remote.options
def _delete(server: Remote, queue: str) -> None:
    """Delete a queue with all its tasks."""
    name = server.queue(queue)
    short = resources.short(name)
    terminal.confirm(
        "Deleted queues can not be re-created for a duration of up to 3 days. "
        f"Are you sure you want to delete: [{short}]",
        quiet=server.quiet,
    )
    server.call("delete_queue", name=name)
    terminal.note(f"Deleted queue [{short}].")
