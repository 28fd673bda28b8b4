"""Batches run once and completely; their results can be read for a day."""

import asyncio

import pytest
from world import LOCATION, full

from drayman.core import batch, errors
from drayman.core.batch import Batch, Creations, Deletions
from drayman.core.clock import DAY
from drayman.core.document import OPERATION
from drayman.core.task import NewTask, Task

VIEW = 1


def operation(name):
    return f"{LOCATION}/operations/{name}"


def run(world, items, name="b", fingerprint=b"f"):
    request = Batch(operation(name), fingerprint, world.now + DAY, items)
    return world.store.run_batch(request, world.now)


def create(world, *ids, queue="q", **of_batch):
    """Create tasks by a batch; bytes among the ids stand for an item that was refused."""
    tasks = [
        each if isinstance(each, bytes) else NewTask(each, world.now, b"request") for each in ids
    ]
    return run(world, Creations(full(queue), tasks, [VIEW] * len(tasks)), **of_batch)


def delete(world, *ids, **of_batch):
    return run(world, Deletions([f"{full('q')}/tasks/{each}" for each in ids]), **of_batch)


async def names_of(world):
    return [name.rpartition("/")[2] for name in await world.listed()]


def shown(results):
    """Return results as text: a task by its id, an error by its message."""
    return [
        each.name.rpartition("/")[2] if isinstance(each, Task) else each and str(each)
        for each in results
    ]


async def stored(world, name="b"):
    document = await world.store.get_document(OPERATION, operation(name), world.now)
    return batch.decode(operation(name), document.content)


async def test_items_of_a_batch_succeed_or_fail_on_their_own(world):
    await world.queue()
    result = await create(world, "a", "a", "b")
    assert shown(result.results) == ["a", str(errors.task_exists()), "b"]
    assert await names_of(world) == ["a", "b"]
    assert shown((await stored(world)).results) == shown(result.results)


async def test_errors_of_validation_stay_in_their_places(world):
    await world.queue()
    result = await create(world, "a", b"refused\0", "b", "a")
    assert result.results[1] == b"refused\0"
    again = (await stored(world)).results
    assert again[1] == b"refused\0"
    assert [again[0], again[2]] == [result.results[0], result.results[2]]
    assert (again[3].code, again[3].details) == (result.results[3].code, ())


async def test_a_repeated_batch_does_nothing_and_returns_the_first_result(world):
    await world.queue()
    results = await asyncio.gather(*[create(world, "a", "b") for _ in range(5)])
    assert {tuple(shown(result.results)) for result in results} == {("a", "b")}
    assert {result.results[0].request for result in results} == {b"request"}
    assert await names_of(world) == ["a", "b"]
    first = await delete(world, "a", "none", name="d")
    assert shown(first.results) == [None, str(errors.entity_missing())]
    world.advance(1)
    again = await delete(world, "a", "none", name="d")
    assert (again.time, again.repeated, first.repeated) == (first.time, True, False)
    assert await names_of(world) == ["b"]


async def test_an_operation_belongs_to_one_request(world):
    await world.queue()
    await create(world, "a")
    with pytest.raises(errors.InvalidArgument):
        await create(world, "b", fingerprint=b"other")
    with pytest.raises(errors.InvalidArgument):
        await delete(world, "a", fingerprint=b"other")
    assert await names_of(world) == ["a"]


async def test_a_batch_for_an_absent_queue_stores_nothing(world):
    with pytest.raises(errors.NotFound):
        await create(world, "a", queue="none")
    assert await world.store.get_document(OPERATION, operation("b"), world.now) is None


async def test_tasks_of_a_batch_are_claimed_like_others(world):
    await world.queue()
    await create(world, "a", "b")
    assert (await world.store.claim_due("s", 10, {}, 10, world.now)).claims


async def test_an_expired_batch_may_run_again(world):
    await world.queue()
    await create(world, "a")
    world.advance(DAY)
    assert shown((await create(world, "b")).results) == ["b"]
