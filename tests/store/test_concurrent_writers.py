"""Names of tasks that another server uses after this one has looked them up."""

import asyncio
import sqlite3

import pytest
from interrupted import InterruptedDatabase
from world import LIMITS, START, World, full

from drayman.core import document, errors
from drayman.core.batch import Batch, Creations, decode
from drayman.core.clock import HOUR
from drayman.core.errors import ServiceError
from drayman.core.queue import Queue
from drayman.core.task import NewTask
from drayman.store.store import Store
from drayman.store.verb import Phase, single
from drayman.store.verbs import queues, tasks
from drayman.store.verbs.tasks import CreateTasks

OPERATION = "projects/p/locations/l/operations/o"


@pytest.fixture
async def world():
    database = InterruptedDatabase("insert_tasks", LIMITS, START)
    world = World(Store(database))
    world.session = database.session
    for queue_id in ("q", "other"):
        await world.queue(queue_id)
    yield world
    await world.store.close()


def create_meanwhile(world, *ids, queue_id="q", after=0):
    """Let another server create tasks between the lookup of names and the insert."""
    new = [NewTask(task_id, world.now + after, b"competing") for task_id in ids]
    call = CreateTasks(full(queue_id), new, world.now)
    world.session.competing_write = lambda session: tasks.create_tasks(session, [call])


def ids(results):
    """Return the id of each created task, the message in the place of an error."""
    return [
        str(result) if isinstance(result, ServiceError) else result.name.rpartition("/")[2]
        for result in results
    ]


EXISTS = str(errors.task_exists())


async def test_a_name_that_another_server_has_used_is_refused(world):
    create_meanwhile(world, "t")
    assert ids(await world.try_create("t")) == [EXISTS]
    assert (await world.get(f"{full('q')}/tasks/t")).request == b"competing"


async def test_other_tasks_of_the_call_are_created(world):
    create_meanwhile(world, "b", "d", "e")
    results = await world.try_create("a", "b", None, "c", "d")
    generated = ids(results)[2]
    assert ids(results) == ["a", EXISTS, generated, "c", EXISTS]
    assert sorted(name.rpartition("/")[2] for name in await world.listed()) == sorted(
        ["a", "b", "c", "d", "e", generated]
    )


async def test_only_the_call_that_uses_the_name_is_refused(world):
    create_meanwhile(world, "t")
    calls = await asyncio.gather(
        world.try_create("a"), world.try_create("t", "b"), world.try_create("t", queue_id="other")
    )
    assert [ids(results) for results in calls] == [["a"], [EXISTS, "b"], ["t"]]


async def test_the_same_name_in_another_queue_is_free(world):
    create_meanwhile(world, "t", queue_id="other")
    assert ids(await world.try_create("t")) == ["t"]


async def test_generated_ids_never_conflict(world):
    create_meanwhile(world, None, None)
    created = ids(await world.try_create(None, None))
    names = await world.listed()
    assert len(set(names)) == 4
    assert {f"{full('q')}/tasks/{task_id}" for task_id in created} < set(names)


async def test_the_refused_task_is_not_delivered(world):
    create_meanwhile(world, "t", after=HOUR)
    await world.try_create("t")
    assert await world.claim() == []
    world.advance(HOUR)
    assert (await world.claim_one()).task.request == b"competing"


async def test_a_batch_stores_which_items_were_refused(world):
    create_meanwhile(world, "t")
    items = Creations(full("q"), [NewTask(each, world.now, b"ours") for each in ("a", "t")], [1, 1])
    result = await world.store.run_batch(Batch(OPERATION, world.now + HOUR, items), world.now)
    stored = await world.store.get_document(document.OPERATION, OPERATION, world.now)
    for each in (result, decode(OPERATION, stored.content)):
        assert ids(each.results) == ["a", EXISTS]


async def test_a_seq_that_is_in_use_is_an_error_and_no_lost_task(world):
    await world.create_one()

    def reuse(session):
        session.run("adjust_counter", name="seq", delta=-1)

    verb = single(reuse, Phase.QUEUES)
    await world.store.call(verb, ((), {}), 0)
    with pytest.raises(sqlite3.IntegrityError):
        await world.create_one()


async def test_a_queue_that_another_server_creates_meanwhile_is_not_created_again(world):
    name, seen = full("new"), []

    def change(existing):
        seen.append(existing)
        return existing or Queue(name, settings=b"mine")

    theirs = Queue(name, settings=b"theirs")
    world.session.statement = "insert_queue"
    world.session.competing_write = lambda session: queues.update_queue(
        session, name, lambda _: theirs, world.now
    )
    assert await world.store.update_queue(name, change, world.now) == theirs
    assert seen == [None, theirs]
