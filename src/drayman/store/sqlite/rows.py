"""Rows of the tables, and what they are to the rest of the server."""

import sqlite3
from typing import Any, NamedTuple

from drayman.core import names
from drayman.core.queue import Queue, RateLimits, RetryConfig, State
from drayman.core.status import Code
from drayman.core.task import Attempt, Task
from drayman.store import statements

Connection = sqlite3.Connection


class QueueRow(NamedTuple):
    """A row of ``queue``."""

    key: int
    name: str
    state: int
    generation: int
    max_dispatches_per_second: float
    max_burst_size: int
    max_concurrent_dispatches: int
    max_attempts: int
    max_retry_duration: int
    min_backoff: int
    max_backoff: int
    max_doublings: int
    settings: bytes
    purge_time: int | None
    tokens: float
    tokens_time: int
    in_flight: int
    wake_time: int | None
    throttle: str | None


class TaskRow(NamedTuple):
    """A row of ``task``."""

    seq: int
    generation: int
    id: str | None
    create_time: int
    schedule_time: int
    claim: int | None
    dispatch_count: int
    response_count: int
    execution_count: int
    previous_response: int | None
    first_dispatch_time: int | None
    last_schedule_time: int | None
    last_dispatch_time: int | None
    last_response_time: int | None
    last_code: int
    last_message: str
    request: bytes


def sql(file: str) -> dict[str, str]:
    """Return the statements of a file, the rows' columns filled in."""
    return statements.load(
        "drayman.store.sqlite.sql",
        file,
        queue=", ".join(f"queue.{column}" for column in QueueRow._fields),
        task=", ".join(TaskRow._fields),
    )


def text(given: str) -> str:
    """Return a text as SQLite can keep and JSON can carry it, whatever a target has sent."""
    return given.encode(errors="replace").decode().replace("\0", "\ufffd")


def columns_of(queue: Queue) -> dict[str, Any]:
    """Return a queue's settings as the columns that keep them."""
    rates, retries = queue.rate_limits, queue.retry_config
    return {
        "name": queue.name,
        "state": int(queue.state),
        "max_dispatches_per_second": rates.max_dispatches_per_second,
        "max_burst_size": rates.max_burst_size,
        "max_concurrent_dispatches": rates.max_concurrent_dispatches,
        "max_attempts": retries.max_attempts,
        "max_retry_duration": retries.max_retry_duration,
        "min_backoff": retries.min_backoff,
        "max_backoff": retries.max_backoff,
        "max_doublings": retries.max_doublings,
        "settings": queue.settings,
    }


def queue_of(row: QueueRow) -> Queue:
    """Return the queue that a row keeps."""
    return Queue(
        name=row.name,
        state=State(row.state),
        rate_limits=RateLimits(
            row.max_dispatches_per_second, row.max_burst_size, row.max_concurrent_dispatches
        ),
        retry_config=RetryConfig(
            row.max_attempts,
            row.max_retry_duration,
            row.min_backoff,
            row.max_backoff,
            row.max_doublings,
        ),
        purge_time=row.purge_time,
        settings=row.settings,
    )


def task_of(queue: str, row: TaskRow) -> Task:
    """Return the task that a row keeps."""
    last = None
    if row.last_schedule_time is not None and row.last_dispatch_time is not None:
        last = Attempt(
            row.last_schedule_time,
            row.last_dispatch_time,
            row.last_response_time,
            Code(row.last_code),
            row.last_message,
        )
    return Task(
        name=names.join_task(queue, row.id or str(row.seq)),
        create_time=row.create_time,
        schedule_time=row.schedule_time,
        request=row.request,
        dispatch_count=row.dispatch_count,
        response_count=row.response_count,
        execution_count=row.execution_count,
        previous_response=row.previous_response,
        first_dispatch_time=row.first_dispatch_time,
        last_attempt=last,
    )


def find_queue(connection: Connection, name: str) -> QueueRow | None:
    """Return a queue's row, None when there is no queue of that name."""
    row = connection.execute(_FIND_QUEUE, {"name": name}).fetchone()
    return None if row is None else QueueRow(*row)


_FIND_QUEUE = sql("queue.sql")["get_queue"]
