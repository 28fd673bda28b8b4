"""Batches: once, whole, remembered for a day. Policies and keys beside them."""

import asyncio

import pytest
from world import LOCATION, full

from drayman.core import errors
from drayman.core.batch import Batch
from drayman.core.clock import DAY
from drayman.core.task import NewTask
from drayman.store.contract import OperationPage

SIZE = 1 << 20


def batch(world, name="b", fingerprint=b"f"):
    return Batch(f"{LOCATION}/operations/{name}", fingerprint, world.now + DAY)


def describe(results):
    return "|".join(
        str(each) if isinstance(each, errors.ServiceError) else getattr(each, "name", "done")
        for each in results
    ).encode()


def create(world, *ids, queue="q", **of_batch):
    new = [NewTask(each, world.now, b"r") for each in ids]
    return world.store.create_batch(batch(world, **of_batch), full(queue), new, describe, world.now)


def delete(world, *ids, **of_batch):
    names = [f"{full('q')}/tasks/{each}" for each in ids]
    return world.store.delete_batch(batch(world, **of_batch), names, describe, world.now)


async def names_of(world):
    page = await world.store.list_tasks(full("q"), 0, 100, 1 << 20)
    return [task.name.rpartition("/")[2] for task in page.tasks]


async def test_items_stand_or_fall_alone_and_the_outcome_is_kept(world):
    await world.queue()
    result = await create(world, "a", "a", "b")
    a, b = (f"{full('q')}/tasks/{each}" for each in "ab")
    assert result.decode() == f"{a}|{errors.task_exists()}|{b}"
    assert await names_of(world) == ["a", "b"]
    assert await world.store.get_operation(f"{LOCATION}/operations/b", world.now) == result


async def test_a_repeated_batch_does_nothing_and_returns_the_first_outcome(world):
    await world.queue()
    results = await asyncio.gather(*[create(world, "a", "b") for _ in range(5)])
    assert len(set(results)) == 1
    assert await names_of(world) == ["a", "b"]
    first = await delete(world, "a", "none", name="d")
    assert await delete(world, "a", "none", name="d") == first
    assert first.decode() == f"done|{errors.entity_missing()}"
    assert await names_of(world) == ["b"]


async def test_an_id_serves_one_request(world):
    await world.queue()
    await create(world, "a")
    with pytest.raises(errors.InvalidArgument):
        await create(world, "b", fingerprint=b"other")
    with pytest.raises(errors.InvalidArgument):
        await delete(world, "a", fingerprint=b"other")
    assert await names_of(world) == ["a"]


async def test_a_batch_for_no_queue_leaves_nothing_behind(world):
    with pytest.raises(errors.NotFound):
        await create(world, "a", queue="none")
    with pytest.raises(errors.NotFound):
        await world.store.get_operation(f"{LOCATION}/operations/b", world.now)


async def test_tasks_of_a_batch_are_claimed_like_others(world):
    await world.queue()
    await create(world, "a", "b")
    assert (await world.store.claim_due("s", 10, {}, 10, world.now)).claims


async def test_operations_are_listed_by_name_and_forgotten(world):
    await world.queue()
    for name in ("c", "a", "b"):
        await create(world, name, name=name)
    page = await world.store.list_operations(LOCATION, "", 2, SIZE, world.now)
    assert len(page.operations) == 2
    after = page.cursor
    assert after == f"{LOCATION}/operations/b"
    last = await world.store.list_operations(LOCATION, after, 9, SIZE, world.now)
    assert (len(last.operations), last.cursor) == (1, "")
    large = len(last.operations[0])
    for size, count in ((1, 1), (large, 1), (2 * large, 2)):
        page = await world.store.list_operations(LOCATION, "", 9, size, world.now)
        assert len(page.operations) == count
        assert page.cursor
    await world.store.delete_operation(after, world.now)
    with pytest.raises(errors.NotFound):
        await world.store.delete_operation(after, world.now)
    assert await world.store.list_operations(
        "projects/p/locations/m", "", 9, SIZE, world.now
    ) == OperationPage([], "")


async def test_an_operation_is_gone_after_its_time_and_swept(world):
    await world.queue()
    await create(world, "a")
    world.advance(DAY)
    name = f"{LOCATION}/operations/b"
    with pytest.raises(errors.NotFound):
        await world.store.get_operation(name, world.now)
    with pytest.raises(errors.NotFound):
        await world.store.delete_operation(name, world.now)
    assert await world.store.list_operations(LOCATION, "", 9, SIZE, world.now) == OperationPage(
        [], ""
    )
    assert await world.store.sweep(world.now, 10) == 1
    assert await world.store.sweep(world.now, 10) == 0


async def test_a_policy_belongs_to_its_queue(world):
    await world.queue()
    assert await world.store.get_policy(full("q")) == b""
    assert await world.store.update_policy(full("q"), lambda old: old + b"1") == b"1"
    assert await world.store.update_policy(full("q"), lambda old: old + b"2") == b"12"
    assert await world.store.get_policy(full("q")) == b"12"

    def refuse(_):
        raise errors.Aborted("no")

    with pytest.raises(errors.Aborted):
        await world.store.update_policy(full("q"), refuse)
    await world.store.delete_queue(full("q"), world.now)
    for call in (world.store.get_policy(full("q")), world.store.update_policy(full("q"), bytes)):
        with pytest.raises(errors.NotFound):
            await call
    world.advance(30 * DAY)
    await world.queue()
    assert await world.store.get_policy(full("q")) == b""


async def test_a_location_has_one_key(world):
    assert await world.store.get_key(LOCATION) == ""
    for key in ("k", "l", ""):
        await world.store.set_key(LOCATION, key)
        assert await world.store.get_key(LOCATION) == key
