"""Counts of tasks, which no verb has to scan for."""

import asyncio

import pytest
from world import full

from drayman.core.clock import HOUR, SECOND
from drayman.core.lifecycle import Verdict
from drayman.store.contract import MAX_DUE_COUNTED, QueueCounts, StoreLoad


async def stats(world, queue_id="q"):
    return await world.store.queue_stats(full(queue_id), world.now)


async def names(world, parent, after="", limit=10):
    page = await world.store.list_queue_stats(parent, after, limit, world.now)
    return [each.queue.name for each in page]


async def test_tasks_count_until_they_are_completed_deleted_or_failed_for_good(world):
    await world.queue()
    await world.create("a", "b", "c", "d")
    for verdict, left in ((Verdict.RETRY, 4), (Verdict.COMPLETED, 3), (Verdict.FAILED, 2)):
        (claim,) = await world.claim(1)
        await world.settle(claim, verdict, schedule_time=world.now + HOUR)
        assert (await stats(world)).tasks == left
    await world.delete((await world.listed())[0])
    assert (await stats(world)).tasks == 1


async def test_a_creation_that_is_refused_does_not_count(world):
    await world.queue()
    await world.try_create("a", "a", "b")
    await world.try_create("b", "c")
    assert (await stats(world)).tasks == 3


async def test_only_tasks_that_wait_and_whose_time_has_come_are_due(world):
    await world.queue()
    await world.create("now", "claimed", "granted")
    await world.create("later", after=HOUR)
    await world.run(f"{full('q')}/tasks/granted")
    await world.claim(2)
    counted = await stats(world)
    assert (counted.tasks, counted.due, counted.in_flight) == (4, 1, 2)


async def test_due_tasks_are_counted_up_to_a_bound(world):
    await world.queue()
    await world.create(*[None] * (MAX_DUE_COUNTED + 1))
    counted = await stats(world)
    assert (counted.tasks, counted.due) == (MAX_DUE_COUNTED + 1, MAX_DUE_COUNTED)


async def test_a_purged_queue_counts_from_zero_while_its_old_tasks_are_swept(world):
    await world.queue()
    await world.create("a", "b", "c")
    await world.store.purge_queue(full("q"), world.now)
    assert (await stats(world)).tasks == 0
    world.advance(SECOND)
    await world.create("d")
    await world.store.sweep(world.now, 2)
    assert (await stats(world)).tasks == 1
    await world.sweep()
    assert (await stats(world)).tasks == 1


async def test_a_queue_that_is_created_anew_counts_from_zero(world):
    await world.queue()
    await world.create("a")
    await world.clear()
    await world.queue()
    assert (await stats(world)).tasks == 0


async def test_an_emptied_store_counts_nothing(world):
    await world.queue()
    await world.create("a", "b")
    await world.store.reset()
    await world.queue()
    assert (await stats(world)).tasks == 0


async def test_statistics_of_queues_come_by_name_a_page_at_a_time(world):
    for queue_id in ("b", "a-1", "a", "a1"):
        await world.queue(queue_id)
    first = await names(world, "projects/p", limit=2)
    assert first == [full("a"), full("a-1")]
    assert await names(world, "projects/p", first[-1]) == [full("a1"), full("b")]


@pytest.mark.parametrize(
    ("parent", "count"),
    [("", 1), ("projects/p", 1), ("projects/p/locations/l", 1), ("projects/p/locations", 1),
     ("projects", 1), ("projects/p/locations/l2", 0), ("projects/p2", 0)],
)  # fmt: skip
async def test_statistics_are_of_what_lies_below_the_parent(world, parent, count):
    await world.queue()
    assert len(await names(world, parent)) == count


async def test_queues_are_counted_by_name_in_pages(world):
    for queue_id in ("c", "a", "b"):
        await world.queue(queue_id)
    await world.try_create(None, None, None, queue_id="b")
    await world.claim(1)
    pages, after = [], ""
    while page := await world.store.count_queues(after, 2):
        pages.append(page)
        after = page[-1].name
    assert pages == [
        [QueueCounts(full("a"), 0, 0), QueueCounts(full("b"), 3, 1)],
        [QueueCounts(full("c"), 0, 0)],
    ]


async def test_the_size_of_the_database_is_known(world):
    size = await world.store.size()
    assert size.used > 0
    assert size.free >= 0


async def test_calls_are_counted_while_they_wait_or_run(world):
    await world.queue()
    calls = [world.store.get_queue(full("q")) for _ in range(3)]
    load = world.store.load
    assert load.reads + load.writes == 3
    await asyncio.gather(*calls)
    assert world.store.load == StoreLoad(0, 0, 0)


async def test_the_groups_of_each_writer_are_counted(world):
    await world.queue()
    await world.create("a")
    meters = world.store.group_meters
    assert [each.writer for each in meters] in (["all"], ["durable", "claims"])
    assert sum(meters[0].sizes.counts) == sum(meters[0].durations.counts) >= 2
    assert meters[0].sizes.total >= 2
