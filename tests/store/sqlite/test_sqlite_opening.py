"""Opening a file: its lock, its content, and the errors if it cannot be used."""

import asyncio
import errno
import fcntl
import sqlite3
import sys
from importlib import resources

import crash
import pytest
from world import LIMITS, START, World, full

from drayman.core import errors
from drayman.store.contract import StoreError
from drayman.store.sqlite import database, file_lock, schema
from drayman.store.sqlite.database import SqliteDatabase, open_store

FORMAT = len(list((resources.files("drayman.store.sqlite") / "migrations").iterdir()))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "drayman.db"


async def open_file(path):
    return await open_store(str(path), LIMITS, START)


async def refusal(path):
    """Return why a store cannot be opened."""
    with pytest.raises(StoreError) as refused:
        await open_file(path)
    message = str(refused.value)
    assert "\n" not in message
    return message


def foreign(path, script):
    with sqlite3.connect(path) as connection:
        connection.executescript(script)
    connection.close()


async def test_a_reopened_store_has_its_content(path):
    store = await open_file(path)
    world = World(store)
    await world.queue()
    name = await world.create_one("t")
    await store.close()
    again = World(await open_file(path))
    assert await again.listed() == [name]
    await again.store.close()


async def test_claims_of_a_killed_server_are_due_at_once(path, tmp_path):
    store = await open_file(path)
    world = World(store)
    await world.queue(concurrency=2)
    names = await world.create("a", "b", "c")
    await world.run(names[2])
    lost = await world.claim()
    died = tmp_path / "died.db"
    crash.copy(path, died)
    await store.close()
    again = World(await open_file(died))
    assert await again.in_flight() == 0
    assert {claim.task.name for claim in await again.claim()} == {c.task.name for c in lost}
    assert not await again.settle(lost[0])
    await again.store.close()


async def test_generated_ids_go_on_after_a_restart(path):
    world = World(await open_file(path))
    await world.queue()
    name = await world.create_one()
    await world.delete(name)
    await world.store.close()
    world = World(await open_file(path))
    assert await world.create_one() > name
    await world.store.close()


async def test_a_file_has_one_owner(path):
    store = await open_file(path)
    assert await refusal(path) == f"store {path} is in use by another server"
    await store.close()
    await (await open_file(path)).close()


async def test_a_link_to_a_file_is_the_same_file(path, tmp_path):
    store = await open_file(path)
    link = tmp_path / "link.db"
    link.symlink_to(path)
    assert await refusal(link) == f"store {link} is in use by another server"
    await store.close()


async def test_another_program_may_copy_a_store_in_use(path, tmp_path):
    world = World(await open_file(path))
    await world.queue()
    name = await world.create_one("t")
    copy = tmp_path / "copy.db"
    theirs = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    copying = asyncio.create_task(asyncio.to_thread(theirs.execute, "VACUUM INTO ?", (str(copy),)))
    while not copying.done():
        await world.create_one()
    await copying
    theirs.close()
    copied = World(await open_file(copy))
    assert (await copied.listed())[0] == name
    for each in (world, copied):
        await each.store.close()


async def test_another_program_that_locks_a_store_is_an_error_to_callers_until_it_goes(
    path, monkeypatch
):
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0)
    world = World(await open_file(path))
    await world.queue()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(errors.Unavailable, match="database is locked"):
        await world.create_one("t")
    other.execute("ROLLBACK")
    other.close()
    assert await world.create_one("t")
    await world.store.close()


async def refusal_of_another_process(path):
    """Return what another process is told that opens a store, nothing if it may."""
    program = (
        "import sys\n"
        "from drayman.store.contract import StoreError\n"
        "from drayman.core.limits import Limits\n"
        "from drayman.store.sqlite.database import SqliteDatabase\n"
        "try: SqliteDatabase(sys.argv[1], Limits(), 0, safe=True)\n"
        "except StoreError as error: print(error)\n"
    )
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(path), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await other.communicate()
    return output.decode()


async def test_a_file_has_one_owner_across_processes(path):
    store = await open_file(path)
    assert await refusal_of_another_process(path) == f"store {path} is in use by another server\n"
    await store.close()


def linked(path, tmp_path):
    other = tmp_path / "other.db"
    other.hardlink_to(path)
    return other


def moved(path, tmp_path):
    return path.rename(tmp_path / "other.db")


def unlocked(path, tmp_path):
    (tmp_path / "drayman.db.lock").unlink()
    return path


@pytest.mark.skipif(not hasattr(fcntl, "F_OFD_SETLK"), reason="a kind of lock that Linux has")
@pytest.mark.parametrize("under", [linked, moved, unlocked])
async def test_a_file_has_one_owner_under_all_its_names(path, tmp_path, under):
    store = await open_file(path)
    other = under(path, tmp_path)
    assert await refusal_of_another_process(other) == f"store {other} is in use by another server\n"
    await store.close()


async def test_without_open_file_locks_the_lock_file_suffices(path, monkeypatch):
    def unknown(*_):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(file_lock.fcntl, "fcntl", unknown)
    store = await open_file(path)
    assert await refusal_of_another_process(path) == f"store {path} is in use by another server\n"
    await store.close()


async def test_durable_writes_are_fsynced_by_any_connection(path):
    await (await open_file(path)).close()
    connection = database.connect(str(path))
    for pragma in ("fullfsync", "checkpoint_fullfsync"):
        assert connection.execute(f"PRAGMA {pragma}").fetchone() == (1,)
    assert connection.execute("PRAGMA synchronous").fetchone()[0] >= 1  # NORMAL
    connection.close()
    store_database = SqliteDatabase(str(path), LIMITS, START, safe=True)
    limit = store_database.connection.execute("PRAGMA wal_autocheckpoint").fetchone()[0]
    assert 0 < limit <= 4_000
    store_database.close()


async def test_a_newer_format_is_refused_and_unchanged(path):
    await (await open_file(path)).close()
    foreign(path, "PRAGMA user_version = 99")
    assert await refusal(path) == (
        f"store {path} was written by a newer version of drayman (format 99, this version knows "
        f"{FORMAT}); upgrade drayman"
    )


async def test_the_database_of_another_program_is_refused_and_unchanged(path):
    foreign(path, "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)")
    before = path.read_bytes()
    assert await refusal(path) == f"store {path} is the SQLite database of another program"
    assert path.read_bytes() == before


async def test_a_file_that_is_no_database_is_refused_and_unchanged(path):
    path.write_text("Dear diary, " * 1_000)
    before = path.read_bytes()
    assert await refusal(path) == f"store {path} is not a SQLite database"
    assert path.read_bytes() == before


async def test_a_directory_is_refused(tmp_path):
    assert await refusal(tmp_path) == f"store {tmp_path} cannot be opened: it is a directory"


async def test_a_store_needs_its_directory(tmp_path):
    message = await refusal(tmp_path / "none" / "drayman.db")
    assert message.endswith(f"cannot be opened: {tmp_path / 'none'}: no such directory")


async def test_a_damaged_file_is_refused_and_the_message_has_the_next_step(path):
    world = World(await open_file(path))
    await world.queue()
    await world.create(*[None] * 500)
    await world.claim(100)
    await world.store.close()
    whole = bytearray(path.read_bytes())
    whole[4096:] = b"\xa5" * (len(whole) - 4096)
    path.write_bytes(whole)
    assert await refusal(path) == (
        f"store {path} is damaged: database disk image is malformed; restore a backup, or copy its "
        'files and save what can be read with sqlite3 (docs/store.md, "A damaged file")'
    )


async def test_an_empty_file_becomes_a_store(path):
    path.touch()
    store = await open_file(path)
    await World(store).queue()
    await store.close()
    assert path.stat().st_size > 0


async def test_migrations_run_once_and_mark_the_file(path):
    for _ in range(2):
        await (await open_file(path)).close()
        with sqlite3.connect(path) as connection:
            marks = [
                connection.execute(f"PRAGMA {mark}").fetchone()[0]
                for mark in ("user_version", "application_id", "integrity_check")
            ]
        connection.close()
        assert marks == [FORMAT, 0x44726179, "ok"]


async def test_a_migration_that_fails_leaves_nothing(path, monkeypatch):
    def torn(script):
        return [*list(whole(script))[:2], "CREATE TABLE torn ("]

    whole = schema.split_statements
    monkeypatch.setattr(schema, "split_statements", torn)
    assert (await refusal(path)).startswith(f"store {path} cannot be opened: ")
    monkeypatch.undo()
    store = await open_file(path)
    await World(store).queue()
    await store.close()


@pytest.mark.parametrize(("shown", "opened"), [("memory", ":memory:"), (None, None)])
async def test_a_store_knows_its_url(path, shown, opened):
    store = await open_store(opened or str(path), LIMITS, START)
    assert store.url == (shown or f"sqlite:{path}")
    await store.close()


async def test_stores_in_memory_are_independent(path):  # noqa: ARG001
    one = World(await open_store(":memory:", LIMITS, START))
    other = World(await open_store(":memory:", LIMITS, START))
    await one.queue()
    await other.queue()
    assert (await other.store.get_queue(full("q"))).name == full("q")
    for world in (one, other):
        await world.store.close()


async def test_tasks_of_a_store_of_the_first_format_are_counted_once(path):
    world = World(await open_file(path))
    await world.queue()
    await world.create("a", "b")
    await world.store.close()
    with sqlite3.connect(path) as old:
        old.execute("ALTER TABLE queue DROP COLUMN tasks")
        old.execute("PRAGMA user_version = 1")
    old.close()
    world = World(await open_file(path))
    await world.create("c")
    assert (await world.store.queue_stats(full("q"), START)).tasks == 3
    await world.store.close()
