import pytest

from drayman.core.clock import ManualClock
from drayman.core.limits import Limits
from drayman.store.sqlite.database import open_store


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
async def store(clock):
    opened = await open_store(":memory:", Limits(), clock.now())
    yield opened
    await opened.close()
