"""Hints, given in the event loop's thread, that tasks may have become due."""

import threading

import pytest
from world import World, full, queue, set_state

from drayman.core.lifecycle import Verdict
from drayman.core.queue import State


@pytest.fixture
async def hinted(store):
    """Give a world with a task and a claim, and the list that hints go to."""
    world, hints = World(store), []
    await world.queue()
    await world.create("in-flight")
    world.held = await world.claim_one()
    await world.create("waiting")
    store.on_change(lambda _due: hints.append(threading.current_thread()))
    return world, hints


@pytest.mark.parametrize(
    "verb",
    [
        lambda world: world.create("new"),
        lambda world: world.run(f"{full('q')}/tasks/waiting"),
        lambda world: set_state(world.store, full("q"), State.RUNNING, world.now),
        lambda world: world.store.update_queue(full("q"), lambda _: queue(rate=9), world.now),
        lambda world: world.settle(world.held),
        lambda world: world.settle(world.held, Verdict.RETRY),
        lambda world: world.store.release("server", world.now),
    ],
    ids=["create", "run", "resume", "update", "completed", "retry", "release"],
)
async def test_verbs_that_may_make_tasks_due_give_a_hint(hinted, verb):
    world, hints = hinted
    await verb(world)
    assert hints == [threading.current_thread()]


async def test_reading_gives_no_hint(hinted):
    world, hints = hinted
    await world.listed()
    await world.get(f"{full('q')}/tasks/waiting")
    await world.claim()
    await world.store.queue_stats(full("q"), world.now)
    await world.store.sweep(world.now, 10)
    assert hints == []


async def test_all_subscribers_get_a_hint(hinted):
    world, hints = hinted
    more = []
    world.store.on_change(lambda _due: more.append(1))
    await world.create("new")
    assert (len(hints), len(more)) == (1, 1)
