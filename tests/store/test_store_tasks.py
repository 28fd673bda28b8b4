"""Creating, reading and deleting tasks; names and their tombstones."""

import asyncio

import pytest
from world import START, full

from drayman.core import errors
from drayman.core.clock import DAY, HOUR, SECOND
from drayman.core.lifecycle import Verdict
from drayman.core.task import NewTask, Task


async def missing(verb, name):
    """Return the message with which a verb does not find a task."""
    with pytest.raises(errors.NotFound) as caught:
        await verb(name)
    return str(caught.value)


async def gone(world, name):
    return await missing(world.get, name)


GONE, MISSING = str(errors.task_gone()), str(errors.entity_missing())


async def test_a_task_is_stored_completely(world):
    await world.queue()
    new = NewTask("t", world.now + HOUR, b"\x00\xff request")
    (created,) = await world.store.create_tasks(full("q"), [new], world.now)
    assert created == Task(f"{full('q')}/tasks/t", world.now, world.now + HOUR, b"\x00\xff request")
    assert await world.get(created.name) == created


async def test_a_generated_id_is_a_number_that_grows_with_time_and_is_never_used_twice(world):
    await world.queue("a")
    await world.queue("b")
    names = []
    for _ in range(3):
        for queue_id in "ab":
            names += await world.create(*[None] * 30, queue_id=queue_id)
            await world.delete(names[-1])
        world.advance(1)
    ids = [int(name.rpartition("/")[2]) for name in names]
    assert ids == sorted(set(ids))


async def test_generated_ids_grow_even_when_the_clock_goes_back(world):
    await world.queue()
    before = await world.create_one()
    world.advance(-HOUR)
    assert int((await world.create_one()).rpartition("/")[2]) > int(before.rpartition("/")[2])


async def test_a_task_in_no_queue_is_refused(world):
    (refusal,) = await world.try_create("t", queue_id="none")
    assert str(refusal) == str(errors.queue_missing())


async def test_the_name_of_an_existing_task_is_refused(world):
    await world.queue()
    await world.create("t")
    (refusal,) = await world.try_create("t")
    assert isinstance(refusal, errors.AlreadyExists)
    assert str(refusal) == str(errors.task_exists())


async def test_queues_may_have_tasks_of_the_same_name(world):
    for queue_id in "ab":
        await world.queue(queue_id)
        await world.create("t", queue_id=queue_id)
    await world.delete(f"{full('a')}/tasks/t")
    assert await world.listed("b") == [f"{full('b')}/tasks/t"]


async def test_the_generated_id_of_a_task_is_refused_as_a_name(world):
    await world.queue()
    generated = await world.create_one()
    (refusal,) = await world.try_create(generated.rpartition("/")[2])
    assert str(refusal) == str(errors.task_exists())


async def test_tasks_of_a_call_succeed_or_fail_on_their_own(world):
    await world.queue()
    await world.create("old")
    created = await world.try_create("a", "old", None, "a", "b")
    assert [isinstance(each, Task) for each in created] == [True, False, True, False, True]
    assert len(await world.listed()) == 4
    (first, *_), deleted = created, f"{full('q')}/tasks/old"
    refusals = await world.store.delete_tasks(
        [first.name, "garbage", f"{full('q')}/tasks/none", deleted, first.name], world.now
    )
    kinds = [type(None), errors.InvalidArgument, errors.NotFound, type(None), errors.NotFound]
    assert list(map(type, refusals)) == kinds


async def test_empty_batches_are_accepted(world):
    await world.queue()
    assert await world.store.create_tasks(full("q"), [], world.now) == []
    assert await world.store.delete_tasks([], world.now) == []
    assert await world.store.settle([], world.now) == []


async def test_of_concurrent_creations_of_a_name_one_succeeds(world):
    await world.queue()
    tried = await asyncio.gather(*(world.try_create("t") for _ in range(10)))
    assert sum(isinstance(created, Task) for (created,) in tried) == 1


async def test_large_batches_are_stored_completely(world):
    await world.queue()
    names = await world.create(*(f"t{number}" for number in range(1_501)))
    assert await world.listed(page=400) == names


@pytest.mark.parametrize("task_id", ["never", "1", "1699999999999999999", "9" * 500, "0" * 19])
async def test_a_task_that_never_existed_is_not_found(world, task_id):
    await world.queue()
    name = f"{full('q')}/tasks/{task_id}"
    world.advance(5 * DAY)
    assert await gone(world, name) == MISSING
    assert await missing(world.delete, name) == MISSING
    assert await missing(world.run, name) == MISSING
    elsewhere = f"{full('none')}/tasks/{task_id}"
    assert await gone(world, elsewhere) == MISSING
    assert await missing(world.delete, elsewhere) == MISSING
    assert await missing(world.run, elsewhere) == str(errors.queue_missing())


async def completed(world, _):
    await world.settle(await world.claim_one())


async def failed(world, _):
    await world.settle(await world.claim_one(), Verdict.FAILED)


async def deleted(world, name):
    await world.delete(name)


async def purged(world, _):
    await world.store.purge_queue(full("q"), world.now)


async def purged_and_swept(world, name):
    await purged(world, name)
    await world.sweep(1)


ENDS = [completed, failed, deleted, purged, purged_and_swept]


@pytest.mark.parametrize("end", ENDS)
async def test_a_name_is_reserved_for_a_day_after_its_task(world, end):
    await world.queue()
    name = await world.create_one("t")
    await end(world, name)
    world.advance(DAY - 1)
    assert await gone(world, name) == GONE
    for verb in (world.delete, world.run):  # recorded: GetTask alone knows that it existed
        assert await missing(verb, name) == MISSING
    (refusal,) = await world.try_create("t")
    assert isinstance(refusal, errors.AlreadyExists)
    assert str(refusal) == str(errors.task_existed())
    world.advance(1)
    assert await gone(world, name) == MISSING
    await world.create("t")
    assert (await world.get(name)).create_time == world.now


@pytest.mark.parametrize("end", ENDS)
async def test_a_name_may_be_used_again_after_each_tombstone(world, end):
    await world.queue()
    for _ in range(3):
        name = await world.create_one("t")
        await end(world, name)
        world.advance(DAY)
    await world.create("t")


async def test_sweeping_a_purge_does_not_free_a_name_that_was_reserved_again(world):
    await world.queue()
    await world.create("t")
    await purged(world, None)
    world.advance(DAY)
    name = await world.create_one("t")
    await world.delete(name)
    await world.sweep(1)
    (refusal,) = await world.try_create("t")
    assert str(refusal) == str(errors.task_existed())


@pytest.mark.parametrize("end", [completed, failed, deleted])
async def test_a_generated_name_is_known_as_gone_for_a_day(world, end):
    await world.queue()
    name = await world.create_one()
    await end(world, name)
    world.advance(DAY)
    assert await gone(world, name) == GONE
    world.advance(1)
    assert await gone(world, name) == MISSING


async def test_a_new_queue_is_free_of_the_old_ones_tombstones(world):
    await world.queue()
    await world.create("live", "done")
    await world.delete(f"{full('q')}/tasks/done")
    await world.store.delete_queue(full("q"), world.now)
    for queue_id in ("other", "another"):
        await world.queue(queue_id)
        await world.create("live", "done", queue_id=queue_id)
    await world.sweep()
    assert len(await world.listed("other")) == len(await world.listed("another")) == 2


async def test_schedule_times_in_past_and_future_are_stored_unchanged(world):
    await world.queue()
    for time in (0, START - SECOND, START + 30 * DAY):
        (created,) = await world.store.create_tasks(
            full("q"), [NewTask(None, time, b"")], world.now
        )
        assert (await world.get(created.name)).schedule_time == time
