"""A queue and its settings."""

import proto
from google.protobuf import duration_pb2, timestamp_pb2

from drayman.tasks_v2.types import target
from drayman.tasks_v2.types.marshalling import Duration, Timestamp

__protobuf__ = proto.module(
    package="drayman.cloud.tasks.v2",
    manifest={"Queue", "RateLimits", "RetryConfig", "StackdriverLoggingConfig"},
)


class RateLimits(proto.Message):
    """Limits on the dispatch of a queue.

    Attributes:
        max_dispatches_per_second (float): Maximum attempts per second, 500 by default.
        max_burst_size (int): Output only: size of the token bucket, which is the maximum number of
            attempts that start at once after an idle time.
        max_concurrent_dispatches (int): Maximum attempts in flight, 1000 by default.
    """

    max_dispatches_per_second: float = proto.Field(proto.DOUBLE, number=1)
    max_burst_size: int = proto.Field(proto.INT32, number=2)
    max_concurrent_dispatches: int = proto.Field(proto.INT32, number=3)


class RetryConfig(proto.Message):
    """When a failed task is retried, and when it is given up.

    Attributes:
        max_attempts (int): Maximum attempts, including the first, 100 by default. -1 means no
            limit.
        max_retry_duration (datetime.timedelta): Time limit for retries, counted from the first
            attempt. Zero means no limit. A task is given up when both limits are reached.
        min_backoff (datetime.timedelta): Shortest delay before a retry, 0.1 s by default.
        max_backoff (datetime.timedelta): Longest delay before a retry, one hour by default.
        max_doublings (int): How many times the delay doubles before it grows linearly, 16 by
            default.
    """

    max_attempts: int = proto.Field(proto.INT32, number=1)
    max_retry_duration: Duration = proto.Field(
        proto.MESSAGE, number=2, message=duration_pb2.Duration
    )
    min_backoff: Duration = proto.Field(proto.MESSAGE, number=3, message=duration_pb2.Duration)
    max_backoff: Duration = proto.Field(proto.MESSAGE, number=4, message=duration_pb2.Duration)
    max_doublings: int = proto.Field(proto.INT32, number=5)


class StackdriverLoggingConfig(proto.Message):
    """Sampling of a queue's activity log.

    Attributes:
        sampling_ratio (float): Fraction of the operations to log, 0.0 to 1.0.
    """

    sampling_ratio: float = proto.Field(proto.DOUBLE, number=1)


class Queue(proto.Message):
    """A queue: tasks that share rate limits, a retry policy and optionally a target.

    Attributes:
        name (str): ``projects/PROJECT/locations/LOCATION/queues/QUEUE``.
        app_engine_routing_override: Routing of all App Engine tasks of the queue.
        rate_limits: Limits on the dispatch.
        retry_config: When failed tasks are retried.
        state: Output only: whether the queue dispatches tasks.
        purge_time (datetime.datetime): Output only: time of the last purge.
        stackdriver_logging_config: Sampling of the activity log.
        http_target: Settings that override those of all HTTP tasks of the queue.
    """

    class State(proto.Enum):
        """Whether a queue dispatches tasks."""

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
    purge_time: Timestamp = proto.Field(proto.MESSAGE, number=6, message=timestamp_pb2.Timestamp)
    stackdriver_logging_config: StackdriverLoggingConfig = proto.Field(
        proto.MESSAGE, number=9, message=StackdriverLoggingConfig
    )
