"""The client library. Replace ``from google.cloud import tasks`` by ``from drayman import tasks``.

Example:
    >>> client = tasks.CloudTasksClient()
    >>> task = tasks.http_task("https://example.com/work", json={"id": 7})
    >>> client.create_task(parent=client.queue_path("P", "us-central1", "mail"), task=task)
"""

from typing import TYPE_CHECKING

from drayman import __version__ as __version__
from drayman.tasks_v2 import lazy as _lazy
from drayman.tasks_v2 import types as _types
from drayman.tasks_v2.task_builder import http_task
from drayman.tasks_v2.types import *  # noqa: F403 - all messages, listed in their __all__

if TYPE_CHECKING:
    from drayman.tasks_v2.services.cloud_tasks import CloudTasksAsyncClient, CloudTasksClient
    from drayman.tasks_v2.services.cloud_tasks.batches import Creation

__all__ = ["CloudTasksAsyncClient", "CloudTasksClient", "Creation", "http_task"]
__all__ += _types.__all__

if not TYPE_CHECKING:
    __getattr__, __dir__ = _lazy.attributes(
        __name__,
        dict.fromkeys(
            ("CloudTasksAsyncClient", "CloudTasksClient", "Creation"), "drayman.tasks_v2"
        ),
    )
