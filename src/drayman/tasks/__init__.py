"""The client library: ``from drayman import tasks`` in place of ``from google.cloud import tasks``.

Example:
    >>> client = tasks.CloudTasksClient()
    >>> task = tasks.http_task("https://example.com/work", json={"id": 7})
    >>> client.create_task(parent=client.queue_path("P", "us-central1", "mail"), task=task)
"""

from typing import TYPE_CHECKING, Any

from drayman import __version__ as __version__
from drayman.tasks_v2 import types as _types
from drayman.tasks_v2.task_builder import http_task
from drayman.tasks_v2.types import *  # noqa: F403 - all messages, by the names of their __all__

if TYPE_CHECKING:
    from drayman.tasks_v2.services.cloud_tasks import CloudTasksAsyncClient, CloudTasksClient

__all__ = ["CloudTasksAsyncClient", "CloudTasksClient", "http_task"]
__all__ += _types.__all__


def __getattr__(name: str) -> Any:
    if name in {"CloudTasksAsyncClient", "CloudTasksClient"}:
        from drayman.tasks_v2.services import cloud_tasks

        return getattr(cloud_tasks, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
