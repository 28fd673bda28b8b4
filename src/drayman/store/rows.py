"""Rows of the tables, the same in every dialect, and their conversion to core values."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from drayman.core import back_pressure, names
from drayman.core.admission import QueueLoad
from drayman.core.bucket import Bucket
from drayman.core.history import DeadLetter
from drayman.core.queue import Queue, RateLimits, RetryConfig, State
from drayman.core.status import Code
from drayman.core.task import Attempt, Task


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
    policy: bytes
    purge_time: int | None
    tokens: float
    tokens_time: int
    in_flight: int
    wake_time: int | None
    pressure: str | None


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


class DeadLetterRow(NamedTuple):
    """A row of ``dead_letter``, without its request."""

    number: int
    queue: str
    id: str
    time: int
    reason: str
    response_body: str
    create_time: int
    schedule_time: int
    dispatch_count: int
    response_count: int
    first_dispatch_time: int | None
    last_schedule_time: int | None
    last_dispatch_time: int | None
    last_response_time: int | None
    last_code: int
    last_message: str


COLUMNS: Mapping[str, str] = {
    "queue": ", ".join(f"queue.{column}" for column in QueueRow._fields),
    "task": ", ".join(f"task.{column}" for column in TaskRow._fields),
    "dead_letter": ", ".join(DeadLetterRow._fields),
}
"""The text that replaces ``$queue``, ``$task`` and ``$dead_letter`` in a statement."""


def queue_columns(queue: Queue) -> dict[str, Any]:
    """Return the columns that hold a queue's settings, policy and state."""
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
        "policy": queue.policy,
    }


def to_queue(row: QueueRow) -> Queue:
    """Return the queue of a row."""
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
        policy=row.policy,
    )


def to_load(row: QueueRow) -> QueueLoad:
    """Return the state of a queue that admission depends on."""
    return QueueLoad(
        State(row.state),
        row.max_dispatches_per_second,
        row.max_burst_size,
        row.max_concurrent_dispatches,
        row.in_flight,
        Bucket(row.tokens, row.tokens_time),
        back_pressure.decode(row.pressure),
    )


def to_task(queue: str, row: TaskRow) -> Task:
    """Return the task of a row."""
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
        last_attempt=_last_attempt(row),
    )


def to_dead_letter(row: DeadLetterRow, request: bytes) -> DeadLetter:
    """Return the dead letter of a row and its request."""
    task = Task(
        name=names.join_task(row.queue, row.id),
        create_time=row.create_time,
        schedule_time=row.schedule_time,
        request=request,
        dispatch_count=row.dispatch_count,
        response_count=row.response_count,
        first_dispatch_time=row.first_dispatch_time,
        last_attempt=_last_attempt(row),
    )
    return DeadLetter(row.number, task, row.time, row.reason, row.response_body)


def _last_attempt(row: TaskRow | DeadLetterRow) -> Attempt | None:
    if row.last_schedule_time is None or row.last_dispatch_time is None:
        return None
    return Attempt(
        row.last_schedule_time,
        row.last_dispatch_time,
        row.last_response_time,
        Code(row.last_code),
        row.last_message,
    )
