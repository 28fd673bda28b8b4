"""What a verb costs does not grow with the backlog; measured in SQLite's own instructions."""

import pytest
from sqlite_world import open_world
from world import LIMITS, START, full, queue, set_state

from drayman.core.clock import DAY, HOUR, SECOND
from drayman.core.lifecycle import Verdict
from drayman.core.queue import State
from drayman.store.verbs import queues


async def backlog(size):
    """Return a world with so many tasks due, ahead, retired, in flight and remembered."""
    world = open_world()
    for queue_id in ("q", "purged", "ahead", "done"):
        await world.queue(queue_id, concurrency=5_000)
    await world.create(*(f"d{number}" for number in range(size)), queue_id="done")
    for number in range(size):
        await world.delete(f"{full('done')}/tasks/d{number}")
    world.advance(HOUR)
    await world.create(*(f"d-late{number}" for number in range(3)), queue_id="done")
    for number in range(3):
        await world.delete(f"{full('done')}/tasks/d-late{number}")
    await world.create(*(f"p{number}" for number in range(size)), queue_id="purged")
    await world.store.purge_queue(full("purged"), world.now)
    await world.create(*[None] * size, queue_id="ahead", after=HOUR)
    await world.create(*(f"t{number}" for number in range(size)))
    await world.create("one", "two")
    world.held = (await world.claim(5))[0]
    world.advance(SECOND)
    return world


VERBS = {
    "create": lambda world: world.create("new", None),
    "create a taken name": lambda world: world.try_create("d1", queue_id="done"),
    "create a purged name": lambda world: world.try_create("p1", queue_id="purged"),
    "get": lambda world: world.get(f"{full('q')}/tasks/one"),
    "list": lambda world: world.store.list_tasks(full("q"), 0, 10, 1 << 20),
    "delete": lambda world: world.delete(f"{full('q')}/tasks/one"),
    "run": lambda world: world.run(f"{full('q')}/tasks/one"),
    "claim": lambda world: world.claim(5),
    "retry": lambda world: world.settle(world.held, Verdict.RETRY),
    "complete": lambda world: world.settle(world.held),
    "fail": lambda world: world.settle(world.held, Verdict.FAILED),
    "release": lambda world: world.store.release("server", world.now),
    "purge": lambda world: world.store.purge_queue(full("q"), world.now),
    "delete a queue": lambda world: world.store.delete_queue(full("q"), world.now),
    "pause": lambda world: set_state(world.store, full("q"), State.PAUSED, world.now),
    "update": lambda world: world.store.update_queue(full("q"), lambda _: queue(), world.now),
    "sweep purged tasks": lambda world: world.store.sweep(world.now, 5),
    "sweep old tasks": lambda world: sweep_at(
        world, START + LIMITS.retention.task_retention + 2 * HOUR
    ),
    "sweep tombstones": lambda world: sweep_at(world, START + DAY),
    "stats of all queues": lambda world: world.store.list_queue_stats("", "", 10, world.now),
    "counts of all queues": lambda world: world.store.count_queues("", 10),
    "size": lambda world: world.store.size(),
    "stats": lambda world: world.store.queue_stats(full("q"), world.now),
}


async def sweep_at(world, now):
    return await world.store.sweep(now, 5)


async def cost(verb, size):
    """Return how many hundred instructions a verb takes beside a backlog."""
    world = await backlog(size)
    if "tombstones" in verb or "old" in verb:  # the purged tasks come first
        await world.store.sweep(world.now, size)
    ticks = []
    world.database.connection.set_progress_handler(lambda: ticks.append(1), 100)
    await VERBS[verb](world)
    await world.store.close()
    return len(ticks)


@pytest.mark.parametrize("verb", VERBS)
async def test_a_verb_costs_the_same_with_any_backlog(verb, monkeypatch):
    monkeypatch.setattr(queues, "MAX_DUE_COUNTED", 100)  # up to which due tasks are counted
    assert await cost(verb, 2_000) <= await cost(verb, 200) + 5
