"""The requests and responses of the calls."""

import proto
from google.protobuf import field_mask_pb2, timestamp_pb2
from google.rpc import status_pb2

from drayman.tasks_v2.types import queue as gct_queue
from drayman.tasks_v2.types import task as gct_task
from drayman.tasks_v2.types.marshalling import Moment

__protobuf__ = proto.module(
    package="drayman.cloud.tasks.v2",
    manifest={
        "ListQueuesRequest",
        "ListQueuesResponse",
        "GetQueueRequest",
        "CreateQueueRequest",
        "UpdateQueueRequest",
        "DeleteQueueRequest",
        "PurgeQueueRequest",
        "PauseQueueRequest",
        "ResumeQueueRequest",
        "ListTasksRequest",
        "ListTasksResponse",
        "GetTaskRequest",
        "CreateTaskRequest",
        "BatchCreateTasksRequest",
        "BatchCreateTasksResponse",
        "BatchCreateTasksMetadata",
        "DeleteTaskRequest",
        "BatchDeleteTasksRequest",
        "BatchDeleteTasksMetadata",
        "RunTaskRequest",
    },
)


class ListQueuesRequest(proto.Message):
    """Asks for the queues of a location.

    Attributes:
        parent (str): Required: ``projects/PROJECT/locations/LOCATION``.
        filter (str): Which queues, for example ``state: PAUSED``; empty means all.
        page_size (int): At most so many, up to 9800; 0 means 9800.
        page_token (str): Where the previous page ended.
    """

    parent: str = proto.Field(proto.STRING, number=1)
    filter: str = proto.Field(proto.STRING, number=2)
    page_size: int = proto.Field(proto.INT32, number=3)
    page_token: str = proto.Field(proto.STRING, number=4)


class ListQueuesResponse(proto.Message):
    """A page of queues.

    Attributes:
        queues (Sequence[Queue]): The queues, in the order of their names.
        next_page_token (str): Where to go on; empty at the end.
    """

    @property
    def raw_page(self) -> "ListQueuesResponse":
        """The page itself, as pagers ask for it."""
        return self

    queues: list[gct_queue.Queue] = proto.RepeatedField(
        proto.MESSAGE, number=1, message=gct_queue.Queue
    )
    next_page_token: str = proto.Field(proto.STRING, number=2)


class GetQueueRequest(proto.Message):
    """Asks for a queue.

    Attributes:
        name (str): Required: the queue's name.
    """

    name: str = proto.Field(proto.STRING, number=1)


class CreateQueueRequest(proto.Message):
    """Creates a queue.

    Attributes:
        parent (str): Required: ``projects/PROJECT/locations/LOCATION``.
        queue: Required: the queue; its name must lie under ``parent``.
    """

    parent: str = proto.Field(proto.STRING, number=1)
    queue: gct_queue.Queue = proto.Field(proto.MESSAGE, number=2, message=gct_queue.Queue)


class UpdateQueueRequest(proto.Message):
    """Changes a queue, or creates it when it is absent.

    Attributes:
        queue: Required: the queue; its name says which.
        update_mask (google.protobuf.field_mask_pb2.FieldMask): The fields to set; empty means all.
    """

    queue: gct_queue.Queue = proto.Field(proto.MESSAGE, number=1, message=gct_queue.Queue)
    update_mask: field_mask_pb2.FieldMask = proto.Field(
        proto.MESSAGE, number=2, message=field_mask_pb2.FieldMask
    )


class DeleteQueueRequest(proto.Message):
    """Deletes a queue and its tasks.

    Attributes:
        name (str): Required: the queue's name.
    """

    name: str = proto.Field(proto.STRING, number=1)


class PurgeQueueRequest(proto.Message):
    """Deletes all tasks of a queue.

    Attributes:
        name (str): Required: the queue's name.
    """

    name: str = proto.Field(proto.STRING, number=1)


class PauseQueueRequest(proto.Message):
    """Stops the dispatch of a queue.

    Attributes:
        name (str): Required: the queue's name.
    """

    name: str = proto.Field(proto.STRING, number=1)


class ResumeQueueRequest(proto.Message):
    """Starts the dispatch of a queue again.

    Attributes:
        name (str): Required: the queue's name.
    """

    name: str = proto.Field(proto.STRING, number=1)


class ListTasksRequest(proto.Message):
    """Asks for the tasks of a queue.

    Attributes:
        parent (str): Required: the queue's name.
        response_view: BASIC (the default) leaves bodies out, FULL includes them.
        page_size (int): At most so many, up to 1000; 0 means 1000.
        page_token (str): Where the previous page ended.
    """

    parent: str = proto.Field(proto.STRING, number=1)
    response_view: gct_task.Task.View = proto.Field(proto.ENUM, number=2, enum=gct_task.Task.View)
    page_size: int = proto.Field(proto.INT32, number=3)
    page_token: str = proto.Field(proto.STRING, number=4)


class ListTasksResponse(proto.Message):
    """A page of tasks.

    Attributes:
        tasks (Sequence[Task]): The tasks, in no promised order.
        next_page_token (str): Where to go on; empty at the end.
    """

    @property
    def raw_page(self) -> "ListTasksResponse":
        """The page itself, as pagers ask for it."""
        return self

    tasks: list[gct_task.Task] = proto.RepeatedField(proto.MESSAGE, number=1, message=gct_task.Task)
    next_page_token: str = proto.Field(proto.STRING, number=2)


class GetTaskRequest(proto.Message):
    """Asks for a task.

    Attributes:
        name (str): Required: the task's name.
        response_view: BASIC (the default) leaves the body out, FULL includes it.
    """

    name: str = proto.Field(proto.STRING, number=1)
    response_view: gct_task.Task.View = proto.Field(proto.ENUM, number=2, enum=gct_task.Task.View)


class CreateTaskRequest(proto.Message):
    """Creates a task.

    Attributes:
        parent (str): Required: the queue's name.
        task: Required: the task; with a name it is created at most once.
        response_view: How much of the task to return.
    """

    parent: str = proto.Field(proto.STRING, number=1)
    task: gct_task.Task = proto.Field(proto.MESSAGE, number=2, message=gct_task.Task)
    response_view: gct_task.Task.View = proto.Field(proto.ENUM, number=3, enum=gct_task.Task.View)


class BatchCreateTasksRequest(proto.Message):
    """Creates up to 100 tasks in one queue.

    Attributes:
        parent (str): Required: the queue's name, which every request repeats.
        requests (Sequence[CreateTaskRequest]): Required: the tasks.
        request_id (str): A UUID that makes the call safe to repeat.
    """

    parent: str = proto.Field(proto.STRING, number=1)
    requests: list[CreateTaskRequest] = proto.RepeatedField(
        proto.MESSAGE, number=2, message=CreateTaskRequest
    )
    request_id: str = proto.Field(proto.STRING, number=3)


class BatchCreateTasksResponse(proto.Message):
    """What a batch created.

    Attributes:
        tasks (Sequence[Task]): The tasks that were created.
    """

    tasks: list[gct_task.Task] = proto.RepeatedField(proto.MESSAGE, number=1, message=gct_task.Task)


class BatchCreateTasksMetadata(proto.Message):
    """How a batch went.

    Attributes:
        start_time (datetime.datetime): When it began.
        end_time (datetime.datetime): When it ended.
        state: How far it is.
        failed_requests (Mapping[int, google.rpc.status_pb2.Status]): The requests that failed,
            by their index.
    """

    class State(proto.Enum):
        """How far a batch is."""

        STATE_UNSPECIFIED = 0
        RUNNING = 1
        SUCCEEDED = 2
        FAILED = 3
        CANCELLED = 4
        PARTIALLY_SUCCEEDED = 5

    start_time: Moment = proto.Field(proto.MESSAGE, number=1, message=timestamp_pb2.Timestamp)
    end_time: Moment = proto.Field(proto.MESSAGE, number=2, message=timestamp_pb2.Timestamp)
    state: State = proto.Field(proto.ENUM, number=3, enum=State)
    failed_requests: dict[int, status_pb2.Status] = proto.MapField(
        proto.INT32, proto.MESSAGE, number=4, message=status_pb2.Status
    )


class DeleteTaskRequest(proto.Message):
    """Deletes a task.

    Attributes:
        name (str): Required: the task's name.
    """

    name: str = proto.Field(proto.STRING, number=1)


class BatchDeleteTasksRequest(proto.Message):
    """Deletes up to 1000 tasks of one queue.

    Attributes:
        parent (str): Required: the queue's name.
        names (Sequence[str]): Required: the tasks' names.
        request_id (str): A UUID that makes the call safe to repeat.
    """

    parent: str = proto.Field(proto.STRING, number=1)
    names: list[str] = proto.RepeatedField(proto.STRING, number=2)
    request_id: str = proto.Field(proto.STRING, number=3)


class BatchDeleteTasksMetadata(proto.Message):
    """How a batch went.

    Attributes:
        start_time (datetime.datetime): When it began.
        end_time (datetime.datetime): When it ended.
        state: How far it is.
        failed_requests (Mapping[int, google.rpc.status_pb2.Status]): The deletions that failed,
            by their index.
    """

    class State(proto.Enum):
        """How far a batch is."""

        STATE_UNSPECIFIED = 0
        RUNNING = 1
        SUCCEEDED = 2
        PARTIALLY_SUCCEEDED = 3
        FAILED = 4

    start_time: Moment = proto.Field(proto.MESSAGE, number=1, message=timestamp_pb2.Timestamp)
    end_time: Moment = proto.Field(proto.MESSAGE, number=2, message=timestamp_pb2.Timestamp)
    state: State = proto.Field(proto.ENUM, number=3, enum=State)
    failed_requests: dict[int, status_pb2.Status] = proto.MapField(
        proto.INT32, proto.MESSAGE, number=4, message=status_pb2.Status
    )


class RunTaskRequest(proto.Message):
    """Dispatches a task now.

    Attributes:
        name (str): Required: the task's name.
        response_view: How much of the task to return.
    """

    name: str = proto.Field(proto.STRING, number=1)
    response_view: gct_task.Task.View = proto.Field(proto.ENUM, number=2, enum=gct_task.Task.View)
