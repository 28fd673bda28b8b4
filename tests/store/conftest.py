"""Every store there is: the conformance suite runs unchanged on each."""

import pytest
from world import LIMITS, START, World

from drayman.store.sqlite.database import open_store


async def _sqlite_file(folder):
    return await open_store(str(folder / "drayman.db"), LIMITS, START)


async def _sqlite_memory(folder):  # noqa: ARG001 - every opener is offered a folder
    return await open_store(":memory:", LIMITS, START)


STORES = {"sqlite-file": _sqlite_file, "sqlite-memory": _sqlite_memory}


@pytest.fixture(params=STORES)
async def store(request, tmp_path):
    """Give an empty store."""
    opened = await STORES[request.param](tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
async def world(store):
    """Give an empty store at a moment."""
    return World(store)
