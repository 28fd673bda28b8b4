"""A queue and its settings."""

import proto
from google.protobuf import duration_pb2, timestamp_pb2

from drayman.tasks_v2.types import target
from drayman.tasks_v2.types.marshalling import Moment, Span

__protobuf__ = proto.module(
    package="drayman.cloud.tasks.v2",
    manifest={"Queue", "RateLimits", "RetryConfig", "StackdriverLoggingConfig"},
)


class RateLimits(proto.Message):
    """How fast a queue may dispatch.

    Attributes:
        max_dispatches_per_second (float): Attempts a second, 500 by default.
        max_burst_size (int): Output only: how many attempts may start at once after a pause.
        max_concurrent_dispatches (int): Attempts in flight, 1000 by default.
    """

    max_dispatches_per_second: float = proto.Field(proto.DOUBLE, number=1)
    max_burst_size: int = proto.Field(proto.INT32, number=2)
    max_concurrent_dispatches: int = proto.Field(proto.INT32, number=3)


class RetryConfig(proto.Message):
    """When a failed task is tried again, and when it is given up.

    Attributes:
        max_attempts (int): Attempts in all, the first included; -1 means no limit, default 100.
        max_retry_duration (datetime.timedelta): How long to go on trying after the first
            attempt; zero means no limit. A task with both limits ends when both are used up.
        min_backoff (datetime.timedelta): The first delay, 0.1 s by default.
        max_backoff (datetime.timedelta): The longest delay, one hour by default.
        max_doublings (int): How often the delay doubles before it grows by a constant step.
    """

    max_attempts: int = proto.Field(proto.INT32, number=1)
    max_retry_duration: Span = proto.Field(proto.MESSAGE, number=2, message=duration_pb2.Duration)
    min_backoff: Span = proto.Field(proto.MESSAGE, number=3, message=duration_pb2.Duration)
    max_backoff: Span = proto.Field(proto.MESSAGE, number=4, message=duration_pb2.Duration)
    max_doublings: int = proto.Field(proto.INT32, number=5)


class StackdriverLoggingConfig(proto.Message):
    """How much of a queue's activity is logged.

    Attributes:
        sampling_ratio (float): The logged fraction of operations, 0.0 to 1.0.
    """

    sampling_ratio: float = proto.Field(proto.DOUBLE, number=1)


class Queue(proto.Message):
    """A queue: tasks that share a rate, a retry policy and perhaps a target.

    Attributes:
        name (str): ``projects/PROJECT/locations/LOCATION/queues/QUEUE``.
        app_engine_routing_override: The routing of all App Engine tasks of the queue.
        rate_limits: How fast it may dispatch.
        retry_config: When failed tasks are tried again.
        state: Output only: whether it dispatches.
        purge_time (datetime.datetime): Output only: when it was last purged.
        stackdriver_logging_config: How much of its activity is logged.
        http_target: What it sets for all of its HTTP tasks.
    """

    class State(proto.Enum):
        """Whether a queue dispatches."""

        STATE_UNSPECIFIED = 0
        RUNNING = 1
        PAUSED = 2
        DISABLED = 3

    name: str = proto.Field(proto.STRING, number=1)
    app_engine_routing_override: target.AppEngineRouting = proto.Field(
        proto.MESSAGE, number=2, message=target.AppEngineRouting
    )
    http_target: target.HttpTarget = proto.Field(
        proto.MESSAGE, number=10, message=target.HttpTarget
    )
    rate_limits: RateLimits = proto.Field(proto.MESSAGE, number=3, message=RateLimits)
    retry_config: RetryConfig = proto.Field(proto.MESSAGE, number=4, message=RetryConfig)
    state: State = proto.Field(proto.ENUM, number=5, enum=State)
    purge_time: Moment = proto.Field(proto.MESSAGE, number=6, message=timestamp_pb2.Timestamp)
    stackdriver_logging_config: StackdriverLoggingConfig = proto.Field(
        proto.MESSAGE, number=9, message=StackdriverLoggingConfig
    )
