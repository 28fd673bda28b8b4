"""Changes of a queue that need its message: computed outside the store, applied if still valid."""

from collections.abc import Callable

from drayman.api.context import Context
from drayman.core import errors
from drayman.core import queue as queues
from drayman.core.queue import Queue

MAX_TRIES = 100
"""How often a change is computed anew because somebody else changed the queue meanwhile."""


async def update(context: Context, name: str, compute: Callable[[Queue | None], Queue]) -> Queue:
    """Replace a queue by what ``compute`` returns for it; None stands for an absent queue.

    ``compute`` may parse messages: it runs in the event loop, not in the store's transaction, and
    again if the queue changed meanwhile. What it raises is raised here. Aborted if the queue
    changes all the time.
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
