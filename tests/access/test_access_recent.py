"""A value that is read again and again."""

import asyncio

import pytest

from drayman.access.recent import Recent
from drayman.core.clock import SECOND


class Source:
    """Numbers, from one up; reading waits while ``released`` is clear, and raises ``error``."""

    def __init__(self):
        self.reads = 0
        self.error = None
        self.released = asyncio.Event()
        self.released.set()

    async def read(self):
        self.reads += 1
        await self.released.wait()
        if self.error is not None:
            raise self.error
        return self.reads


@pytest.fixture
async def source():
    return Source()


@pytest.fixture
def recent(source, clock):
    return Recent(source.read, clock, SECOND)


async def test_a_young_value_is_not_read_again(recent, source, clock):
    assert await recent.get() == 1
    clock.advance(SECOND // 2 - 1)
    assert (await recent.get(), source.reads) == (1, 1)


async def test_a_value_of_middle_age_is_read_while_calls_go_on(recent, source, clock):
    await recent.get()
    clock.advance(SECOND // 2)
    source.released.clear()
    assert [await recent.get() for _ in range(3)] == [1, 1, 1]
    source.released.set()
    while await recent.get() == 1:
        await asyncio.to_thread(int)  # lets the reading go on
    assert source.reads == 2


async def test_an_old_value_is_read_once_for_all_that_wait(recent, source, clock):
    await recent.get()
    clock.advance(SECOND)
    assert await asyncio.gather(*(recent.get() for _ in range(5))) == [2] * 5
    assert source.reads == 2


async def test_a_value_that_cannot_be_read_is_used_until_it_is_too_old(recent, source, clock):
    await recent.get()
    source.error = OSError("gone")
    clock.advance(SECOND - 1)
    assert await recent.get() == 1
    clock.advance(1)
    with pytest.raises(OSError, match="gone"):
        await recent.get()
    source.error = None
    assert await recent.get() == source.reads


async def test_a_caller_that_gives_up_does_not_stop_the_reading(recent, source):
    source.released.clear()
    first, second = (asyncio.ensure_future(recent.get()) for _ in range(2))
    await asyncio.to_thread(int)
    first.cancel()
    source.released.set()
    assert await second == 1
    assert source.reads == 1
