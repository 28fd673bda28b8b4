"""An attempt leaves nothing behind that only a search for cyclic garbage would free.

The server makes such searches rarely (``server.COLLECTION``), for they stop everything.
"""

import asyncio
import contextlib
import gc
import itertools
import socket
import types

import pytest
from peers import OK, STARTS, Peer, answering, post, self_signed

from drayman.core.clock import SECOND, ManualClock
from drayman.core.delivery import NoResponse
from drayman.dispatch import resolver
from drayman.dispatch.sender import HttpSender

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
        await self.forever(writer, b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000)


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


def ours(thing):
    """Tell whether an object is of an attempt's making: the peers make garbage as well."""
    if isinstance(thing, types.FrameType | types.CoroutineType):
        code = thing.f_code if isinstance(thing, types.FrameType) else thing.cr_code
        return "drayman/dispatch" in code.co_filename
    return type(thing).__module__.split(".")[0] in {"drayman", "httptools"}


@pytest.fixture
def garbage():
    """Return a function that returns the cyclic garbage made since the last call."""

    def found():
        gc.collect()
        things = [thing for thing in gc.garbage if ours(thing)]
        gc.garbage.clear()
        return things

    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield found
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


async def attempts(sender, url, arrived=None):
    """Send some requests; those that hang end by their deadline."""
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
        await attempts(sender, target.url, arrived)  # what is made once is not counted
        garbage()
        await attempts(sender, target.url, arrived)
        assert garbage() == []
    await sender.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/", "http://nowhere.invalid/",
        "https://localhost:{port}/", "http://[",
    ],
)  # fmt: skip
async def test_attempts_that_never_arrive_leave_no_cycles(url, garbage):
    sender = HttpSender()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = url.format(port=closed.getsockname()[1])
    await attempts(sender, url)
    garbage()
    await attempts(sender, url)
    assert isinstance(await sender.send(post(url)), NoResponse)
    assert garbage() == []
    await sender.close()


async def test_a_handshake_that_fails_leaves_no_cycles(garbage, tmp_path):
    peer = Peer()
    peer.tls, _ = self_signed(tmp_path)
    sender = HttpSender()
    async with peer:
        await attempts(sender, peer.url)
        garbage()
        await attempts(sender, peer.url)
        assert garbage() == []
    await sender.close()


async def test_a_name_whose_addresses_all_fail_leaves_no_cycles(garbage):
    def many(*_, **__):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{n}", 0)) for n in range(9)]

    sender = HttpSender(getaddrinfo=many)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://many.test:{closed.getsockname()[1]}/"
    await attempts(sender, url)
    garbage()
    await attempts(sender, url)
    assert garbage() == []
    await sender.close()


async def test_what_is_remembered_of_failed_lookups_is_no_cycle(garbage, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(resolver, "REMEMBERED", 1)  # so that the others are forgotten at once
    sender = HttpSender(getaddrinfo=unknown)
    await attempts(sender, "http://nowhere-NUMBER.invalid/")
    garbage()
    await attempts(sender, "http://nowhere-NUMBER.invalid/")
    assert garbage() == []
    await sender.close()
