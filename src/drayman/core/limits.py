"""The limits of the service.

The defaults are Google's (quotas page, April 2026; recorded responses; API text 2.26). Those in
``Limits`` are settings of a server.
"""

import dataclasses

from drayman.core.clock import DAY, HOUR, MINUTE, SECOND, Micros

HTTP_DEADLINE_DEFAULT: Micros = 10 * MINUTE
HTTP_DEADLINE_RANGE: tuple[Micros, Micros] = (15 * SECOND, 30 * MINUTE)
APP_ENGINE_DEADLINE_DEFAULT: Micros = 10 * MINUTE  # with automatic scaling; never stored
APP_ENGINE_DEADLINE_RANGE: tuple[Micros, Micros] = (15 * SECOND, 24 * HOUR + 15 * SECOND)

URL_LENGTH = 2083
HEADERS_SIZE = 80 * 1024
EMAIL_LENGTH = 320
SETTINGS_SIZE = 128 * 1024
"""The most bytes of a queue's HTTP target, routing and logging settings, serialized."""
POLICY_SIZE = 64 * 1024
REQUEST_SIZE = 16 << 20
"""The most bytes of a request that creates tasks, over gRPC or REST."""
PLAIN_REQUEST_SIZE = 1 << 20
"""The most bytes of any other request: the largest is a deletion of 1,000 long names."""
REQUEST_VALUES = 50_000
"""The most fields and list items of a request: each costs about a microsecond, and a batch of 100
tasks with 100 headers each has 31,000."""
QUEUES_PAGE = 9800
LOCATIONS_PAGE = 1000
OPERATIONS_PAGE = 1000
BATCH_CREATE = 100
BATCH_DELETE = 1000
TASKS_PAGE = 1000
PAGE_BYTES = 3 << 20
"""About the most bytes of a page; gRPC clients accept 4 MB by default."""


@dataclasses.dataclass(frozen=True, slots=True)
class QueueLimits:
    """Limits of a queue's settings.

    Attributes:
        max_dispatches_per_second: The highest rate.
        max_concurrent_dispatches: The highest concurrency limit.
    """

    max_dispatches_per_second: float = 500.0
    max_concurrent_dispatches: int = 5000


@dataclasses.dataclass(frozen=True, slots=True)
class TaskLimits:
    """Limits of a task.

    Attributes:
        task_size: The most bytes of a stored task, serialized (measured on the real service:
            2^20 - 7).
        schedule_horizon: How far ahead a task may be scheduled.
        allow_http_tokens: Whether bearer tokens, of either kind, may be sent to ``http://``
            targets.
    """

    task_size: int = (1 << 20) - 7
    schedule_horizon: Micros = 30 * DAY
    allow_http_tokens: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Retention:
    """How long the store holds things.

    Attributes:
        task_retention: The age at which a task fails for good.
        task_tombstone: How long the name of a task stays reserved after its end.
        queue_tombstone: How long the name of a deleted queue stays reserved.
        dead_letters: How long dead letters are held; 0 for no dead letters.
    """

    task_retention: Micros = 31 * DAY
    task_tombstone: Micros = 24 * HOUR
    queue_tombstone: Micros = 3 * DAY
    dead_letters: Micros = 31 * DAY


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """The limits that are settings of a server.

    Attributes:
        queue: Limits of queues.
        task: Limits of tasks.
        retention: How long the store holds things.
        call_deadline: The longest deadline of a gRPC call; 0 for no limit.
        locations: The locations that queues may be in; empty for any.
        ramp_up: Whether new, idle and resumed queues start at a low rate.
        mask_queries: Whether logs and records of attempts leave out the queries of URLs.
    """

    queue: QueueLimits = QueueLimits()
    task: TaskLimits = TaskLimits()
    retention: Retention = Retention()
    call_deadline: Micros = 30 * SECOND
    locations: tuple[str, ...] = ()
    ramp_up: bool = False
    mask_queries: bool = False
