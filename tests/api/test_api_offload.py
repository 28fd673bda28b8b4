"""Large messages are handled beside the event loop, and not many at once."""

import asyncio
import threading

import pytest

from drayman.api.offload import LARGE, Admission, Offload


@pytest.fixture
async def offload():
    return Offload()


@pytest.fixture
async def admission():
    return Admission(10 * LARGE)


@pytest.mark.parametrize(("size", "beside"), [(LARGE, False), (LARGE + 1, True)])
async def test_large_messages_are_handled_in_a_thread(offload, size, beside):
    thread = await offload.run(size, threading.current_thread)
    assert (thread is not threading.main_thread()) == beside


async def test_an_error_in_the_thread_is_raised(offload):
    with pytest.raises(ValueError, match="x"):
        await offload.run(LARGE + 1, int, "x")


class Requests:
    """Requests that are in progress until they are let go."""

    def __init__(self, admission):
        self._admission = admission
        self.begun = []
        self._ends = {}

    async def handle(self, name, size):
        async with self._admission.admit(size):
            self.begun.append(name)
            await self._ends.setdefault(name, asyncio.Event()).wait()

    def begin(self, name, size):
        return asyncio.ensure_future(self.handle(name, size))

    def end(self, name):
        self._ends[name].set()


async def turn():
    for _ in range(5):
        ready = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(ready.set_result, None)
        await ready


async def test_large_requests_wait_in_their_order_and_small_ones_do_not(admission):
    requests = Requests(admission)
    tasks = [requests.begin(name, size * LARGE) for name, size in [("a", 6), ("b", 6), ("c", 4)]]
    await turn()
    tasks.append(requests.begin("small", LARGE))
    await turn()
    assert requests.begun == ["a", "small"]
    requests.end("a")
    await turn()
    assert requests.begun == ["a", "small", "b", "c"]
    for name in ("b", "c", "small"):
        requests.end(name)
    await asyncio.gather(*tasks)


async def test_requests_that_are_cancelled_leave_room(admission):
    requests = Requests(admission)
    first, second, third = (requests.begin(name, 10 * LARGE) for name in "abc")
    await turn()
    second.cancel()
    await turn()
    first.cancel()
    await turn()
    assert requests.begun == ["a", "c"]
    third.cancel()
    last = requests.begin("d", 10 * LARGE)
    await turn()
    assert requests.begun == ["a", "c", "d"]
    requests.end("d")
    await last
    await asyncio.gather(first, second, third, return_exceptions=True)


async def test_a_request_that_is_cancelled_when_it_is_admitted_leaves_room(admission):
    requests = Requests(admission)
    first, second, third = (requests.begin(name, 10 * LARGE) for name in "abc")
    await turn()
    requests.end("a")
    await first  # the second is admitted, and has not run yet
    second.cancel()
    await turn()
    assert requests.begun[-1] == "c"
    requests.end("c")
    await third
    await asyncio.gather(second, return_exceptions=True)
