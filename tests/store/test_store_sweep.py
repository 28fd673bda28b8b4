"""Purging and deleting are instant; what remains goes in small steps, later."""

import pytest
from world import LIMITS, START, full, ids_of

from drayman.core import errors
from drayman.core.clock import DAY, HOUR
from drayman.core.lifecycle import Verdict


async def purged(world):
    return await world.store.purge_queue(full("q"), world.now)


async def test_a_purge_sets_the_purge_time_of_the_queue(world):
    await world.queue()
    world.advance(5)
    assert (await purged(world)).purge_time == START + 5
    assert (await world.store.get_queue(full("q"))).purge_time == START + 5


async def test_only_tasks_before_the_purge_are_deleted(world):
    await world.queue()
    old = await world.create("a", None, after=HOUR)
    await purged(world)
    assert await world.listed() == []
    for name in old:
        with pytest.raises(errors.NotFound, match="existed recently"):
            await world.get(name)
        for verb in (world.run, world.delete):
            with pytest.raises(errors.NotFound):
                await verb(name)
    await world.create("b")
    world.advance(HOUR)
    assert ids_of(await world.claim()) == ["b"]


async def test_attempts_in_flight_keep_their_slots_after_a_purge(world):
    await world.queue(concurrency=1)
    await world.create("a")
    claim = await world.claim_one()
    await purged(world)
    await world.create("b")
    assert await world.claim() == []
    await world.settle(claim)
    assert ids_of(await world.claim()) == ["b"]


async def test_a_queue_may_be_purged_again_and_again(world):
    await world.queue()
    for _ in range(4):
        await world.create(*[None] * 5)
        await purged(world)
    assert await world.sweep(limit=3) == (20 + 4) // 3 + 1  # tasks and generations
    assert await world.store.sweep(world.now, 100) == 0


@pytest.mark.parametrize("deleted", [True, False])
async def test_a_sweep_is_bounded(world, deleted):
    await world.queue()
    await world.create(*[None] * 25)
    await (world.store.delete_queue(full("q"), world.now) if deleted else purged(world))
    steps = [await world.store.sweep(world.now, 10) for _ in range(4)]
    assert steps == [10, 10, 6, 0]  # the generation is a row, too


async def test_a_sweep_keeps_what_exists(world):
    await world.queue()
    await world.queue("other")
    await world.create("a")
    await world.create("o", queue_id="other")
    await purged(world)
    names = await world.create("b", "c")
    await world.sweep(1)
    assert await world.listed() == names
    assert len(await world.listed("other")) == 1


async def test_tasks_beyond_their_retention_are_swept(world):
    await world.queue()
    old = await world.create("old", None, after=30 * DAY)
    world.advance(1)
    young = await world.create("young")
    world.advance(LIMITS.retention.task_retention - 1)
    assert await world.store.sweep(world.now, 100) == 0
    world.advance(1)
    assert await world.store.sweep(world.now, 100) == 2
    assert await world.listed() == young
    with pytest.raises(errors.NotFound, match="existed recently"):
        await world.get(old[0])


@pytest.mark.parametrize("verdict", [Verdict.COMPLETED, Verdict.FAILED])
async def test_an_attempt_in_flight_decides_on_a_task_beyond_its_retention(world, verdict):
    await world.queue()
    name = await world.create_one("old")
    claim = await world.claim_one()
    world.advance(LIMITS.retention.task_retention + 1)
    await world.sweep()
    assert (await world.get(name)).name == name
    assert await world.settle(claim, verdict)
    await world.sweep()
    letters = await world.store.list_dead_letters(full("q"), 0, 10)
    assert len(letters) == (verdict is Verdict.FAILED)
    assert await world.in_flight() == 0


async def test_a_task_beyond_its_retention_is_not_claimed(world):
    await world.queue()
    await world.create("old")
    world.advance(LIMITS.retention.task_retention)
    assert len(await world.claim()) == 1
    await world.store.release("server", world.now)
    world.advance(1)
    await world.create("young", after=HOUR)
    assert await world.claim() == []
    assert world.next_due == world.now + HOUR
    assert await world.store.sweep(world.now, 100) == 1


async def test_expired_tombstones_are_swept_in_bounded_steps(world):
    await world.queue()
    for name in await world.create(*"abcde"):
        await world.delete(name)
    assert await world.store.sweep(world.now, 10) == 0
    world.advance(DAY)
    steps = [await world.store.sweep(world.now, 2) for _ in range(3)]
    assert steps == [2, 2, 1]


async def test_sweeping_an_empty_store_removes_nothing(world):
    assert await world.store.sweep(world.now, 10) == 0
