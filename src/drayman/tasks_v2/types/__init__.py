"""The messages of the API, defined once for client and server.

Field names, numbers and JSON names are Google's. The protobuf package is our own
(``drayman.cloud.tasks.v2``), because one process cannot define a message twice, and some load
Google's library as well.
"""

from drayman.tasks_v2.types import marshalling
from drayman.tasks_v2.types.cloudtasks import (
    BatchCreateTasksMetadata,
    BatchCreateTasksRequest,
    BatchCreateTasksResponse,
    BatchDeleteTasksMetadata,
    BatchDeleteTasksRequest,
    CreateQueueRequest,
    CreateTaskRequest,
    DeleteQueueRequest,
    DeleteTaskRequest,
    GetQueueRequest,
    GetTaskRequest,
    ListQueuesRequest,
    ListQueuesResponse,
    ListTasksRequest,
    ListTasksResponse,
    PauseQueueRequest,
    PurgeQueueRequest,
    ResumeQueueRequest,
    RunTaskRequest,
    UpdateQueueRequest,
)
from drayman.tasks_v2.types.cmek_config import (
    CmekConfig,
    GetCmekConfigRequest,
    UpdateCmekConfigRequest,
)
from drayman.tasks_v2.types.queue import (
    Queue,
    RateLimits,
    RetryConfig,
    StackdriverLoggingConfig,
)
from drayman.tasks_v2.types.target import (
    AppEngineHttpRequest,
    AppEngineRouting,
    HttpMethod,
    HttpRequest,
    HttpTarget,
    OAuthToken,
    OidcToken,
    PathOverride,
    QueryOverride,
    UriOverride,
)
from drayman.tasks_v2.types.task import Attempt, Task

__all__ = (
    "AppEngineHttpRequest",
    "AppEngineRouting",
    "Attempt",
    "BatchCreateTasksMetadata",
    "BatchCreateTasksRequest",
    "BatchCreateTasksResponse",
    "BatchDeleteTasksMetadata",
    "BatchDeleteTasksRequest",
    "CmekConfig",
    "CreateQueueRequest",
    "CreateTaskRequest",
    "DeleteQueueRequest",
    "DeleteTaskRequest",
    "GetCmekConfigRequest",
    "GetQueueRequest",
    "GetTaskRequest",
    "HttpMethod",
    "HttpRequest",
    "HttpTarget",
    "ListQueuesRequest",
    "ListQueuesResponse",
    "ListTasksRequest",
    "ListTasksResponse",
    "OAuthToken",
    "OidcToken",
    "PathOverride",
    "PauseQueueRequest",
    "PurgeQueueRequest",
    "QueryOverride",
    "Queue",
    "RateLimits",
    "ResumeQueueRequest",
    "RetryConfig",
    "RunTaskRequest",
    "StackdriverLoggingConfig",
    "Task",
    "UpdateCmekConfigRequest",
    "UpdateQueueRequest",
    "UriOverride",
)

marshalling.register(
    (
        BatchCreateTasksMetadata.State,
        BatchDeleteTasksMetadata.State,
        HttpMethod,
        Queue.State,
        Task.View,
        UriOverride.Scheme,
        UriOverride.UriOverrideEnforceMode,
    )
)
