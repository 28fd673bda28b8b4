"""``drayman attempts``: recorded attempts of tasks."""

from typing import Any

import click

from drayman.commands import ages, arguments, output, remote, resources
from drayman.commands.output import Column
from drayman.commands.remote import Remote


def _duration(attempt: Any) -> str:
    start, end = ages.parse(attempt["dispatchTime"]), ages.parse(attempt["responseTime"])
    return f"{(end - start) // 1000}ms"


_COLUMNS = (
    Column("TASK_NAME", "task.basename()"),
    Column("ATTEMPT", "attempt", numeric=True),
    ages.column("DISPATCH_TIME", "dispatchTime"),
    Column("DURATION", _duration, numeric=True),
    Column("STATUS", "status.code"),
    Column("OUTCOME", "outcome"),
    ages.column("RETRY_TIME", "retryTime"),
    Column("REASON", "reason"),
)


@click.group("attempts")
def command() -> None:
    """Recorded attempts of tasks."""


@command.command("list")
@click.argument("task", required=False)
@arguments.queue_option(required=False)
@arguments.paging
@remote.options
def _list(
    server: Remote,
    task: str | None,
    queue: str | None,
    limit: int | None,
    page_size: int | None,
) -> None:
    """List recorded attempts, the latest first: of TASK, or of all tasks of --queue.

    A queue records every attempt that failed, and the fraction --log-sampling-ratio of the others.
    """
    if task is None and queue is None:
        raise click.UsageError("give TASK or --queue")
    params: dict[str, Any] = {"pageSize": page_size} if page_size else {}
    if task is None:
        name = server.queue(queue or "")
    else:
        name, params["task"] = resources.split_task(server.task(task, queue))
    rows = server.page_through(f"/drayman/v1/{name}/attempts", "attempts", params)
    output.show_list(arguments.limited(rows, limit), server.format, _COLUMNS, "Listed 0 items.")
