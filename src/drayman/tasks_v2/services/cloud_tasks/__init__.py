"""The Cloud Tasks service: its clients, pagers and transports, imported on first access."""

from typing import TYPE_CHECKING

from drayman.tasks_v2 import lazy as _lazy

if TYPE_CHECKING:
    from drayman.tasks_v2.services.cloud_tasks import pagers as pagers
    from drayman.tasks_v2.services.cloud_tasks import transports as transports
    from drayman.tasks_v2.services.cloud_tasks.async_client import CloudTasksAsyncClient
    from drayman.tasks_v2.services.cloud_tasks.client import CloudTasksClient

_MODULES = {
    "CloudTasksAsyncClient": "async_client",
    "CloudTasksClient": "client",
    "pagers": "pagers",
    "transports": "transports",
}

__all__ = ("CloudTasksAsyncClient", "CloudTasksClient")

if not TYPE_CHECKING:
    __getattr__, __dir__ = _lazy.attributes(
        __name__, {name: f"{__name__}.{module}" for name, module in _MODULES.items()}
    )
