"""Version 2 of the API: the messages, the clients and the table of RPCs.

The clients are imported on first access.
"""

from typing import TYPE_CHECKING

from drayman import __version__
from drayman.tasks_v2 import lazy as _lazy
from drayman.tasks_v2 import services as services
from drayman.tasks_v2 import types
from drayman.tasks_v2.task_builder import http_task
from drayman.tasks_v2.types import *  # noqa: F403 - all messages, listed in their __all__

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
    _SERVICE = f"{__name__}.services.cloud_tasks"
    __getattr__, __dir__ = _lazy.attributes(
        __name__,
        {
            "CloudTasksAsyncClient": _SERVICE,
            "CloudTasksClient": _SERVICE,
            "Creation": f"{_SERVICE}.batches",
        },
    )
