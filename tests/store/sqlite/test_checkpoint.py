"""The log is copied into the database beside the writer."""

import sqlite3

from world import LIMITS, START, World

from drayman.store.sqlite import checkpoint
from drayman.store.sqlite.store import SqliteStore


async def test_what_is_committed_reaches_the_database_while_the_store_works(tmp_path):
    path = tmp_path / "drayman.db"
    store = await SqliteStore.open(str(path), LIMITS, START)
    await World(store).queue()
    before = path.read_bytes()
    # A commit of these is a page or two, so SQLite itself would copy after thousands of them.
    for _ in range(5 * checkpoint.COMMITS):
        await store.check()
        if path.read_bytes() != before:
            break
    else:
        raise AssertionError("nothing was copied")
    await store.close()


async def test_a_copy_that_fails_is_tried_again(tmp_path, monkeypatch):
    path = tmp_path / "drayman.db"
    store = await SqliteStore.open(str(path), LIMITS, START)
    await World(store).queue()
    tries = []

    def connect(path):
        tries.append(path)
        if len(tries) == 1:
            raise sqlite3.OperationalError("disk I/O error")
        return whole(path)

    whole = checkpoint.database.connect
    monkeypatch.setattr(checkpoint.database, "connect", connect)
    for _ in range(10 * checkpoint.COMMITS):
        await store.check()
        if len(tries) > 1:
            break
    else:
        raise AssertionError("it was not tried again")
    await store.close()
