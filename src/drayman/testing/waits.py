"""Waits of a server in real time until its queues have nothing to do."""

import asyncio
from collections.abc import AsyncIterator, Callable

from drayman.core.clock import MILLISECOND, Clock, Micros
from drayman.core.queue import Queue, State
from drayman.store.contract import QueueStats, Store

POLL_INTERVAL: Micros = 20 * MILLISECOND
"""The time between two looks at the queues."""
_PAGE = 1_000

Done = Callable[[Queue, QueueStats, Micros], bool]


def is_idle(queue: Queue, stats: QueueStats, now: Micros) -> bool:
    """Return whether a queue has no attempt in flight and, unless it is paused, no due task."""
    due = stats.next_schedule_time
    has_due = queue.state is State.RUNNING and due is not None and due <= now
    return not (stats.in_flight or has_due)


def is_empty(_queue: Queue, stats: QueueStats, _now: Micros) -> bool:
    """Return whether a queue has no task."""
    return not stats.in_flight and stats.next_schedule_time is None


async def wait(
    store: Store, clock: Clock, queue: str | None, done: Done, patience: Micros
) -> str | None:
    """Wait until one queue, or each, is done; return the name of one that is not, if it takes long.

    NotFound if there is no such queue.
    """
    end = clock.now() + patience
    while (name := await _undone(store, clock, queue, done)) and clock.now() < end:
        await clock.wait(asyncio.Event(), clock.now() + POLL_INTERVAL)
    return name


async def _undone(store: Store, clock: Clock, name: str | None, done: Done) -> str | None:
    """Return the name of a queue that is not done, None if there is none."""
    async for queue in list_queues(store, name):
        stats = await store.queue_stats(queue.name, clock.now())
        if not done(queue, stats, clock.now()):
            return queue.name
    return None


async def list_queues(store: Store, name: str | None = None) -> AsyncIterator[Queue]:
    """Yield one queue, or all in the order of their names. NotFound."""
    if name is not None:
        yield await store.get_queue(name)
        return
    after = ""
    while queues := await store.list_queues("", after, _PAGE):
        for queue in queues:
            yield queue
        after = queues[-1].name
