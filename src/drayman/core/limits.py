"""The limits of the service, one row each.

The defaults are Google's (quotas page, April 2026; recorded responses; API text 2.26); a
server of one's own may raise them.
"""

import dataclasses

from drayman.core.clock import DAY, HOUR, MINUTE, SECOND, Micros

HTTP_DEADLINE_DEFAULT: Micros = 10 * MINUTE
HTTP_DEADLINE_RANGE: tuple[Micros, Micros] = (15 * SECOND, 30 * MINUTE)
APP_ENGINE_DEADLINE_DEFAULT: Micros = 10 * MINUTE  # of automatic scaling; never stored
APP_ENGINE_DEADLINE_RANGE: tuple[Micros, Micros] = (15 * SECOND, 24 * HOUR + 15 * SECOND)

URL_LENGTH = 2083
HEADERS_SIZE = 80 * 1024
EMAIL_LENGTH = 320
SETTINGS_SIZE = 128 * 1024
"""The most bytes of a queue's target, routing and logging, serialized."""
POLICY_SIZE = 64 * 1024
REQUEST_SIZE = 16 << 20
"""The most bytes of a call's request, over either door."""
QUEUES_PAGE = 9800
LOCATIONS_PAGE = 1000
OPERATIONS_PAGE = 1000
BATCH_CREATE = 100
BATCH_DELETE = 1000
TASKS_PAGE = 1000
PAGE_BYTES = 3 << 20
"""A page of a list ends here, so that it passes through any client's default of 4 MB."""


@dataclasses.dataclass(frozen=True, slots=True)
class QueueLimits:
    """What a queue may ask for.

    Attributes:
        max_dispatches_per_second: The highest rate a queue may have.
        max_concurrent_dispatches: The most attempts in flight a queue may have.
    """

    max_dispatches_per_second: float = 500.0
    max_concurrent_dispatches: int = 5000


@dataclasses.dataclass(frozen=True, slots=True)
class TaskLimits:
    """What a task may ask for.

    Attributes:
        task_size: The most bytes of a stored task, as it would be serialized
            (measured on the real service: 2^20 - 7).
        schedule_horizon: How far ahead a task may be scheduled.
        allow_http_tokens: Whether tokens may be sent to ``http://`` targets.
    """

    task_size: int = (1 << 20) - 7
    schedule_horizon: Micros = 30 * DAY
    allow_http_tokens: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Retention:
    """How long the store keeps what nobody deletes.

    Attributes:
        task_retention: How old a task may grow before it is dropped.
        task_tombstone: How long the name of a finished task stays taken.
        queue_tombstone: How long the name of a deleted queue stays taken.
        dead_letters: How long dead letters are kept; 0 keeps none.
    """

    task_retention: Micros = 31 * DAY
    task_tombstone: Micros = 24 * HOUR
    queue_tombstone: Micros = 3 * DAY
    dead_letters: Micros = 31 * DAY


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """What may differ from server to server.

    Attributes:
        queue: What a queue may ask for.
        task: What a task may ask for.
        retention: How long the store keeps what nobody deletes.
        call_deadline: How far ahead the deadline of a call over gRPC may lie; 0 is any.
        locations: The locations that queues may be in; none means any.
        ramp_up: Whether new, idle and resumed queues begin slowly.
    """

    queue: QueueLimits = QueueLimits()
    task: TaskLimits = TaskLimits()
    retention: Retention = Retention()
    call_deadline: Micros = 30 * SECOND
    locations: tuple[str, ...] = ()
    ramp_up: bool = False
