"""The ways to make a call: over gRPC from threads or asyncio, over REST.

A transport is loaded when it is first asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

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

# What a client's `transport` argument may name.
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


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
