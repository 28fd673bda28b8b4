"""Moving from SQLite to PostgreSQL: everything is there, and goes on where it was."""

import pytest
from world import LIMITS, PLENTY, START, World, full, set_state

from drayman.core import errors
from drayman.core.clock import HOUR, SECOND
from drayman.core.document import Document
from drayman.core.lifecycle import Verdict
from drayman.core.queue import State
from drayman.store import opening
from drayman.store.contract import StoreError
from drayman.store.postgres.database import open_store
from drayman.store.sqlite import database as sqlite

DOCUMENT = Document("kind", "name", b"\x00content\xff", START + HOUR)


async def fill(path):
    """Fill a SQLite store with some of everything; return its world, still open."""
    world = World(await sqlite.open_store(str(path), LIMITS, START))
    for queue_id in ("q", "paused", "purged"):
        await world.queue(queue_id, rate=77.5)
    await world.create("named", None, "gone", request=b"\x00\xffrequest")
    await world.create("later", after=HOUR)
    await world.create("p", queue_id="purged")
    await world.store.purge_queue(full("purged"), world.now)
    await set_state(world.store, full("paused"), State.PAUSED, world.now)
    await world.create("granted", queue_id="paused")
    await world.delete(f"{full('q')}/tasks/gone")
    failed, retried = await world.claim()
    world.advance(SECOND)
    await world.settle(failed, Verdict.FAILED, reason="it failed")
    await world.settle(retried, Verdict.RETRY, message="INTERNAL(13): ünïcode")
    await world.run(f"{full('paused')}/tasks/granted")
    await world.store.put_document(DOCUMENT)
    return world


async def contents(world):
    """Return all that can be read from a store."""
    store = world.store
    queues = await store.list_queues("projects/p/locations/l", "", PLENTY)
    return [
        queues,
        [(await store.list_tasks(each.name, 0, PLENTY, 1 << 30)).tasks for each in queues],
        [await store.list_dead_letters(each.name, 0, PLENTY) for each in queues],
        [await store.list_attempts(each.name, None, PLENTY, PLENTY) for each in queues],
        [await store.queue_stats(each.name, world.now) for each in queues],
        await store.get_document(DOCUMENT.kind, DOCUMENT.name, world.now),
    ]


@pytest.fixture
async def moved(tmp_path, url):
    """Give what a SQLite store had, and its copy on PostgreSQL."""
    world = await fill(tmp_path / "tasks.db")
    before = await contents(world)
    await world.store.close()
    list(opening.copy(f"sqlite:{tmp_path / 'tasks.db'}", url, world.now))
    world.store = await open_store(url, LIMITS, world.now)
    yield before, world
    await world.store.close()


async def test_everything_is_copied(moved):
    before, world = moved
    assert await contents(world) == before
    assert any(before[2])
    assert any(before[3])


async def test_names_stay_reserved(moved):
    _, world = moved
    for name, queue_id in (("named", "q"), ("gone", "q"), ("p", "purged")):
        (refusal,) = await world.try_create(name, queue_id=queue_id)
        assert isinstance(refusal, errors.AlreadyExists)


async def test_numbers_go_on_where_they_were(moved):
    before, world = moved
    generated = await world.create_one()
    assert generated not in [task.name for tasks in before[1] for task in tasks]
    claims = await world.claim()
    assert min(claim.number for claim in claims) > 2
    await world.queue("new")
    await world.store.purge_queue(full("new"), world.now)


async def test_granted_and_due_attempts_are_made(moved):
    _, world = moved
    granted, due = await world.claim()
    assert (granted.task.name.rpartition("/")[2], granted.forced_at) == ("granted", world.now)
    assert due.task.dispatch_count == 2
    world.advance(HOUR)
    assert [each.task.name for each in await world.claim()] == [f"{full('q')}/tasks/later"]


async def test_what_was_in_flight_returns_to_its_queue(tmp_path, url):
    world = await fill(tmp_path / "tasks.db")
    name = await world.create_one()
    await world.claim(server="killed")
    await world.store.close()
    list(opening.copy(f"sqlite:{tmp_path / 'tasks.db'}", url, world.now))
    world.store = await open_store(url, LIMITS, world.now)
    assert name in [claim.task.name for claim in await world.claim()]
    await world.store.close()


async def test_a_store_that_is_not_empty_is_not_copied_to(tmp_path, url, world):
    await (await fill(tmp_path / "tasks.db")).store.close()
    with pytest.raises(StoreError, match=r"is not empty; copy to another schema$"):
        list(opening.copy(f"sqlite:{tmp_path / 'tasks.db'}", url, world.now))
    assert [queue.name for queue in await world.store.list_queues("projects/p/locations/l", "", 9)]


async def test_a_file_that_a_server_uses_is_not_copied(tmp_path, url):
    source = await fill(tmp_path / "tasks.db")
    with pytest.raises(StoreError, match=r"is in use by another server$"):
        list(opening.copy(f"sqlite:{tmp_path / 'tasks.db'}", url, source.now))
    await source.store.close()


def test_a_file_that_does_not_exist_is_not_created(tmp_path, url):
    with pytest.raises(StoreError, match=r"does not exist$"):
        list(opening.copy(f"sqlite:{tmp_path / 'none.db'}", url, START))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "target"),
    [("memory", "postgresql://h/d"), ("sqlite:a", "sqlite:b"), ("postgresql://h/d", "sqlite:a")],
)
def test_only_sqlite_is_copied_and_only_to_postgresql(source, target):
    with pytest.raises(StoreError, match=r"in this order$"):
        list(opening.copy(source, target, START))
