"""The log is copied into the database beside the writer."""

import sqlite3
import threading

import pytest
from world import LIMITS, START, World

from drayman.store.sqlite import checkpoint
from drayman.store.sqlite.checkpoint import Checkpointer
from drayman.store.sqlite.database import open_store


@pytest.fixture
def path(tmp_path):
    return tmp_path / "drayman.db"


async def open_file(path):
    return await open_store(str(path), LIMITS, START)


async def commit_until(store, done):
    """Commit until something is so. A commit of these is a page or two."""
    for _ in range(10 * checkpoint.COMMITS):
        if done():
            return
        await store.check()
    raise AssertionError("it never came to be")


async def inspect_until(store, done):
    """Inspect the store until something is so, as the monitor does; no inspection commits."""
    for _ in range(100_000):
        if done():
            return
        await store.inspect()
    raise AssertionError("it never came to be")


async def test_committed_pages_reach_the_database_while_the_store_works(path):
    store = await open_file(path)
    await World(store).queue()
    before = path.read_bytes()
    # SQLite itself would copy after thousands of commits.
    await commit_until(store, lambda: path.read_bytes() != before)
    await store.close()


class Failing:
    """A connection that fails at first."""

    def __init__(self):
        self.tries = 0
        self.copied = threading.Event()

    def execute(self, statement):
        assert statement.startswith("PRAGMA wal_checkpoint")
        self.tries += 1
        if self.tries == 1:
            raise sqlite3.OperationalError("disk I/O error")
        self.copied.set()
        return self

    def fetchone(self):
        return 0, 10, 10


def test_a_failed_checkpoint_is_retried_and_does_not_delay_close():
    connection = Failing()
    checkpointer = Checkpointer(connection)
    while not connection.copied.wait(0.001):
        checkpointer.committed()
    for _ in range(checkpoint.COMMITS):
        checkpointer.committed()
    checkpointer.close()
    assert connection.tries >= 2


async def test_a_file_moved_away_and_back_keeps_acknowledged_writes(path, tmp_path):
    store = await open_file(path)
    world = World(store)
    await world.queue()
    name = await world.create_one("before")
    elsewhere = tmp_path / "elsewhere.db"
    path.rename(elsewhere)
    for _ in range(3 * checkpoint.COMMITS):
        await world.create_one()
    assert not path.exists()  # no new file was created
    elsewhere.rename(path)
    await store.close()
    again = World(await open_file(path))
    names = await again.listed()
    assert (len(names), names[0]) == (3 * checkpoint.COMMITS + 1, name)
    await again.store.close()


async def test_commits_that_have_come_to_rest_are_copied(path):
    store = await open_file(path)
    await World(store).queue()
    before = path.read_bytes()
    await inspect_until(store, lambda: path.read_bytes() != before)
    await store.close()
