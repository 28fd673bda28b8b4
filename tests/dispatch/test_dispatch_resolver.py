"""The resolver, with a getaddrinfo that blocks for some names: others must not wait for them."""

import asyncio
import collections
import socket
import threading

import pytest
from peers import Peer, post

from drayman.core.clock import SECOND, ManualClock
from drayman.core.delivery import NoResponse
from drayman.dispatch import resolver
from drayman.dispatch.resolver import (
    CACHE_TIME,
    FAILURE_CACHE_TIME,
    LOOKUP_TIMEOUT,
    MAX_LOOKUPS_PER_DOMAIN,
    MAX_THREADS,
    Resolver,
)
from drayman.dispatch.sender import HttpSender


class Names:
    """A getaddrinfo: names with "hang" block until ``release``; names with "none" do not exist."""

    def __init__(self):
        self.release = threading.Event()
        self.calls = collections.Counter()
        self.max_hanging = self.hanging = 0
        self.lock = threading.Lock()

    def getaddrinfo(self, host, port, *, family, type, flags):  # noqa: A002, ARG002 - socket's names
        with self.lock:
            self.calls[host] += 1
            self.hanging += "hang" in host
            self.max_hanging = max(self.max_hanging, self.hanging)
        if "hang" in host:
            self.release.wait(60)
        if "none" in host:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]


@pytest.fixture
def names():
    names = Names()
    yield names
    names.release.set()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
async def resolve(names, clock):
    resolver_ = Resolver(clock, names.getaddrinfo)

    async def resolve(host):
        return [sockaddr for _, sockaddr in await resolver_.resolve(host, 80)]

    yield resolve
    await resolver_.close()


def start(resolve, *hosts):
    return [asyncio.create_task(resolve(host)) for host in hosts]


async def threads_to_start():
    """Give the resolver's threads time to start."""
    for _ in range(10):
        await asyncio.get_running_loop().run_in_executor(None, int)


async def cancel(tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_hanging_names_of_one_domain_leave_threads_to_other_domains(resolve, names):
    hanging = start(resolve, *(f"hang{number}.slow.example" for number in range(1000)))
    addresses = await asyncio.gather(
        *start(resolve, *(f"a{n}.host{n}.example" for n in range(100)))
    )
    assert addresses == [[("127.0.0.1", 80)]] * 100
    assert names.max_hanging <= MAX_LOOKUPS_PER_DOMAIN
    await cancel(hanging)


async def test_names_that_resolved_before_resolve_while_any_number_hangs(resolve, names, clock):
    await resolve("good.example")
    hanging = start(resolve, *(f"hang.domain{number}.example{number}" for number in range(500)))
    clock.advance(CACHE_TIME)
    assert await resolve("good.example")
    assert names.calls["good.example"] == 2
    assert names.max_hanging <= MAX_THREADS * 3 // 4
    await cancel(hanging)


async def test_a_hanging_lookup_fails_after_its_timeout(resolve, names, clock):
    hosts = [f"hang.domain{number}.example{number}" for number in range(500)]
    hanging = start(resolve, *hosts)
    await threads_to_start()
    clock.advance(LOOKUP_TIMEOUT)
    for task in hanging:
        with pytest.raises(OSError, match="no answer of the name servers within 10 s"):
            await task
    with pytest.raises(OSError, match="no answer of the name servers"):
        await resolve(hosts[0])  # its thread is still blocked
    assert names.calls[hosts[0]] == 1
    names.release.set()


async def test_waiting_lookups_start_when_threads_become_free(resolve, names):
    waiting = start(resolve, *(f"hang{n}.slow.example" for n in range(50)))
    await threads_to_start()
    names.release.set()
    assert await asyncio.gather(*waiting) == [[("127.0.0.1", 80)]] * 50


async def test_callers_share_a_lookup_and_its_result_is_cached(resolve, names, clock):
    callers = start(resolve, *["hang.example"] * 20)
    await threads_to_start()
    await cancel(callers[:1])  # a cancelled caller does not affect the others
    names.release.set()
    assert await asyncio.gather(*callers[1:]) == [[("127.0.0.1", 80)]] * 19
    await resolve("HANG.example")
    assert names.calls == {"hang.example": 1}
    clock.advance(CACHE_TIME)
    await resolve("hang.example")
    assert names.calls == {"hang.example": 2}


async def test_a_failure_is_cached_for_a_shorter_time(resolve, names, clock):
    for _ in range(2):
        with pytest.raises(OSError, match="no such name"):
            await resolve("none.example")
    assert names.calls == {"none.example": 1}
    clock.advance(FAILURE_CACHE_TIME)
    with pytest.raises(OSError, match="no such name"):
        await resolve("none.example")
    assert names.calls == {"none.example": 2}


async def test_an_invalid_name_is_a_failure(clock):
    real = Resolver(clock)
    with pytest.raises(OSError, match="label"):
        await real.resolve("x" * 70 + ".example", 80)
    await real.close()


async def test_the_cache_is_bounded_and_ended_lookups_are_removed(names, clock, monkeypatch):
    monkeypatch.setattr(resolver, "MAX_CACHED", 10)
    bounded = Resolver(clock, names.getaddrinfo)
    for number in range(50):
        await bounded.resolve(f"host{number}.example", 80)
    assert bounded.cached_names == 10
    assert bounded.lookups == bounded.counted_domains == 0
    await bounded.close()


async def test_the_sender_reaches_a_target_while_other_names_hang(names, clock):
    sender = HttpSender(clock, names.getaddrinfo)
    async with Peer() as peer:
        urls = [f"http://hang{n}.slow.example/" for n in range(200)]
        hanging = [asyncio.create_task(sender.send(post(url))) for url in urls]
        await threads_to_start()
        assert (await sender.send(post(peer.url.replace("127.0.0.1", "good.test")))).status == 200
        assert (await sender.send(post(peer.url))).status == 200
        assert "127.0.0.1" not in names.calls
        clock.advance(LOOKUP_TIMEOUT + SECOND)
        for result in await asyncio.gather(*hanging):
            assert isinstance(result, NoResponse)
            assert "host name cannot be resolved" in result.reason
    await sender.close()
