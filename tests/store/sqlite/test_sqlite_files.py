"""The files of a store: who may read them, and what happens when they are taken away."""

import os
import stat

import pytest
from sqlite_world import open_world
from world import LIMITS, START, full, queue

from drayman.core import errors
from drayman.core.queue import swap
from drayman.store.contract import StoreError
from drayman.store.sqlite import files
from drayman.store.sqlite.database import open_store
from drayman.store.sqlite.probe import probe


@pytest.fixture
def path(tmp_path):
    return tmp_path / "drayman.db"


@pytest.fixture(params=[0o000, 0o022, 0o277], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.usefixtures("umask")
async def test_only_the_owner_may_use_the_files_of_a_new_store(path):
    store = await open_store(str(path), LIMITS, START)
    await store.check()
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(
        ["drayman.db", "drayman.db-wal", "drayman.db-shm", "drayman.db.lock",
         "drayman.db.reserve"], 0o600,
    )  # fmt: skip
    assert {file.name for file in files.paths(str(path))} == set(modes)
    await store.close()


async def test_an_existing_file_keeps_its_mode(path):
    path.touch()
    path.chmod(0o640)
    store = await open_store(str(path), LIMITS, START)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    await store.close()


def delete(path):
    path.rename(path.with_name("elsewhere"))


def replace(path):
    delete(path)
    path.touch()


@pytest.fixture
async def world(path):
    world = open_world(path)
    await world.queue()
    await world.create("first", "second")
    await world.store.inspect()
    yield world
    await world.store.close()


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
@pytest.mark.parametrize("lose", [delete, replace])
async def test_promises_are_refused_from_the_inspection_that_misses_a_file(
    world, path, lose, suffix
):
    lose(path.with_name(path.name + suffix))
    message = f"The store's file {path} was moved, replaced or deleted under the server."
    for inspection in (world.store.inspect(), world.store.check()):
        with pytest.raises(errors.Unavailable) as found:
            await inspection
        assert found.value.message == message
    for promise in (
        world.create(),
        world.delete(f"{full('q')}/tasks/first"),
        world.store.update_queue(full("q"), swap(queue(), queue(rate=1)), world.now),
        world.store.purge_queue(full("q"), world.now),
        world.run(f"{full('q')}/tasks/first"),
    ):
        with pytest.raises(errors.Unavailable, match="under the server"):
            await promise


async def test_tasks_that_exist_are_delivered_although_the_file_is_gone(world, path):
    delete(path)
    with pytest.raises(errors.Unavailable):
        await world.store.inspect()
    claims = await world.claim()
    assert len(claims) == 2
    assert all([await world.settle(claim) for claim in claims])
    assert await world.listed() == []


async def test_promises_are_accepted_again_when_the_file_is_put_back(world, path):
    delete(path)
    with pytest.raises(errors.Unavailable):
        await world.store.inspect()
    path.with_name("elsewhere").rename(path)
    await world.store.inspect()
    await world.create()


def missing(path):
    path.unlink()


def emptied(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("lose", [missing, emptied])
async def test_a_log_without_its_database_is_refused_and_unchanged(path, lose):
    world = open_world(path)
    await world.queue()
    log = path.with_name("drayman.db-wal").read_bytes()
    await world.store.close()
    lose(path)
    path.with_name("drayman.db-wal").write_bytes(log)
    message = (
        f"store {path} is missing, but its write-ahead log {path}-wal exists and may hold tasks; "
        "put the database back beside it, or move the log away to begin with an empty store"
    )
    for attempt in (lambda: open_world(path), lambda: probe(str(path))):
        with pytest.raises(StoreError) as refused:
            attempt()
        assert str(refused.value) == message
    assert path.with_name("drayman.db-wal").read_bytes() == log
