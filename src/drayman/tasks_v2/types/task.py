"""A task and its attempts."""

import proto
from google.protobuf import duration_pb2, timestamp_pb2
from google.rpc import status_pb2

from drayman.tasks_v2.types import queue, target
from drayman.tasks_v2.types.marshalling import Duration, Timestamp

__protobuf__ = proto.module(
    package="drayman.cloud.tasks.v2",
    manifest={"Task", "Attempt"},
)


class Attempt(proto.Message):
    """One attempt to deliver a task. All fields are output only.

    Attributes:
        schedule_time (datetime.datetime): When the attempt was due.
        dispatch_time (datetime.datetime): When the request was sent.
        response_time (datetime.datetime): When the attempt ended.
        response_status (google.rpc.status_pb2.Status): The result. Undefined
            unless ``response_time`` is set.
    """

    schedule_time: Timestamp = proto.Field(proto.MESSAGE, number=1, message=timestamp_pb2.Timestamp)
    dispatch_time: Timestamp = proto.Field(proto.MESSAGE, number=2, message=timestamp_pb2.Timestamp)
    response_time: Timestamp = proto.Field(proto.MESSAGE, number=3, message=timestamp_pb2.Timestamp)
    response_status: status_pb2.Status = proto.Field(
        proto.MESSAGE, number=4, message=status_pb2.Status
    )


class Task(proto.Message):
    """A unit of work: a request to be delivered at least once.

    Attributes:
        name (str): ``…/queues/QUEUE/tasks/TASK``. Generated if the caller does not set it.
        app_engine_http_request: The request to an App Engine application. Excludes
            ``http_request``.
        http_request: The request to any URL. Excludes ``app_engine_http_request``.
        schedule_time (datetime.datetime): Time of the next attempt. The first may be at most 30
            days ahead.
        create_time (datetime.datetime): Output only: creation time, in whole seconds.
        dispatch_deadline (datetime.timedelta): Time limit of one attempt: 15 s to 30 min for
            HTTP (default 10 min), 15 s to 24 h 15 s for App Engine.
        dispatch_count (int): Output only: number of attempts, including those in flight.
        response_count (int): Output only: number of attempts that received a response.
        first_attempt: Output only: the first attempt. Only its dispatch time is set.
        last_attempt: Output only: the last attempt.
        view: Output only: the view that this message contains.
        retry_config: The retry policy, instead of the queue's. Unset fields get the defaults.
    """

    class View(proto.Enum):
        """How much of a task a response contains."""

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
    schedule_time: Timestamp = proto.Field(proto.MESSAGE, number=4, message=timestamp_pb2.Timestamp)
    create_time: Timestamp = proto.Field(proto.MESSAGE, number=5, message=timestamp_pb2.Timestamp)
    dispatch_deadline: Duration = proto.Field(
        proto.MESSAGE, number=6, message=duration_pb2.Duration
    )
    dispatch_count: int = proto.Field(proto.INT32, number=7)
    response_count: int = proto.Field(proto.INT32, number=8)
    first_attempt: Attempt = proto.Field(proto.MESSAGE, number=9, message=Attempt)
    last_attempt: Attempt = proto.Field(proto.MESSAGE, number=10, message=Attempt)
    view: View = proto.Field(proto.ENUM, number=11, enum=View)
    retry_config: queue.RetryConfig = proto.Field(
        proto.MESSAGE, number=12, message=queue.RetryConfig
    )
