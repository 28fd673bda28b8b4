import pytest

from drayman.core.clock import ManualClock
from drayman.core.limits import Limits
from drayman.store.sqlite.store import SqliteStore


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
async def store(clock):
    opened = await SqliteStore.open(":memory:", Limits(), clock.now())
    yield opened
    await opened.close()
