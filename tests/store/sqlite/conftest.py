"""One store in a file, and what SQLite itself was asked to do."""

import asyncio
import threading

import pytest
from sqlite_world import open_world

from drayman.store.verb import Phase, Verb


@pytest.fixture
async def file_world(tmp_path):
    """Give a store in a file, with a queue, at a moment."""
    world = open_world(tmp_path / "drayman.db")
    await world.queue()
    yield world
    await world.store.close()


@pytest.fixture
async def statements(file_world):
    """Give the statements that the store's connection runs from here on."""
    seen = []
    file_world.database.connection.set_trace_callback(seen.append)
    return seen


@pytest.fixture
def together(file_world):
    """Give a function that lets calls wait for the writer together, and returns their results."""

    async def run(*calls):
        busy, gate = threading.Event(), threading.Event()

        def hold(_session, _calls):
            busy.set()
            return [gate.wait()]

        verb = Verb(hold, lambda: None, Phase.READS)
        holder = file_world.store.call(verb, None, 0, None)
        await asyncio.to_thread(busy.wait)
        waiting = [asyncio.ensure_future(call) for call in calls]
        asyncio.get_running_loop().call_soon(gate.set)
        await holder
        return await asyncio.gather(*waiting, return_exceptions=True)

    return run
