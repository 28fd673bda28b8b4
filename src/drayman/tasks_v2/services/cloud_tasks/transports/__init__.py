"""The transports: gRPC for threads, gRPC for asyncio, and REST. Imported on first access."""

from typing import TYPE_CHECKING

from drayman.tasks_v2 import lazy as _lazy
from drayman.tasks_v2.services.cloud_tasks.transports.base import CloudTasksTransport

if TYPE_CHECKING:
    from drayman.tasks_v2.services.cloud_tasks.transports.grpc import CloudTasksGrpcTransport
    from drayman.tasks_v2.services.cloud_tasks.transports.grpc_asyncio import (
        CloudTasksGrpcAsyncIOTransport,
    )
    from drayman.tasks_v2.services.cloud_tasks.transports.rest import (
        CloudTasksRestInterceptor,
        CloudTasksRestTransport,
    )

_MODULES = {
    "CloudTasksGrpcTransport": "grpc",
    "CloudTasksGrpcAsyncIOTransport": "grpc_asyncio",
    "CloudTasksRestTransport": "rest",
    "CloudTasksRestInterceptor": "rest",
}

# The names that the `transport` argument of a client accepts.
REGISTRY = {
    "grpc": "CloudTasksGrpcTransport",
    "grpc_asyncio": "CloudTasksGrpcAsyncIOTransport",
    "rest": "CloudTasksRestTransport",
}

__all__ = (
    "CloudTasksGrpcAsyncIOTransport",
    "CloudTasksGrpcTransport",
    "CloudTasksRestInterceptor",
    "CloudTasksRestTransport",
    "CloudTasksTransport",
)

if not TYPE_CHECKING:
    __getattr__, __dir__ = _lazy.attributes(
        __name__, {name: f"{__name__}.{module}" for name, module in _MODULES.items()}
    )
