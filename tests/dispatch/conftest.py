import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dispatch_world import World

from drayman.core.clock import ManualClock
from drayman.core.limits import Limits
from drayman.store.sqlite.database import open_store


@pytest.fixture
async def world():
    clock, limits = ManualClock(), Limits()
    world = World(await open_store(":memory:", limits, clock.now()), clock, limits)
    world.start()
    yield world
    await world.dispatcher.cancel()
    await world.store.close()
