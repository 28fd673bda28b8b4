"""The resolver, with a getaddrinfo that hangs for some names: the others are not held up."""

import asyncio
import collections
import socket
import threading

import pytest
from test_dispatch_sender import Peer, post

from drayman.core.clock import SECOND, ManualClock
from drayman.core.delivery import NoResponse
from drayman.dispatch import resolver
from drayman.dispatch.resolver import FRESH, FRESH_FAILURE, LIMIT, SHARE, THREADS, Resolver
from drayman.dispatch.sender import HttpSender


class Names:
    """A getaddrinfo: names with "hang" in them wait, those with "none" do not exist."""

    def __init__(self):
        self.let_go = threading.Event()
        self.asked = collections.Counter()
        self.most = self.hanging = 0
        self.lock = threading.Lock()

    def getaddrinfo(self, host, port, *, family, type, flags):  # noqa: A002, ARG002 - socket's names
        with self.lock:
            self.asked[host] += 1
            self.hanging += "hang" in host
            self.most = max(self.most, self.hanging)
        if "hang" in host:
            self.let_go.wait(60)
        if "none" in host:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]


@pytest.fixture
def names():
    names = Names()
    yield names
    names.let_go.set()


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


def ask(resolve, *hosts):
    return [asyncio.create_task(resolve(host)) for host in hosts]


async def settled():
    for _ in range(10):
        await asyncio.get_running_loop().run_in_executor(None, int)


async def give_up(tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_names_of_one_domain_that_hang_leave_threads_for_all_others(resolve, names):
    hanging = ask(resolve, *(f"hang{number}.slow.example" for number in range(1000)))
    found = await asyncio.gather(*ask(resolve, *(f"a{n}.host{n}.example" for n in range(100))))
    assert found == [[("127.0.0.1", 80)]] * 100
    assert names.most <= SHARE
    await give_up(hanging)


async def test_names_that_were_good_resolve_whatever_hangs(resolve, names, clock):
    await resolve("good.example")
    hanging = ask(resolve, *(f"hang.domain{number}.example{number}" for number in range(500)))
    clock.advance(FRESH)
    assert await resolve("good.example")
    assert names.asked["good.example"] == 2
    assert names.most <= THREADS * 3 // 4
    await give_up(hanging)


async def test_a_lookup_ends_in_time_and_its_domain_then_gets_less(resolve, names, clock):
    hosts = [f"hang.domain{number}.example{number}" for number in range(500)]
    hanging = ask(resolve, *hosts)
    await settled()
    clock.advance(LIMIT)
    for task in hanging:
        with pytest.raises(OSError, match="no answer of the name servers within 10 s"):
            await task
    with pytest.raises(OSError, match="no answer of the name servers"):
        await resolve(hosts[0])  # it hangs still: told at once
    assert names.asked[hosts[0]] == 1
    names.let_go.set()


async def test_what_waits_is_looked_up_when_threads_come_free(resolve, names):
    waiting = ask(resolve, *(f"hang{n}.slow.example" for n in range(50)))
    await settled()
    names.let_go.set()
    assert await asyncio.gather(*waiting) == [[("127.0.0.1", 80)]] * 50


async def test_a_name_is_looked_up_once_for_all_and_remembered(resolve, names, clock):
    asking = ask(resolve, *["hang.example"] * 20)
    await settled()
    await give_up(asking[:1])  # who gives up takes nothing from the others
    names.let_go.set()
    assert await asyncio.gather(*asking[1:]) == [[("127.0.0.1", 80)]] * 19
    await resolve("HANG.example")
    assert names.asked == {"hang.example": 1}
    clock.advance(FRESH)
    await resolve("hang.example")
    assert names.asked == {"hang.example": 2}


async def test_a_failure_is_remembered_for_less(resolve, names, clock):
    for _ in range(2):
        with pytest.raises(OSError, match="no such name"):
            await resolve("none.example")
    assert names.asked == {"none.example": 1}
    clock.advance(FRESH_FAILURE)
    with pytest.raises(OSError, match="no such name"):
        await resolve("none.example")
    assert names.asked == {"none.example": 2}


async def test_a_name_that_cannot_be_one_is_a_failure(clock):
    real = Resolver(clock)
    with pytest.raises(OSError, match="label"):
        await real.resolve("x" * 70 + ".example", 80)
    await real.close()


async def test_what_is_remembered_is_bounded(names, clock, monkeypatch):
    monkeypatch.setattr(resolver, "REMEMBERED", 10)
    bounded = Resolver(clock, names.getaddrinfo)
    for number in range(50):
        await bounded.resolve(f"host{number}.example", 80)
    assert len(bounded._known) == 10
    assert not bounded._lookups
    assert not bounded._shares
    assert not bounded._parked
    await bounded.close()


async def test_the_sender_reaches_a_name_while_others_hang(names, clock):
    sender = HttpSender(clock, names.getaddrinfo)
    async with Peer() as peer:
        urls = [f"http://hang{n}.slow.example/" for n in range(200)]
        hanging = [asyncio.create_task(sender.send(post(url))) for url in urls]
        await settled()
        assert (await sender.send(post(peer.url.replace("127.0.0.1", "good.test")))).status == 200
        assert (await sender.send(post(peer.url))).status == 200
        assert "127.0.0.1" not in names.asked
        clock.advance(LIMIT + SECOND)
        for result in await asyncio.gather(*hanging):
            assert isinstance(result, NoResponse)
            assert "host name cannot be resolved" in result.reason
    await sender.close()
