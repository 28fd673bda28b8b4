"""Pending tasks from messages of the API."""

from drayman import tasks as tasks_library
from drayman.testing import values
from drayman.testing.values import PendingTask


def from_message(task: tasks_library.Task) -> PendingTask:
    """Return what a test sees of a task whose view is FULL."""
    request = task.http_request or task.app_engine_http_request
    return PendingTask(
        name=task.name,
        queue=task.name.rpartition("/tasks/")[0],
        url=task.http_request.url or task.app_engine_http_request.relative_uri,
        method=tasks_library.HttpMethod(request.http_method).name,
        headers=dict(request.headers),
        body=request.body,
        schedule_time=values.truncate(task.schedule_time),
        dispatch_count=task.dispatch_count,
    )
