"""Changes of a queue that need its message: computed outside the store, applied if still valid."""

from collections.abc import Callable

from drayman.api.context import Context
from drayman.core import errors
from drayman.core import queue as queues
from drayman.core.queue import Queue

MAX_TRIES = 100
"""Tries of an update whose queue others change at the same time."""


async def update(context: Context, name: str, compute: Callable[[Queue | None], Queue]) -> Queue:
    """Replace a queue with the one that ``compute`` returns for it; return the new queue.

    ``compute`` gets None if the queue does not exist. It may parse messages: it runs in the event
    loop, not in the store's transaction, and again whenever the queue changed meanwhile. Errors
    that it raises are raised here. Aborted after ``MAX_TRIES``.
    """
    for _ in range(MAX_TRIES):
        existing = await _get(context, name)
        change = queues.swap(existing, compute(existing))
        try:
            return await context.store.update_queue(name, change, context.clock.now())
        except queues.QueueChangedError:
            continue
    raise errors.Aborted(f"The queue {name} is being changed by others all the time; try again.")


async def _get(context: Context, name: str) -> Queue | None:
    try:
        return await context.store.get_queue(name)
    except errors.NotFound:
        return None
