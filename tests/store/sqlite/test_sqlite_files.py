"""The files of a store: who may read them, and what happens when they are taken away."""

import os
import stat

import pytest
from sqlite_world import open_world
from world import LIMITS, START

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
        ["drayman.db", "drayman.db-wal", "drayman.db-shm", "drayman.db.lock"], 0o600
    )
    assert {file.name for file in files.paths(str(path))} == set(modes)
    await store.close()


async def test_an_existing_file_keeps_its_mode(path):
    path.touch()
    path.chmod(0o640)
    store = await open_store(str(path), LIMITS, START)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    await store.close()


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
