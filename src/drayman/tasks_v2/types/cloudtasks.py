"""The requests and responses of the RPCs."""

import proto
from google.protobuf import field_mask_pb2, timestamp_pb2
from google.rpc import status_pb2

from drayman.tasks_v2.types import queue as gct_queue
from drayman.tasks_v2.types import task as gct_task
from drayman.tasks_v2.types.marshalling import Timestamp

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
    """Request of ``ListQueues``: list the queues of a location.

    Attributes:
        parent (str): Required: ``projects/PROJECT/locations/LOCATION``.
        filter (str): Which queues to return, for example ``state: PAUSED``. Empty means all.
        page_size (int): Maximum number of queues per page, at most 9800. 0 means 9800.
        page_token (str): ``next_page_token`` of the previous page; empty for the first page.
    """

    parent: str = proto.Field(proto.STRING, number=1)
    filter: str = proto.Field(proto.STRING, number=2)
    page_size: int = proto.Field(proto.INT32, number=3)
    page_token: str = proto.Field(proto.STRING, number=4)


class ListQueuesResponse(proto.Message):
    """A page of queues.

    Attributes:
        queues (Sequence[Queue]): The queues, ordered by name.
        next_page_token (str): Token of the next page; empty on the last page.
    """

    @property
    def raw_page(self) -> "ListQueuesResponse":
        """The page itself, for pagers of ``google.api_core``."""
        return self

    queues: list[gct_queue.Queue] = proto.RepeatedField(
        proto.MESSAGE, number=1, message=gct_queue.Queue
    )
    next_page_token: str = proto.Field(proto.STRING, number=2)


class GetQueueRequest(proto.Message):
    """Request of ``GetQueue``: read a queue.

    Attributes:
        name (str): Required: the queue's name.
    """

    name: str = proto.Field(proto.STRING, number=1)


class CreateQueueRequest(proto.Message):
    """Request of ``CreateQueue``: create a queue.

    Attributes:
        parent (str): Required: ``projects/PROJECT/locations/LOCATION``.
        queue: Required: the queue. Its name must begin with ``parent``.
    """

    parent: str = proto.Field(proto.STRING, number=1)
    queue: gct_queue.Queue = proto.Field(proto.MESSAGE, number=2, message=gct_queue.Queue)


class UpdateQueueRequest(proto.Message):
    """Request of ``UpdateQueue``: change a queue, or create it if it does not exist.

    Attributes:
        queue: Required: the queue, identified by its name.
        update_mask (google.protobuf.field_mask_pb2.FieldMask): The fields to set. Empty
            means all.
    """

    queue: gct_queue.Queue = proto.Field(proto.MESSAGE, number=1, message=gct_queue.Queue)
    update_mask: field_mask_pb2.FieldMask = proto.Field(
        proto.MESSAGE, number=2, message=field_mask_pb2.FieldMask
    )


class DeleteQueueRequest(proto.Message):
    """Request of ``DeleteQueue``: delete a queue and its tasks.

    Attributes:
        name (str): Required: the queue's name.
    """

    name: str = proto.Field(proto.STRING, number=1)


class PurgeQueueRequest(proto.Message):
    """Request of ``PurgeQueue``: delete all tasks of a queue.

    Attributes:
        name (str): Required: the queue's name.
    """

    name: str = proto.Field(proto.STRING, number=1)


class PauseQueueRequest(proto.Message):
    """Request of ``PauseQueue``: stop dispatching the tasks of a queue.

    Attributes:
        name (str): Required: the queue's name.
    """

    name: str = proto.Field(proto.STRING, number=1)


class ResumeQueueRequest(proto.Message):
    """Request of ``ResumeQueue``: dispatch the tasks of a queue again.

    Attributes:
        name (str): Required: the queue's name.
    """

    name: str = proto.Field(proto.STRING, number=1)


class ListTasksRequest(proto.Message):
    """Request of ``ListTasks``: list the tasks of a queue.

    Attributes:
        parent (str): Required: the queue's name.
        response_view: BASIC (the default) omits the bodies, FULL includes them.
        page_size (int): Maximum number of tasks per page, at most 1000. 0 means 1000.
        page_token (str): ``next_page_token`` of the previous page; empty for the first page.
    """

    parent: str = proto.Field(proto.STRING, number=1)
    response_view: gct_task.Task.View = proto.Field(proto.ENUM, number=2, enum=gct_task.Task.View)
    page_size: int = proto.Field(proto.INT32, number=3)
    page_token: str = proto.Field(proto.STRING, number=4)


class ListTasksResponse(proto.Message):
    """A page of tasks.

    Attributes:
        tasks (Sequence[Task]): The tasks, in no guaranteed order.
        next_page_token (str): Token of the next page; empty on the last page.
    """

    @property
    def raw_page(self) -> "ListTasksResponse":
        """The page itself, for pagers of ``google.api_core``."""
        return self

    tasks: list[gct_task.Task] = proto.RepeatedField(proto.MESSAGE, number=1, message=gct_task.Task)
    next_page_token: str = proto.Field(proto.STRING, number=2)


class GetTaskRequest(proto.Message):
    """Request of ``GetTask``: read a task.

    Attributes:
        name (str): Required: the task's name.
        response_view: BASIC (the default) omits the body, FULL includes it.
    """

    name: str = proto.Field(proto.STRING, number=1)
    response_view: gct_task.Task.View = proto.Field(proto.ENUM, number=2, enum=gct_task.Task.View)


class CreateTaskRequest(proto.Message):
    """Request of ``CreateTask``: create a task.

    Attributes:
        parent (str): Required: the queue's name.
        task: Required: the task. A task with a name is created at most once.
        response_view: How much of the task the response contains.
    """

    parent: str = proto.Field(proto.STRING, number=1)
    task: gct_task.Task = proto.Field(proto.MESSAGE, number=2, message=gct_task.Task)
    response_view: gct_task.Task.View = proto.Field(proto.ENUM, number=3, enum=gct_task.Task.View)


class BatchCreateTasksRequest(proto.Message):
    """Request of ``BatchCreateTasks``: create up to 100 tasks in one queue.

    Attributes:
        parent (str): Required: the queue's name. Each request must have the same parent.
        requests (Sequence[CreateTaskRequest]): Required: the tasks.
        request_id (str): A UUID, the id of the operation. A batch with an id that was used before
            is refused.
    """

    parent: str = proto.Field(proto.STRING, number=1)
    requests: list[CreateTaskRequest] = proto.RepeatedField(
        proto.MESSAGE, number=2, message=CreateTaskRequest
    )
    request_id: str = proto.Field(proto.STRING, number=3)


class BatchCreateTasksResponse(proto.Message):
    """Result of the operation that ``BatchCreateTasks`` starts.

    Attributes:
        tasks (Sequence[Task]): The created tasks, in the order of the requests.
    """

    tasks: list[gct_task.Task] = proto.RepeatedField(proto.MESSAGE, number=1, message=gct_task.Task)


class BatchCreateTasksMetadata(proto.Message):
    """Metadata of the operation that ``BatchCreateTasks`` starts.

    Attributes:
        start_time (datetime.datetime): Start of the operation.
        end_time (datetime.datetime): End of the operation.
        state: Progress of the operation.
        failed_requests (Mapping[int, google.rpc.status_pb2.Status]): The errors of the failed
            requests, by the index of the request.
    """

    class State(proto.Enum):
        """Progress of the operation."""

        STATE_UNSPECIFIED = 0
        RUNNING = 1
        SUCCEEDED = 2
        FAILED = 3
        CANCELLED = 4
        PARTIALLY_SUCCEEDED = 5

    start_time: Timestamp = proto.Field(proto.MESSAGE, number=1, message=timestamp_pb2.Timestamp)
    end_time: Timestamp = proto.Field(proto.MESSAGE, number=2, message=timestamp_pb2.Timestamp)
    state: State = proto.Field(proto.ENUM, number=3, enum=State)
    failed_requests: dict[int, status_pb2.Status] = proto.MapField(
        proto.INT32, proto.MESSAGE, number=4, message=status_pb2.Status
    )


class DeleteTaskRequest(proto.Message):
    """Request of ``DeleteTask``: delete a task.

    Attributes:
        name (str): Required: the task's name.
    """

    name: str = proto.Field(proto.STRING, number=1)


class BatchDeleteTasksRequest(proto.Message):
    """Request of ``BatchDeleteTasks``: delete up to 1000 tasks of one queue.

    Attributes:
        parent (str): Required: the queue's name.
        names (Sequence[str]): Required: the tasks' names.
        request_id (str): A UUID, the id of the operation. A batch with an id that was used before
            is refused.
    """

    parent: str = proto.Field(proto.STRING, number=1)
    names: list[str] = proto.RepeatedField(proto.STRING, number=2)
    request_id: str = proto.Field(proto.STRING, number=3)


class BatchDeleteTasksMetadata(proto.Message):
    """Metadata of the operation that ``BatchDeleteTasks`` starts.

    Attributes:
        start_time (datetime.datetime): Start of the operation.
        end_time (datetime.datetime): End of the operation.
        state: Progress of the operation.
        failed_requests (Mapping[int, google.rpc.status_pb2.Status]): The errors of the failed
            deletions, by the index of the name.
    """

    class State(proto.Enum):
        """Progress of the operation."""

        STATE_UNSPECIFIED = 0
        RUNNING = 1
        SUCCEEDED = 2
        PARTIALLY_SUCCEEDED = 3
        FAILED = 4

    start_time: Timestamp = proto.Field(proto.MESSAGE, number=1, message=timestamp_pb2.Timestamp)
    end_time: Timestamp = proto.Field(proto.MESSAGE, number=2, message=timestamp_pb2.Timestamp)
    state: State = proto.Field(proto.ENUM, number=3, enum=State)
    failed_requests: dict[int, status_pb2.Status] = proto.MapField(
        proto.INT32, proto.MESSAGE, number=4, message=status_pb2.Status
    )


class RunTaskRequest(proto.Message):
    """Request of ``RunTask``: dispatch a task now.

    Attributes:
        name (str): Required: the task's name.
        response_view: How much of the task the response contains.
    """

    name: str = proto.Field(proto.STRING, number=1)
    response_view: gct_task.Task.View = proto.Field(proto.ENUM, number=2, enum=gct_task.Task.View)
