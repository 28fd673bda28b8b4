"""The Cloud Tasks service: its clients, pagers and transports."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drayman.tasks_v2.services.cloud_tasks.async_client import CloudTasksAsyncClient
    from drayman.tasks_v2.services.cloud_tasks.client import CloudTasksClient

_MODULES = {"CloudTasksAsyncClient": "async_client", "CloudTasksClient": "client"}

__all__ = ("CloudTasksAsyncClient", "CloudTasksClient")


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
