"""The calls of tasks: each takes the request message and returns the response message."""

from collections.abc import Sequence
from typing import Any

from google.protobuf import empty_pb2

from drayman.api.context import Context
from drayman.core import errors, limits, names, role
from drayman.core.clock import Micros
from drayman.core.errors import ServiceError
from drayman.core.events import TaskRunRequested, TasksCreated, TasksDeleted
from drayman.core.task import NewTask, Task
from drayman.tasks_v2 import types
from drayman.wire import pages, tasks

_ListResponse = types.ListTasksResponse.pb()


_REQUEST_OVERHEAD = 1 << 20
"""The most bytes of a request besides its task."""


def check_request_size(context: Context, size: int) -> None:
    """Refuse a request whose task must be too large, before it is parsed: JSON may double it."""
    if size > 2 * context.limits.task.task_size + _REQUEST_OVERHEAD:
        raise errors.InvalidArgument("Task size too large")


async def create_task(context: Context, request: Any) -> Any:
    """CreateTask: returns after the task is durable."""
    parent, view = request.parent, tasks.view(request)
    now = context.clock.now()
    task = tasks.parse(parent, request.task, now, context.limits.task)
    return _render(context, await create(context, parent, task, now), view)


async def create(context: Context, queue: str, task: NewTask, now: Micros) -> Task:
    """Store a task. NotFound for its queue; AlreadyExists; FailedPrecondition for its KMS key."""
    sealed = await context.encryption.seal(queue, [task])
    results = await context.store.create_tasks(queue, sealed, now)
    context.emit(TasksCreated(queue, [requested_name(queue, task)], results, now))
    (created,) = results
    if isinstance(created, ServiceError):
        raise created
    return created


def requested_name(queue: str, task: NewTask) -> str:
    """Return the name that the caller chose for a task, "" for a generated one."""
    return names.join_task(queue, task.id) if task.id else ""


async def get_task(context: Context, request: Any) -> Any:
    """GetTask."""
    view = tasks.view(request)
    return _render(context, await context.store.get_task(request.name, context.clock.now()), view)


async def list_tasks(context: Context, request: Any) -> Any:
    """ListTasks: a task that exists throughout the listing is in it exactly once."""
    parent, view = request.parent, tasks.view(request)
    now, size = (
        context.clock.now(),
        pages.size("ListTasksRequest.pageSize", request.page_size, limits.TASKS_PAGE),
    )
    after = pages.number(parent, request.page_token, now)
    page = await context.store.list_tasks(parent, after, size, limits.PAGE_BYTES)
    page_bytes = sum(len(task.request) for task in page.tasks)
    rendered = await context.offload.run(page_bytes, _render_all, context, page.tasks, view)
    response = _ListResponse(tasks=rendered)
    if page.cursor is not None:
        response.next_page_token = pages.token(parent, str(page.cursor), now)
    return response


async def delete_task(context: Context, request: Any) -> Any:
    """DeleteTask: an attempt in flight continues, but is not retried."""
    queue, now = names.task(request.name).queue, context.clock.now()
    results = await context.store.delete_tasks([request.name], now)
    context.emit(TasksDeleted(queue, [request.name], results, now))
    (error,) = results
    if error:
        raise error
    return empty_pb2.Empty()


async def run_task(context: Context, request: Any) -> Any:
    """RunTask: grants one attempt now, in any state of the queue; the response counts it."""
    view, now = tasks.view(request), context.clock.now()
    if context.role is role.INSPECTION:  # the attempt would be made by a later server, unexpectedly
        raise errors.FailedPrecondition(
            "The server was started with --no-dispatch: it runs no tasks."
        )
    task = await context.store.run_task(request.name, now)
    context.emit(TaskRunRequested(request.name, now))
    return tasks.encode_granted(context.encryption.open(task, view), view)


def _render_all(context: Context, page: Sequence[Task], view: int) -> list[Any]:
    return [_render(context, task, view) for task in page]


def _render(context: Context, task: Task, view: int) -> Any:
    return tasks.encode(context.encryption.open(task, view), view)
