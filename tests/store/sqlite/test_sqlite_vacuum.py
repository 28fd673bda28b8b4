"""The file shrinks again after its tasks are gone, in small steps."""

import asyncio
import sqlite3

import pytest
from sqlite_world import open_world
from test_checkpoint import inspect_until
from world import LOCATION, full

from drayman.store.sqlite import vacuum

PAGE = 4096
TASKS = 1_500


async def drained(path):
    """Return a world whose file is larger than its content by several megabytes."""
    world = open_world(path)
    if not await world.store.list_queues(LOCATION, "", 1):
        await world.queue()
    await world.create(*[None] * TASKS, request=b"x" * PAGE)
    await world.store.purge_queue(full("q"), world.now)
    await world.sweep()
    return world


def free_pages(world):
    return world.database.connection.execute("PRAGMA freelist_count").fetchone()[0]


async def vacuum_all(world):
    steps = 1
    while await world.store.vacuum():
        steps += 1
    return steps


async def test_the_file_shrinks_to_its_content_and_some_free_pages(tmp_path):
    path = tmp_path / "drayman.db"
    world = await drained(path)
    assert free_pages(world) >= TASKS
    steps = await vacuum_all(world)
    assert steps > 1
    assert free_pages(world) == vacuum.MIN_FREE_PAGES
    limit = (vacuum.MIN_FREE_PAGES + 100) * PAGE
    await inspect_until(world.store, lambda: path.stat().st_size <= limit)
    await world.create("later")
    assert len(await world.listed()) == 1
    await world.store.close()


async def test_a_step_frees_a_bounded_number_of_pages(tmp_path):
    world = await drained(tmp_path / "drayman.db")
    before = free_pages(world)
    assert await world.store.vacuum()
    assert free_pages(world) == before - vacuum.STEP_PAGES
    await world.store.close()


async def test_free_pages_that_new_tasks_will_use_are_kept(tmp_path):
    world = open_world(tmp_path / "drayman.db")
    await world.queue()
    names = await world.create(*[None] * 20, request=b"x" * PAGE)
    for name in names:
        await world.delete(name)
    before = free_pages(world)
    assert not await world.store.vacuum()
    assert free_pages(world) == before > 0
    await world.store.close()


@pytest.fixture
def old_file(tmp_path):
    """Give a file as versions before incremental vacuum created it."""
    path = tmp_path / "drayman.db"
    with sqlite3.connect(path) as connection:
        connection.executescript("PRAGMA journal_mode = WAL")
    connection.close()
    return path


async def test_an_old_file_works_but_does_not_shrink(old_file):
    world = await drained(old_file)
    before = free_pages(world)
    assert not await world.store.vacuum()
    assert free_pages(world) == before
    await world.store.close()


async def test_an_old_file_shrinks_after_the_documented_conversion(old_file):
    await (await drained(old_file)).store.close()
    with sqlite3.connect(old_file) as connection:
        connection.executescript("PRAGMA auto_vacuum = INCREMENTAL; VACUUM")
    connection.close()
    world = await drained(old_file)
    await vacuum_all(world)
    assert free_pages(world) == vacuum.MIN_FREE_PAGES
    await world.store.close()


async def test_a_store_is_idle_while_no_call_waits(file_world):
    assert file_world.store.idle
    call = asyncio.create_task(file_world.create("t"))
    await asyncio.wait([call], timeout=0)
    assert not file_world.store.idle
    await call
    assert file_world.store.idle
