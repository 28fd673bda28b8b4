import asyncio
import sys
from pathlib import Path

import pytest
import uvloop

sys.path.insert(0, str(Path(__file__).parent))

from dispatch_world import World

from drayman.core.clock import ManualClock
from drayman.core.limits import Limits
from drayman.store.sqlite.database import open_store

SOCKET_TESTS = ("test_dispatch_sender", "test_dispatch_garbage", "test_dispatch_http")


@pytest.fixture
async def world():
    clock, limits = ManualClock(), Limits()
    world = World(await open_store(":memory:", limits, clock.now()), clock, limits)
    world.start()
    yield world
    await world.dispatcher.cancel()
    await world.store.close()


def pytest_asyncio_loop_factories(config, item):  # noqa: ARG001 - the hook's form
    """Run the tests of the HTTP client on both event loops: they differ in their transports."""
    loops = {"asyncio": asyncio.new_event_loop}
    if item.path.name.startswith(SOCKET_TESTS):
        loops["uvloop"] = uvloop.new_event_loop
    return loops
