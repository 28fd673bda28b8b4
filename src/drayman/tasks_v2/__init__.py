"""Version 2 of the API: messages, clients and the table of calls.

The clients are loaded when they are first asked for.
"""

from typing import TYPE_CHECKING

from drayman import __version__
from drayman.tasks_v2 import lazy as _lazy
from drayman.tasks_v2 import types
from drayman.tasks_v2.task_builder import http_task
from drayman.tasks_v2.types import *  # noqa: F403 - all messages, by the names of their __all__

if TYPE_CHECKING:
    from drayman.tasks_v2.services.cloud_tasks import CloudTasksAsyncClient, CloudTasksClient
    from drayman.tasks_v2.services.cloud_tasks.batches import Creation

__all__ = [
    "CloudTasksAsyncClient",
    "CloudTasksClient",
    "Creation",
    "__version__",
    "http_task",
    "types",
]
__all__ += types.__all__

if not TYPE_CHECKING:
    __getattr__, __dir__ = _lazy.attributes(
        __name__,
        {
            "CloudTasksAsyncClient": f"{__name__}.services.cloud_tasks",
            "CloudTasksClient": f"{__name__}.services.cloud_tasks",
            "Creation": f"{__name__}.services.cloud_tasks.batches",
            "services": f"{__name__}.services",
        },
    )
