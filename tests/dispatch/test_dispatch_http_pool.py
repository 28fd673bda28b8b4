"""Connections between requests: when one is used again, and when it is closed."""

import asyncio
import os
import random
import select
import socket
import stat
from pathlib import Path

import pytest
from peers import OK, Peer, answering, post, self_signed

from drayman.core.clock import SECOND, ManualClock
from drayman.core.delivery import MAX_RESPONSE_SIZE, NoResponse, Request, Response
from drayman.dispatch.http import pool
from drayman.dispatch.http.connect import tls_context
from drayman.dispatch.http.pool import KEEP_ALIVE
from drayman.dispatch.sender import HttpSender


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
async def sender(clock):
    sender = HttpSender(clock)
    yield sender
    await sender.close()


class Replying(Peer):
    """A peer that answers every request with the same bytes."""

    def __init__(self, content):
        super().__init__()
        self._content = content

    async def answer(self):
        return self._content


class Gathering(Peer):
    """A peer that answers once so many requests have arrived."""

    def __init__(self, number):
        super().__init__()
        self._barrier = asyncio.Barrier(number)

    async def answer(self):
        await self._barrier.wait()
        return OK


async def test_an_idle_connection_is_closed_in_time(sender, clock):
    async with Peer() as peer:
        await sender.send(post(peer.url))
        clock.advance(KEEP_ALIVE - SECOND)
        await sender.send(post(peer.url))
        clock.advance(KEEP_ALIVE - SECOND)
        await sender.send(post(peer.url))
        assert peer.connections == 1
        clock.advance(KEEP_ALIVE)
        await peer.closed.wait()
        assert (await sender.send(post(peer.url))).status == 200
        assert peer.connections == 2


@pytest.mark.parametrize(
    ("fields", "longest"),
    [
        (b"Keep-Alive: timeout=1\r\n", 0.8),
        (b'keep-alive: max=9, Timeout = "2"\r\n', 1.6),
        (b"Keep-Alive: timeout=4, max=100\r\n", 3.2),
        (b"Keep-Alive: timeout=5\r\n", 4),
        (b"Keep-Alive: timeout=60\r\n", 4),
        (b"Keep-Alive: timeout=99999999999999999999\r\n", 4),
        (b"Keep-Alive: max=1\r\n", 4),
        (b"Keep-Alive: timeout=-1\r\n", 4),
        (b"X-Keep-Alive: timeout=1\r\n", 4),
    ],
)
async def test_a_shorter_timeout_of_the_peer_shortens_the_idle_time(sender, clock, fields, longest):
    longest = int(longest * SECOND)
    async with Replying(OK.replace(b"\r\n\r\n", b"\r\n" + fields + b"\r\n")) as peer:
        for idle, connections in ((0, 1), (longest - 1, 1), (longest, 2)):
            clock.advance(idle)
            assert (await sender.send(post(peer.url))).status == 200
            assert peer.connections == connections


async def test_the_timeout_of_an_earlier_response_does_not_count(sender, clock):
    short = b"Keep-Alive: timeout=1\r\n"

    class Changing(Peer):
        async def answer(self):
            interim = b"HTTP/1.1 103 Early Hints\r\n" + short + b"\r\n"
            fields = short if len(self.requests) == 1 else b""
            return interim + OK.replace(b"\r\n\r\n", b"\r\n" + fields + b"\r\n")

    async with Changing() as peer:
        for idle in (0, 0, KEEP_ALIVE - 1):
            clock.advance(idle)
            assert (await sender.send(post(peer.url))).status == 200
        assert peer.connections == 1


async def test_a_clock_that_is_set_back_keeps_no_connection(sender, clock):
    async with Peer() as peer:
        await sender.send(post(peer.url))
        clock.advance(-SECOND)
        await sender.send(post(peer.url))
        assert peer.connections == 2


async def gather(sender, url, number):
    results = await asyncio.gather(*(sender.send(post(url)) for _ in range(number)))
    assert {result.status for result in results} == {200}


async def test_as_many_connections_are_kept_as_were_in_use(sender):
    async with Gathering(10) as peer:
        for _ in range(3):
            await gather(sender, peer.url, 10)
        assert peer.connections == 10


async def test_the_idle_connections_of_a_route_are_bounded(sender, monkeypatch):
    monkeypatch.setattr(pool, "MAX_IDLE_PER_ROUTE", 4)
    async with Gathering(10) as peer:
        await gather(sender, peer.url, 10)
        await gather(sender, peer.url, 10)
        assert peer.connections == 16


async def test_the_idle_connections_of_all_routes_are_bounded(sender, monkeypatch):
    monkeypatch.setattr(pool, "MAX_IDLE", 2)
    async with Peer() as first, Peer() as second, Peer() as third:
        for peer in (first, second, third):
            await sender.send(post(peer.url))
        await first.closed.wait()  # the longest idle one
        for peer in (third, second):
            await sender.send(post(peer.url))
        assert [peer.connections for peer in (first, second, third)] == [1, 1, 1]


async def test_closing_ends_what_is_in_flight(sender):
    class Hanging(Peer):
        async def answer(self):
            return await asyncio.Event().wait()

    async with Hanging() as peer:
        sending = asyncio.create_task(sender.send(post(peer.url)))
        await peer.arrived.wait()
        await sender.close()
        assert isinstance(await sending, NoResponse)


@pytest.mark.parametrize(
    "content",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=0\r\nContent-Length: 0\r\n\r\n",
        OK + b"HTTP/1.1 500 Smuggled\r\nContent-Length: 0\r\n\r\n",
        OK + b"x",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MAX_RESPONSE_SIZE
        + b"x" * MAX_RESPONSE_SIZE,
    ],
    ids=[
        "close",
        "HTTP/1.0",
        "timeout of 0",
        "second response",
        "garbage",
        "no body",
        "upgrade",
        "long",
    ],
)
async def test_after_some_responses_the_connection_is_closed(sender, content):
    status = int(content[9:12])
    async with Replying(content) as peer:
        for number in (1, 2):
            assert (await sender.send(post(peer.url))).status == status
            assert peer.connections == number


@pytest.mark.parametrize("status", [204, 304])
async def test_a_connection_is_kept_after_a_response_without_a_body(sender, status):
    async with Replying(b"HTTP/1.1 %d X\r\n\r\n" % status) as peer:
        for _ in range(2):
            assert (await sender.send(post(peer.url))).status == status
        assert peer.connections == 1


async def test_a_connection_is_kept_after_head(sender):
    async with Replying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n") as peer:
        for _ in range(2):
            assert await sender.send(Request("HEAD", peer.url, {}, b"")) == Response(200)
        assert peer.connections == 1


async def test_what_arrives_between_requests_closes_the_connection(sender):
    class Chatty(Peer):
        async def serve(self, reader, writer):
            await self.read(reader)
            writer.write(OK)
            await self.resumed.wait()
            writer.write(OK)
            await reader.read()

    async with Chatty() as peer:
        peer.resumed = asyncio.Event()
        await sender.send(post(peer.url))
        peer.resumed.set()
        await peer.closed.wait()
        await sender.send(post(peer.url))
        assert peer.connections == 2


async def test_a_connection_that_the_peer_closed_meanwhile_is_replaced(sender):
    async with answering(OK) as peer:
        for _ in range(3):
            peer.closed.clear()
            assert (await sender.send(post(peer.url))).status == 200
            await peer.closed.wait()
            for _ in range(3):  # turns of the event loop in which the sender reads the end
                await asyncio.get_running_loop().run_in_executor(None, int)
        assert len(peer.requests) == 3


class Exposed(Peer):
    """A peer whose latest connection can be used without the event loop."""

    def __init__(self, tls):
        super().__init__()
        self.tls = tls

    async def serve(self, reader, writer):
        self.sock = duplicate(writer.get_extra_info("socket").fileno())
        with self.sock:
            await super().serve(reader, writer)


def duplicate(number):
    return socket.socket(fileno=os.dup(number))


def other_end(sock):
    """Return a duplicate of the socket of this process to which another one is connected."""
    for number in [int(path.name) for path in Path("/dev/fd").iterdir()]:
        try:
            is_socket = stat.S_ISSOCK(os.fstat(number).st_mode)
        except OSError:  # it was that of the listing
            continue
        if is_socket:
            candidate = duplicate(number)
            if candidate.getsockname() == sock.getpeername():
                return candidate
            candidate.close()
    raise LookupError("no socket is the other end")


@pytest.mark.parametrize("tls", [False, True], ids=["TCP", "TLS"])
@pytest.mark.parametrize(
    "act",
    [lambda sock: sock.shutdown(socket.SHUT_WR), lambda sock: sock.send(OK)],
    ids=["the end", "data"],
)
async def test_what_the_event_loop_has_not_read_yet_keeps_a_connection_from_reuse(
    clock, tmp_path, act, tls
):
    context, certificate = self_signed(tmp_path) if tls else (None, None)
    sender = HttpSender(clock, tls=tls_context(str(certificate)) if tls else None)
    async with Exposed(context) as peer:
        for _ in range(2):
            assert (await sender.send(post(peer.url))).status == 200
        assert peer.connections == 1
        # From here to the request the event loop does not run.
        act(peer.sock)
        with other_end(peer.sock) as arrived:
            select.select([arrived], [], [])
        assert (await sender.send(post(peer.url))).status == 200
        assert peer.connections == 2
        await sender.close()


async def test_a_greeting_before_the_request_is_not_http(sender):
    class Greeting(Peer):
        async def serve(self, reader, writer):
            writer.write(b"220 smtp.example ESMTP\r\n")
            await reader.read()

    async with Greeting() as peer:
        assert "answer is not HTTP" in (await sender.send(post(peer.url))).reason


async def test_a_response_before_the_request_was_sent_whole_closes_the_connection(sender):
    class Hasty(Peer):
        async def serve(self, reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            await self.resumed.wait()
            await reader.read()

    async with Hasty() as peer:
        peer.resumed = asyncio.Event()
        assert (await sender.send(post(peer.url, b"x" * 10_000_000))).status == 413
        peer.resumed.set()
        await peer.closed.wait()


PARTS = [
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"\r\n", b"3\r\nabc\r\n",
    b"0\r\n\r\n", b"\0\xff", b"abc",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
async def test_any_bytes_are_one_result_and_one_request(sender, seed):
    chance = random.Random(seed)

    class Fuzzing(Peer):
        async def serve(self, reader, writer):
            await self.read(reader)
            for part in chance.choices(PARTS, k=chance.randrange(12)):
                writer.write(part)
                await writer.drain()

    async with Fuzzing() as peer:
        for number in range(1, 6):
            result = await sender.send(post(peer.url))
            assert isinstance(result, Response | NoResponse)
            assert len(peer.requests) <= number
