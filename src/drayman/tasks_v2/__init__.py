"""Version 2 of the API: messages, clients and the table of calls.

The clients are loaded when they are first asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

from drayman import __version__
from drayman.tasks_v2 import types
from drayman.tasks_v2.types import *  # noqa: F403 - all messages, by the names of their __all__

if TYPE_CHECKING:
    from drayman.tasks_v2.services.cloud_tasks import CloudTasksAsyncClient, CloudTasksClient

__all__ = ["CloudTasksAsyncClient", "CloudTasksClient", "__version__", "types"]
__all__ += types.__all__


def __getattr__(name: str) -> Any:
    if name in {"CloudTasksAsyncClient", "CloudTasksClient"}:
        return getattr(importlib.import_module(f"{__name__}.services.cloud_tasks"), name)
    if name == "services":
        return importlib.import_module(f"{__name__}.services")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
