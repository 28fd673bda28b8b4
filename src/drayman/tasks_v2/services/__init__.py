"""The services of the API. There is one, ``cloud_tasks``."""

from drayman.tasks_v2.services import cloud_tasks

__all__ = ("cloud_tasks",)
