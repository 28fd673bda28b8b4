"""A closed loop of calls: a new one starts when one has been answered, up to a number in flight."""

import asyncio
import dataclasses
import itertools
import time
from collections.abc import Iterator
from typing import Literal

from bench import http1, http2
from bench.meter import Meter
from drayman.core.clock import Micros, SystemClock

CONNECTIONS = {"grpc": (http2.GrpcConnection, 1), "rest": (http1.RestConnection, None)}
"""How calls are sent, and over how many connections; None means one for each call in flight.
A client has one channel, which carries all of its calls."""


@dataclasses.dataclass(frozen=True, slots=True)
class Load:
    """What to send.

    Attributes:
        protocol: Whether the calls are gRPC or REST.
        port: A port on the loopback interface.
        path: The path of each call.
        bodies: The requests, sent one after another, from the first again after the last.
        width: The number of calls in flight.
        seconds: How long new calls start.
        calls: How many calls start at most; None for no limit.
    """

    protocol: Literal["grpc", "rest"]
    port: int
    path: str
    bodies: tuple[bytes, ...]
    width: int
    seconds: float
    calls: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What came of a load.

    Attributes:
        calls: The number of calls; all were successful.
        began: When the first call started.
        seconds: From then to the last answer.
        p50: The median time of a call, in seconds.
        p99: The time that 99 % of the calls did not exceed, in seconds.
        cpu: Processor time of the load generator, in seconds.
    """

    calls: int
    began: Micros
    seconds: float
    p50: float
    p99: float
    cpu: float

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds


async def run(load: Load) -> Result:
    """Send a load and wait for all answers. Unmeasurable, if a call fails."""
    connect, connections = CONNECTIONS[load.protocol]
    count = min(connections or load.width, load.width)
    requests = tuple(connect.render(load.path, load.port, body) for body in load.bodies)
    meter = Meter(_cycle(requests, load.calls), load.width)
    loop = asyncio.get_running_loop()
    open_connections = [
        await loop.create_connection(lambda: connect(meter), "127.0.0.1", load.port)
        for _ in range(count)
    ]
    began, start, cpu = SystemClock().now(), time.perf_counter(), time.process_time()
    meter.end = start + load.seconds
    for (_, connection), width in zip(open_connections, _shares(load.width, count), strict=True):
        connection.start(load.path, load.port, width)
    try:
        await meter.done
    finally:
        for transport, _ in open_connections:
            transport.abort()
    times = sorted(meter.times)
    return Result(
        calls=len(times),
        began=began,
        seconds=time.perf_counter() - start,
        p50=times[len(times) // 2],
        p99=times[int(len(times) * 0.99)],
        cpu=time.process_time() - cpu,
    )


def _cycle(requests: tuple[bytes, ...], calls: int | None) -> Iterator[bytes]:
    return itertools.islice(itertools.cycle(requests), calls)


def _shares(width: int, count: int) -> list[int]:
    return [width // count + (number < width % count) for number in range(count)]
