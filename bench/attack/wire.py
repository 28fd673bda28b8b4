"""The attacker's side of a connection: plain bytes, or HTTP/2 without manners."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import ngh2

from bench import messages

HOST = "127.0.0.1"
RECEIVE_BUFFER = 4 << 10
"""The bytes that a connection whose attacker reads nothing holds for it."""
PIECE = 64 << 10
LARGEST = 2**31 - 1
"""The largest flow-control window."""


class Wire:
    """A connection to the server.

    Attributes:
        sent: The bytes that all connections have sent.
    """

    sent = 0

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes as fast as the server takes them. ConnectionError."""
        for start in range(0, len(data), PIECE):
            self._writer.write(data[start : start + PIECE])
            await self._writer.drain()
            Wire.sent += min(PIECE, len(data) - start)
        await asyncio.sleep(0)  # noqa: TID251 - draining a buffer with room lets nobody else run

    async def receive(self) -> bytes:
        """Return what has come. ConnectionError at the end."""
        data = await self._reader.read(PIECE)
        if not data:
            raise ConnectionResetError
        return data

    async def discard(self) -> None:
        """Read and forget, until the server closes. ConnectionError."""
        while True:
            await self.receive()

    def close(self) -> None:
        """Close at once."""
        self._writer.transport.abort()


Play = Callable[[Wire], Awaitable[None]]


async def connect(port: int) -> Wire:
    """Open a connection with small buffers. OSError."""
    sock = socket.socket()
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (HOST, port))
        return Wire(*await asyncio.open_connection(sock=sock, limit=PIECE))
    except BaseException:
        sock.close()
        raise


class Http2:
    """An HTTP/2 client that sends whatever it is asked to."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._engine = ngh2.Connection(ngh2.Role.CLIENT)
        self._engine.initiate_connection({ngh2.Setting.INITIAL_WINDOW_SIZE: LARGEST})
        self._engine.set_local_window_size(LARGEST)

    def begin(self, path: str, *extra: tuple[bytes, bytes]) -> int:
        """Queue the head of a call; return its stream."""
        head = [
            (b":method", b"POST"), (b":scheme", b"http"), (b":path", path.encode()),
            (b":authority", b"localhost"), (b"te", b"trailers"),
            (b"content-type", b"application/grpc"), *extra,
        ]  # fmt: skip
        return self._engine.send_request(head)

    def call(self, path: str, body: bytes, *extra: tuple[bytes, bytes], flag: int = 0) -> int:
        """Queue a whole call; return its stream."""
        stream = self.begin(path, *extra)
        self._engine.send_data(stream, message(body, flag), end_stream=True)
        return stream

    def data(self, stream: int, data: bytes) -> None:
        """Queue a part of a call."""
        self._engine.send_data(stream, data)

    def reset(self, stream: int) -> None:
        """Queue the end of a call."""
        self._engine.reset_stream(stream, ngh2.ErrorCode.CANCEL)

    def output(self) -> bytes:
        """Return what is queued."""
        return self._engine.data_to_send()

    async def flush(self) -> None:
        """Send what is queued. ConnectionError."""
        await self._wire.send(self.output())

    async def exchange(self, responses: int) -> None:
        """Send and receive until so many calls have ended. ConnectionError."""
        await self.flush()
        while responses > 0:
            try:
                self._engine.receive_data(await self._wire.receive())
            except ngh2.NGH2Error:
                raise ConnectionResetError from None
            events = self._engine.events()
            responses -= sum(isinstance(event, ngh2.StreamClosed) for event in events)
            await self.flush()


def message(body: bytes, flag: int = 0) -> bytes:
    """Return a message with gRPC's prefix."""
    return bytes([flag]) + len(body).to_bytes(4, "big") + body


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    """Return a frame of HTTP/2."""
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags])
    return head + stream.to_bytes(4, "big") + payload


def opening(method: str = "CreateTask") -> bytes:
    """Return the start of a connection with one call, on stream 1, without its data."""
    client = Http2(None)  # type: ignore[arg-type] # nothing is sent
    client.begin(messages.path(method))
    return client.output()
