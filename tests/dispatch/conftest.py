import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dispatch_world import World

from drayman.core.clock import ManualClock
from drayman.core.limits import Limits
from drayman.store.sqlite.store import SqliteStore


@pytest.fixture
async def world():
    clock, limits = ManualClock(), Limits()
    world = World(await SqliteStore.open(":memory:", limits, clock.now()), clock, limits)
    world.start()
    yield world
    attempts = world.dispatcher._attempts
    for attempt in attempts:
        attempt.cancel()
    await asyncio.gather(*attempts, return_exceptions=True)
    await world.store.close()
