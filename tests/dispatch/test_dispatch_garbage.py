"""An attempt creates no reference cycles, which only the garbage collector would free.

The server runs the collector rarely (``process.tune_garbage_collection``), because it stops the
event loop.
"""

import asyncio
import contextlib
import itertools
import socket

import pytest
from peers import OK, STARTS, Peer, answering, post, self_signed

from drayman.core.clock import SECOND, ManualClock
from drayman.core.delivery import NoResponse
from drayman.dispatch import resolver
from drayman.dispatch.sender import HttpSender
from garbage import collecting

ATTEMPTS = 10
_NUMBERS = itertools.count()


class Hanging(Peer):
    def __init__(self, start):
        super().__init__()
        self._start = start

    async def serve(self, reader, writer):
        await self.read(reader)
        writer.write(self._start)
        await writer.drain()
        await reader.read()


class Resetting(Peer):
    async def serve(self, reader, writer):
        await self.read(reader)
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
        )


class Endless(Peer):
    async def serve(self, reader, writer):
        await self.read(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await self.forever(writer, b"x" * 4096)


class Interim(Peer):
    async def serve(self, reader, writer):
        await self.read(reader)
        # Many in one write: the socket buffers take millions of bytes before a write waits.
        await self.forever(writer, b"HTTP/1.1 100 Continue\r\n\r\n" * 200)


PEERS = {
    "answer": Peer,
    "not HTTP": lambda: answering(b"220 smtp.example ESMTP\r\n"),
    "no answer": lambda: answering(b""),
    "half an answer": lambda: answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
    "answer and end": lambda: answering(OK),
    "reset": Resetting,
    "endless": Endless,
    "interim": Interim,
    **{f"hanging {start[:30]!r}": lambda start=start: Hanging(start) for start in STARTS},
}


@pytest.fixture
def garbage():
    with collecting("drayman/dispatch", "drayman", "httptools") as collect:
        yield collect


async def make_attempts(sender, url, arrived=None):
    """Send ``ATTEMPTS`` requests; those that hang end by their deadline."""
    for _ in range(ATTEMPTS):
        clock = ManualClock()

        async def attempt(clock=clock):
            with contextlib.suppress(TimeoutError):
                async with clock.timeout(clock.now() + SECOND):
                    await sender.send(post(url.replace("NUMBER", str(next(_NUMBERS)))))

        running = asyncio.create_task(attempt())
        if arrived is not None:
            await arrived.wait()
            arrived.clear()
            clock.advance(SECOND)
        await running


@pytest.mark.parametrize("peer", PEERS.values(), ids=PEERS)
async def test_attempts_leave_no_cycles(peer, garbage):
    sender = HttpSender()
    async with peer() as target:
        arrived = target.arrived if isinstance(target, Hanging) else None
        await make_attempts(sender, target.url, arrived)  # objects created once do not count
        garbage()
        await make_attempts(sender, target.url, arrived)
        assert garbage() == []
    await sender.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/", "http://nowhere.invalid/",
        "https://localhost:{port}/", "http://[",
    ],
)  # fmt: skip
async def test_attempts_without_a_connection_leave_no_cycles(url, garbage):
    sender = HttpSender()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = url.format(port=closed.getsockname()[1])
    await make_attempts(sender, url)
    garbage()
    await make_attempts(sender, url)
    assert isinstance(await sender.send(post(url)), NoResponse)
    assert garbage() == []
    await sender.close()


async def test_a_failed_handshake_leaves_no_cycles(garbage, tmp_path):
    peer = Peer()
    peer.tls, _ = self_signed(tmp_path)
    sender = HttpSender()
    async with peer:
        await make_attempts(sender, peer.url)
        garbage()
        await make_attempts(sender, peer.url)
        assert garbage() == []
    await sender.close()


async def test_a_name_whose_addresses_all_fail_leaves_no_cycles(garbage):
    def many(*_, **__):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{n}", 0)) for n in range(9)]

    sender = HttpSender(getaddrinfo=many)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://many.test:{closed.getsockname()[1]}/"
    await make_attempts(sender, url)
    garbage()
    await make_attempts(sender, url)
    assert garbage() == []
    await sender.close()


async def test_cached_lookup_failures_leave_no_cycles(garbage, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(resolver, "MAX_CACHED", 1)  # the others are dropped at once
    sender = HttpSender(getaddrinfo=unknown)
    await make_attempts(sender, "http://nowhere-NUMBER.invalid/")
    garbage()
    await make_attempts(sender, "http://nowhere-NUMBER.invalid/")
    assert garbage() == []
    await sender.close()
