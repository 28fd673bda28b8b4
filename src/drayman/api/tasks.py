"""The calls of tasks. Each takes the request's message and returns the response's."""

from typing import Any

from google.protobuf import empty_pb2

from drayman.api.context import Context
from drayman.core import errors, limits, names
from drayman.core.errors import ServiceError
from drayman.core.task import Task
from drayman.tasks_v2 import types
from drayman.wire import pages, tasks

_ListResponse = types.ListTasksResponse.pb()


async def create_task(context: Context, request: Any) -> Any:
    """CreateTask: the response is a promise that the task is on disk."""
    parent, view = names.queue("parent", request.parent), tasks.view(request)
    if not request.HasField("task"):
        raise errors.invalid_field("CreateTaskRequest.task", "is required.")
    now = context.clock.now()
    task = tasks.parse(parent, request.task, now, context.limits)
    sealed = await context.encryption.seal(parent, [task])
    (created,) = await context.store.create_tasks(parent, sealed, now)
    if isinstance(created, ServiceError):
        raise created
    return _show(context, created, view)


async def get_task(context: Context, request: Any) -> Any:
    """GetTask."""
    names.task("name", request.name)
    view = tasks.view(request)
    return _show(context, await context.store.get_task(request.name, context.clock.now()), view)


async def list_tasks(context: Context, request: Any) -> Any:
    """ListTasks: what exists throughout a listing is in it exactly once."""
    parent, view = names.queue("parent", request.parent), tasks.view(request)
    now, size = context.clock.now(), pages.size(request.page_size, limits.TASKS_PAGE)
    after = pages.number(parent, request.page_token, now)
    page = await context.store.list_tasks(parent, after, size, limits.PAGE_BYTES)
    response = _ListResponse(tasks=[_show(context, task, view) for task in page.tasks])
    if page.cursor is not None:
        response.next_page_token = pages.token(parent, str(page.cursor), now)
    return response


async def delete_task(context: Context, request: Any) -> Any:
    """DeleteTask: an attempt in flight goes on, but is the last."""
    names.task("name", request.name)
    (refused,) = await context.store.delete_tasks([request.name], context.clock.now())
    if refused:
        raise refused
    return empty_pb2.Empty()


async def run_task(context: Context, request: Any) -> Any:
    """RunTask: one attempt now, whatever the queue's state; the response counts it already."""
    names.task("name", request.name)
    view = tasks.view(request)
    return _show(context, await context.store.run_task(request.name, context.clock.now()), view)


def _show(context: Context, task: Task, view: int) -> Any:
    return tasks.encode(context.encryption.opened(task, view), view)
