import pytest

from drayman.core.clock import ManualClock
from drayman.core.limits import Limits
from drayman.signing import keys
from drayman.store.sqlite.database import open_store


@pytest.fixture(scope="session")
def pems():
    """Two private keys in PEM, generated once: each takes a tenth of a second or more."""
    return [keys.generate(0).pem for _ in range(2)]


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
async def store(clock):
    opened = await open_store(":memory:", Limits(), clock.now())
    yield opened
    await opened.close()


@pytest.fixture
def key(pems, clock):
    return keys.load(pems[0], clock.now())


@pytest.fixture
def other_key(pems, clock):
    return keys.load(pems[1], clock.now())
