"""The targets of the soak: one answers at once, the others misbehave as their names say."""

import asyncio
import collections
import contextlib
import gc
import resource
from typing import Any

import uvloop

from bench import processes
from bench.processes import SPAWN
from drayman.core.clock import MILLISECOND, SECOND, SystemClock
from drayman.process import widen_file_table

RATES = {"good": 100, "slow": 50, "flapping": 100, "dead": 100, "hanging": 200, "nameless": 100}
"""Tasks a second for each kind of target."""
MOST_TIMED = 1_000_000


class Arrivals:
    """First attempts that arrived, by the kind of their target, in shared memory."""

    def __init__(self) -> None:
        self._counts = {kind: SPAWN.RawValue("q", 0) for kind in RATES}
        self._late = {kind: SPAWN.RawArray("d", MOST_TIMED) for kind in RATES}

    def record(self, kind: str, late: float) -> None:
        """Record the lateness of an arrival, in ms."""
        self._late[kind][self._counts[kind].value] = late
        self._counts[kind].value += 1

    def count(self, kind: str) -> int:
        """Return the number of arrivals."""
        return self._counts[kind].value

    def lateness(self, kind: str) -> list[float]:
        """Return the lateness of each arrival, in ms, in ascending order."""
        return sorted(self._late[kind][: self.count(kind)])


def kind_of(queue_id: str) -> str:
    """Return the kind of a queue's target: ``hanging`` of ``hanging-3``."""
    return queue_id.partition("-")[0]


def host(queue_id: str, number: int) -> str:
    """Return the host of a queue's task."""
    if queue_id == "nameless":
        return f"h{number}.{number % 50}.invalid"
    return "localhost" if queue_id == "good" else "127.0.0.1"


async def answer(
    arrivals: Arrivals, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer the requests of a connection as the kind of the target asks."""
    clock = SystemClock()
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            await reader.readexactly(int(fields["Content-Length"]))
            kind, now = kind_of(head.split(" ")[1].removeprefix("/")), clock.now()
            if fields["X-CloudTasks-TaskRetryCount"] == "0":
                late = now - float(fields["X-CloudTasks-TaskETA"]) * SECOND
                arrivals.record(kind, late / MILLISECOND)
            status = 200
            if kind == "slow":
                await clock.wait(asyncio.Event(), now + 2 * SECOND)
            elif kind == "hanging":
                await asyncio.Event().wait()
            elif kind == "flapping" and now // (5 * SECOND) % 2:
                status = 503
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
    writer.close()


def _run(pipe: Any, arrivals: Arrivals) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Both would show as lateness.
    widen_file_table(most)
    gc.disable()

    async def serve() -> None:
        server = await asyncio.start_server(
            lambda reader, writer: answer(arrivals, reader, writer), "127.0.0.1", 0, backlog=2048
        )
        pipe.send(server.sockets[0].getsockname()[1])
        await processes.parent_ends(pipe)

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve())


@contextlib.contextmanager
def start() -> collections.abc.Iterator[tuple[int, Arrivals]]:
    """Run the targets in a process of their own; yield their port and what arrives."""
    arrivals, (ours, theirs) = Arrivals(), SPAWN.Pipe()
    with processes.spawned(_run, theirs, arrivals):
        yield processes.receive(ours), arrivals
