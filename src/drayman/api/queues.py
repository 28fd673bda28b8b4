"""The calls of queues: each takes the request message and returns the response message."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from google.protobuf import empty_pb2

from drayman.api import callers, queue_updates
from drayman.api.context import Context
from drayman.core import limits, names
from drayman.core import queue as queue_changes
from drayman.core.events import QueueAction, QueueChanged
from drayman.core.queue import Change, Queue, State
from drayman.tasks_v2 import types
from drayman.wire import pages, queue_filter, queues

_CHUNK = 500
"""Queues that are loaded at a time."""
_FIXED_SIZE = 512
"""Bytes of a queue in a response besides its settings, with the longest name."""
_ListResponse = types.ListQueuesResponse.pb()


async def list_queues(context: Context, request: Any) -> Any:
    """ListQueues: the queues that match the filter, ordered by name, a page at a time."""
    parent = request.parent
    condition = queue_filter.parse(request.filter)
    now, size = (
        context.clock.now(),
        pages.size("ListQueuesRequest.pageSize", request.page_size, limits.QUEUES_PAGE),
    )
    scope = f"{parent}\n{request.filter}"
    after = pages.cursor(scope, request.page_token, now)
    response = _ListResponse()
    chunk = _CHUNK if request.filter else min(size, _CHUNK)
    response_size = 0

    async def select(loaded: Sequence[Queue]) -> Sequence[Queue]:
        if not request.filter:
            return loaded
        return await context.offload.run(len(loaded) * _FIXED_SIZE, _select, condition, loaded)

    async for queue in list_after(context, parent, after, chunk, select):
        response.queues.append(queues.encode(queue))
        response_size += len(queue.settings) + _FIXED_SIZE
        if len(response.queues) == size or response_size > limits.PAGE_BYTES:
            break
    if response.queues:  # the last page has a token, too (recorded)
        response.next_page_token = pages.token(scope, response.queues[-1].name, now)
    return response


def _select(condition: queue_filter.Predicate, loaded: Sequence[Queue]) -> list[Queue]:
    return [queue for queue in loaded if queue_filter.matches(condition, queue)]


async def _select_all(loaded: Sequence[Queue]) -> Sequence[Queue]:
    return loaded


async def list_after(
    context: Context,
    parent: str,
    after: str = "",
    chunk: int = _CHUNK,
    select: Callable[[Sequence[Queue]], Awaitable[Sequence[Queue]]] = _select_all,
) -> AsyncIterator[Queue]:
    """Yield the selected queues of a location whose names follow ``after``.

    ``chunk`` queues are loaded at a time.
    """
    while True:
        loaded = await context.store.list_queues(parent, after, chunk)
        for queue in await select(loaded):
            yield queue
        if len(loaded) < chunk:
            return
        after = loaded[-1].name


async def get_queue(context: Context, request: Any) -> Any:
    """GetQueue."""
    return queues.encode(await context.store.get_queue(request.name))


async def create_queue(context: Context, request: Any) -> Any:
    """CreateQueue: the response has the defaults filled in."""
    parent = request.parent
    name = names.new_queue(parent, request.queue.name)
    queue = queues.parse(request.queue, name, context.limits.queue)
    return await _change(context, name, queue_changes.creation(queue), QueueAction.CREATED)


async def update_queue(context: Context, request: Any) -> Any:
    """UpdateQueue: sets the fields of the mask, or all; creates a queue that does not exist."""
    name = request.queue.name
    paths = list(request.update_mask.paths) if request.HasField("update_mask") else None

    action = QueueAction.UPDATED

    def compute(existing: Queue | None) -> Queue:
        nonlocal action
        action = QueueAction.UPDATED if existing else QueueAction.CREATED
        message = queues.Message()
        message.CopyFrom(request.queue)
        return queues.update(existing, message, paths, context.limits.queue)

    queue = await queue_updates.update(context, name, compute)
    emit(context, name, action)
    return queues.encode(queue)


async def delete_queue(context: Context, request: Any) -> Any:
    """DeleteQueue: deletes the queue and all its tasks."""
    await context.store.delete_queue(request.name, context.clock.now())
    emit(context, request.name, QueueAction.DELETED)
    return empty_pb2.Empty()


async def purge_queue(context: Context, request: Any) -> Any:
    """PurgeQueue: deletes every task that was created before the call."""
    queue = await context.store.purge_queue(request.name, context.clock.now())
    emit(context, request.name, QueueAction.PURGED)
    return queues.encode(queue)


async def pause_queue(context: Context, request: Any) -> Any:
    """PauseQueue: tasks can still be created, but are not dispatched."""
    name = request.name
    pause = queue_changes.replacement(state=State.PAUSED)
    return await _change(context, name, pause, QueueAction.PAUSED)


async def resume_queue(context: Context, request: Any) -> Any:
    """ResumeQueue: dispatches again, without earlier back pressure."""
    name = request.name
    resume = queue_changes.replacement(state=State.RUNNING)
    return await _change(context, name, resume, QueueAction.RESUMED, reset_pressure=True)


async def _change(
    context: Context,
    name: str,
    change: Change,
    action: QueueAction,
    *,
    reset_pressure: bool = False,
) -> Any:
    now = context.clock.now()
    queue = await context.store.update_queue(name, change, now, reset_pressure=reset_pressure)
    emit(context, name, action)
    return queues.encode(queue)


def emit(context: Context, name: str, action: QueueAction) -> None:
    """Emit the event of a changed queue."""
    context.emit(QueueChanged(name, action, context.clock.now(), callers.current()))
