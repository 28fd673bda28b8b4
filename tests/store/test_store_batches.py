"""Batches run once and completely; their results can be read for a day."""

import asyncio

import pytest
from world import LOCATION, full

from drayman.core import batch, errors
from drayman.core.batch import Batch, BatchResult, Creations, Deletions
from drayman.core.clock import DAY
from drayman.core.document import OPERATION
from drayman.core.task import NewTask, Task

VIEW = 1


def operation(name):
    return f"{LOCATION}/operations/{name}"


def run(world, items, name="b"):
    return world.store.run_batch(Batch(operation(name), world.now + DAY, items), world.now)


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


@pytest.mark.parametrize("second", [create, delete])
@pytest.mark.parametrize("first", [create, delete])
async def test_an_operation_belongs_to_one_batch(world, first, second):
    """Recorded: the id of an operation is used once, by creations and deletions alike."""
    await world.queue()
    await world.create("live")
    await first(world, "a")  # of deletions, all fail
    before = (await names_of(world), shown((await stored(world)).results))
    with pytest.raises(errors.InvalidArgument) as caught:
        await second(world, "live", "b")
    assert caught.value.message == "Duplicate operation id in the batch request: b"
    assert (await names_of(world), shown((await stored(world)).results)) == before


async def test_of_concurrent_batches_of_an_operation_one_runs(world):
    await world.queue()
    results = await asyncio.gather(
        *[create(world, "a", "b") for _ in range(5)], return_exceptions=True
    )
    assert sum(isinstance(each, BatchResult) for each in results) == 1
    assert await names_of(world) == ["a", "b"]


async def test_every_item_of_a_batch_for_an_absent_queue_fails(world):
    """Recorded: creations and deletions have different messages."""
    created = await create(world, "a", "b", queue="none")
    assert shown(created.results) == [str(errors.queue_missing())] * 2
    deleted = await delete(world, "a", name="d")
    assert shown(deleted.results) == [str(errors.entity_missing())]
    assert shown((await stored(world)).results) == shown(created.results)


async def test_tasks_of_a_batch_are_claimed_like_others(world):
    await world.queue()
    await create(world, "a", "b")
    assert (await world.store.claim_due("s", 10, {}, 10, world.now)).claims


async def test_an_expired_batch_may_run_again(world):
    await world.queue()
    await create(world, "a")
    world.advance(DAY)
    assert shown((await create(world, "b")).results) == ["b"]
