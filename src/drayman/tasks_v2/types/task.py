"""A task and its attempts."""

import proto
from google.protobuf import duration_pb2, timestamp_pb2
from google.rpc import status_pb2

from drayman.tasks_v2.types import queue, target
from drayman.tasks_v2.types.marshalling import Moment, Span

__protobuf__ = proto.module(
    package="drayman.cloud.tasks.v2",
    manifest={"Task", "Attempt"},
)


class Attempt(proto.Message):
    """One attempt to deliver a task. All fields are output only.

    Attributes:
        schedule_time (datetime.datetime): When it was due.
        dispatch_time (datetime.datetime): When it was sent.
        response_time (datetime.datetime): When it ended.
        response_status (google.rpc.status_pb2.Status): How it ended; meaningless before
            ``response_time`` is set.
    """

    schedule_time: Moment = proto.Field(proto.MESSAGE, number=1, message=timestamp_pb2.Timestamp)
    dispatch_time: Moment = proto.Field(proto.MESSAGE, number=2, message=timestamp_pb2.Timestamp)
    response_time: Moment = proto.Field(proto.MESSAGE, number=3, message=timestamp_pb2.Timestamp)
    response_status: status_pb2.Status = proto.Field(
        proto.MESSAGE, number=4, message=status_pb2.Status
    )


class Task(proto.Message):
    """A unit of work: a request to be delivered at least once.

    Attributes:
        name (str): ``…/queues/QUEUE/tasks/TASK``; given by the caller or generated.
        app_engine_http_request: The request, for App Engine (or ``http_request``).
        http_request: The request, for any URL (or ``app_engine_http_request``).
        schedule_time (datetime.datetime): When to try first, at most 30 days ahead; the next
            attempt's time after a failure.
        create_time (datetime.datetime): Output only: when it was created, in whole seconds.
        dispatch_deadline (datetime.timedelta): How long one attempt may take: 15 s to 30 min
            for HTTP (default 10 min), 15 s to 24 h 15 s for App Engine.
        dispatch_count (int): Output only: attempts begun.
        response_count (int): Output only: attempts that received an answer.
        first_attempt: Output only: the first attempt, of which only the dispatch time is kept.
        last_attempt: Output only: the last attempt.
        view: Output only: which view this message is.
        retry_config: A retry policy of its own, in place of the queue's.
    """

    class View(proto.Enum):
        """How much of a task to return."""

        VIEW_UNSPECIFIED = 0
        BASIC = 1
        FULL = 2

    name: str = proto.Field(proto.STRING, number=1)
    app_engine_http_request: target.AppEngineHttpRequest = proto.Field(
        proto.MESSAGE, number=2, oneof="message_type", message=target.AppEngineHttpRequest
    )
    http_request: target.HttpRequest = proto.Field(
        proto.MESSAGE, number=3, oneof="message_type", message=target.HttpRequest
    )
    schedule_time: Moment = proto.Field(proto.MESSAGE, number=4, message=timestamp_pb2.Timestamp)
    create_time: Moment = proto.Field(proto.MESSAGE, number=5, message=timestamp_pb2.Timestamp)
    dispatch_deadline: Span = proto.Field(proto.MESSAGE, number=6, message=duration_pb2.Duration)
    dispatch_count: int = proto.Field(proto.INT32, number=7)
    response_count: int = proto.Field(proto.INT32, number=8)
    first_attempt: Attempt = proto.Field(proto.MESSAGE, number=9, message=Attempt)
    last_attempt: Attempt = proto.Field(proto.MESSAGE, number=10, message=Attempt)
    view: View = proto.Field(proto.ENUM, number=11, enum=View)
    retry_config: queue.RetryConfig = proto.Field(
        proto.MESSAGE, number=12, message=queue.RetryConfig
    )
