"""Every store there is: the conformance suite runs unchanged on each."""

import pytest
from world import LIMITS, START, World

from drayman.store.postgres import database as postgres_database
from drayman.store.sqlite.database import open_store


async def _sqlite_file(request):
    path = request.getfixturevalue("tmp_path") / "drayman.db"
    return await open_store(str(path), LIMITS, START)


async def _sqlite_memory(_request):
    return await open_store(":memory:", LIMITS, START)


async def _postgres(request):
    return await postgres_database.open_store(
        request.getfixturevalue("postgres").url(), LIMITS, START
    )


STORES = {"sqlite-file": _sqlite_file, "sqlite-memory": _sqlite_memory, "postgres": _postgres}


@pytest.fixture(params=STORES)
async def store(request):
    """Give an empty store."""
    opened = await STORES[request.param](request)
    yield opened
    await opened.close()


@pytest.fixture
async def world(store):
    """Give an empty store at a moment."""
    return World(store)
