"""The push target: answers 200 at once, and counts."""

import asyncio
import contextlib
import dataclasses
import gc
from collections.abc import Iterator
from typing import Any

import httptools
import uvloop

from bench import processes
from bench.processes import SPAWN
from drayman.core.clock import MILLISECOND, Micros, SystemClock

MOST_TIMED = 1_000_000
"""The number of arrivals whose lateness is recorded."""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
DUE = b"/due/"


class Counters:
    """What the target counts, in memory that the harness shares."""

    def __init__(self) -> None:
        self.arrived = SPAWN.RawValue("q", 0)
        self.last = SPAWN.RawValue("q", 0)
        self.timed = SPAWN.RawValue("q", 0)
        self.late = SPAWN.RawArray("d", MOST_TIMED)


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """The harness's end of the push target."""

    port: int
    counters: Counters

    @property
    def url(self) -> str:
        """The URL of a task whose arrival is counted."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def arrived(self) -> int:
        """The number of requests since the last reset."""
        return self.counters.arrived.value

    @property
    def last(self) -> Micros:
        """When the last request arrived."""
        return self.counters.last.value

    def url_due(self, due: Micros) -> str:
        """Return the URL of a task whose lateness is recorded."""
        return f"http://127.0.0.1:{self.port}{DUE.decode()}{due}"

    def lateness(self) -> list[float]:
        """Return the lateness of each task with a due time, in ms, in ascending order."""
        return sorted(self.counters.late[: self.counters.timed.value])

    def reset(self) -> None:
        """Count from zero."""
        self.counters.arrived.value = self.counters.timed.value = 0

    def wait_for(self, count: int, seconds: float) -> bool:
        """Wait until so many requests have arrived; return False if they do not."""
        return processes.wait_until(lambda: self.arrived >= count, seconds)


@contextlib.contextmanager
def start() -> Iterator[Target]:
    """Run a target in a process of its own until the block ends."""
    counters, (ours, theirs) = Counters(), SPAWN.Pipe()
    with processes.spawned(_run, theirs, counters):
        yield Target(processes.receive(ours), counters)


class _Connection(asyncio.Protocol):
    """A connection of a server that pushes; also the callbacks of its parser."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._parser = httptools.HttpRequestParser(self)
        self._clock = SystemClock()
        self._answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._answers = 0
        self._parser.feed_data(data)
        if self._answers:
            self._transport.write(ANSWER * self._answers)

    def on_url(self, url: bytes) -> None:
        if url.startswith(DUE):
            counters = self._counters
            late = self._clock.now() - int(url[len(DUE) :])
            if counters.timed.value < MOST_TIMED:
                counters.late[counters.timed.value] = late / MILLISECOND
                counters.timed.value += 1

    def on_message_complete(self) -> None:
        self._answers += 1
        self._counters.last.value = self._clock.now()
        self._counters.arrived.value += 1


def _run(pipe: Any, counters: Counters) -> None:
    gc.disable()  # a collection would show as lateness

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Connection(counters), "127.0.0.1", 0, backlog=4096
        )
        pipe.send(server.sockets[0].getsockname()[1])
        await processes.parent_ends(pipe)

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve())
