"""Version 2 of the API: messages, clients and the table of calls.

The clients are loaded when they are first asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

from drayman import __version__
from drayman.tasks_v2 import types
from drayman.tasks_v2.types import (
    AppEngineHttpRequest,
    AppEngineRouting,
    Attempt,
    BatchCreateTasksMetadata,
    BatchCreateTasksRequest,
    BatchCreateTasksResponse,
    BatchDeleteTasksMetadata,
    BatchDeleteTasksRequest,
    CmekConfig,
    CreateQueueRequest,
    CreateTaskRequest,
    DeleteQueueRequest,
    DeleteTaskRequest,
    GetCmekConfigRequest,
    GetQueueRequest,
    GetTaskRequest,
    HttpMethod,
    HttpRequest,
    HttpTarget,
    ListQueuesRequest,
    ListQueuesResponse,
    ListTasksRequest,
    ListTasksResponse,
    OAuthToken,
    OidcToken,
    PathOverride,
    PauseQueueRequest,
    PurgeQueueRequest,
    QueryOverride,
    Queue,
    RateLimits,
    ResumeQueueRequest,
    RetryConfig,
    RunTaskRequest,
    StackdriverLoggingConfig,
    Task,
    UpdateCmekConfigRequest,
    UpdateQueueRequest,
    UriOverride,
)

if TYPE_CHECKING:
    from drayman.tasks_v2.services.cloud_tasks import CloudTasksAsyncClient, CloudTasksClient

__all__ = (
    "AppEngineHttpRequest",
    "AppEngineRouting",
    "Attempt",
    "BatchCreateTasksMetadata",
    "BatchCreateTasksRequest",
    "BatchCreateTasksResponse",
    "BatchDeleteTasksMetadata",
    "BatchDeleteTasksRequest",
    "CloudTasksAsyncClient",
    "CloudTasksClient",
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
    "__version__",
    "types",
)


def __getattr__(name: str) -> Any:
    if name in {"CloudTasksAsyncClient", "CloudTasksClient"}:
        from drayman.tasks_v2.services import cloud_tasks

        return getattr(cloud_tasks, name)
    if name == "services":
        return importlib.import_module("drayman.tasks_v2.services")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
