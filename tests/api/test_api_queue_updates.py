"""Updates of queues that others change at the same time, on a real store."""

import asyncio
import dataclasses

import pytest

from drayman.api import queue_updates
from drayman.api.context import Context
from drayman.core import errors
from drayman.core import queue as queues
from drayman.core.clock import ManualClock
from drayman.core.limits import Limits
from drayman.core.queue import Queue, State
from drayman.store.sqlite.database import open_store

NAME = "projects/p/locations/l/queues/q"


class BusyStore:
    """A store in which another caller changes the queue after each of the first reads.

    Attributes:
        reads: How often the queue was read.
    """

    def __init__(self, store, now, changes):
        self.reads = 0
        self.update_queue = store.update_queue
        self._store = store
        self._now = now
        self._changes = changes

    async def get_queue(self, name):
        self.reads += 1
        try:
            return await self._store.get_queue(name)
        finally:
            if self._changes:
                change = self._changes.pop(0)
                await self._store.update_queue(name, change, self._now)


@pytest.fixture
async def store():
    store = await open_store(":memory:", Limits(), ManualClock().now())
    yield store
    await store.close()


def context_of(store):
    return Context(store, ManualClock(), Limits(), None, emit=lambda _: None)


async def create(store):
    await store.update_queue(NAME, queues.creation(Queue(NAME)), ManualClock().now())


def set_settings(text):
    return queues.replacement(settings=text)


def append(text):
    """Return a computation that appends to the settings, and creates an absent queue."""

    def compute(queue):
        old = queue or Queue(NAME)
        return dataclasses.replace(old, settings=old.settings + text)

    return compute


async def test_an_update_is_computed_again_from_the_changed_queue(store):
    await create(store)
    busy = BusyStore(store, ManualClock().now(), [set_settings(b"1"), set_settings(b"2")])
    updated = await queue_updates.update(context_of(busy), NAME, append(b"+ours"))
    assert updated.settings == b"2+ours"
    assert busy.reads == 3


async def test_an_update_keeps_changes_of_other_fields(store):
    await create(store)
    busy = BusyStore(store, ManualClock().now(), [queues.replacement(state=State.PAUSED)])
    updated = await queue_updates.update(context_of(busy), NAME, append(b"ours"))
    assert (updated.state, updated.settings) == (State.PAUSED, b"ours")


async def test_a_queue_created_meanwhile_is_updated_instead_of_created(store):
    busy = BusyStore(store, ManualClock().now(), [queues.creation(Queue(NAME, settings=b"theirs"))])
    updated = await queue_updates.update(context_of(busy), NAME, append(b"+ours"))
    assert updated.settings == b"theirs+ours"


async def test_a_queue_that_changes_all_the_time_ends_the_update(store):
    await create(store)
    changes = [set_settings(b"%d" % number) for number in range(queue_updates.MAX_TRIES)]
    busy = BusyStore(store, ManualClock().now(), changes)
    with pytest.raises(errors.Aborted, match="is being changed by others"):
        await queue_updates.update(context_of(busy), NAME, append(b"ours"))
    assert busy.reads == queue_updates.MAX_TRIES
    assert (await store.get_queue(NAME)).settings == b"%d" % (queue_updates.MAX_TRIES - 1)


async def test_concurrent_updates_all_take_effect(store):
    await create(store)
    context = context_of(store)
    updates = [queue_updates.update(context, NAME, append(b"x")) for _ in range(20)]
    await asyncio.gather(*updates)
    assert (await store.get_queue(NAME)).settings == b"x" * 20


async def test_an_error_of_the_computation_is_raised_and_changes_nothing(store):
    await create(store)

    def refuse(queue):  # noqa: ARG001 - it gets what every computation gets
        raise errors.InvalidArgument("no")

    with pytest.raises(errors.InvalidArgument, match="no"):
        await queue_updates.update(context_of(store), NAME, refuse)
    assert await store.get_queue(NAME) == Queue(NAME)
