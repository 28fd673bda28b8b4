"""A client of HTTP/2 in the loop of the connection under test: no sockets, no waiting."""

import asyncio
import dataclasses

import ngh2

from drayman.api.offload import Offload
from drayman.core.clock import ManualClock
from drayman.edge.connection import GrpcConnection
from drayman.edge.methods import Streaming, Unary
from drayman.edge.shared import Shared

TURNS = 40
"""Turns of the loop in which everything that can happen without the client has happened."""
UNARY, STREAM = b"/test.Service/Unary", b"/test.Service/Stream"
HEADERS = {
    b":method": b"POST",
    b":scheme": b"http",
    b":path": UNARY,
    b":authority": b"test",
    b"content-type": b"application/grpc",
    b"te": b"trailers",
}


async def turns(count: int = TURNS) -> None:
    """Let the event loop turn."""
    loop = asyncio.get_running_loop()
    for _ in range(count):
        turned = loop.create_future()
        loop.call_soon(turned.set_result, None)
        await turned


class Pipe(asyncio.Transport):
    """The server's transport; the client takes what was written when it likes."""

    def __init__(self, address: str = "192.0.2.1", certificate: object = None) -> None:
        super().__init__({"peername": (address, 1), "peercert": certificate})
        self.protocol: GrpcConnection | None = None
        self.written = bytearray()
        self.writes = 0
        self.closed = False
        self.aborted = False
        self.reading = True
        self.high = 0
        self._paused = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = high or low or 0

    def get_write_buffer_size(self) -> int:
        return len(self.written)

    def write(self, data: bytes) -> None:
        self.written += data
        self.writes += 1
        if len(self.written) > self.high and not self._paused and self.protocol:
            self._paused = True
            self.protocol.pause_writing()

    def take(self) -> bytes:
        """Take all that was written."""
        data = bytes(self.written)
        self.written.clear()
        if self._paused and self.protocol:
            self._paused = False
            self.protocol.resume_writing()
        return data

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self._lose)

    def abort(self) -> None:
        self.aborted = True
        self.close()

    def _lose(self) -> None:
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.connection_lost(None)


@dataclasses.dataclass
class Answer:
    """What has come of a response."""

    headers: dict[bytes, bytes] = dataclasses.field(default_factory=dict)
    body: bytes = b""
    trailers: dict[bytes, bytes] = dataclasses.field(default_factory=dict)
    reset: int | None = None
    ended: bool = False

    @property
    def status(self) -> int | None:
        """The gRPC status."""
        fields = self.trailers or self.headers
        return int(fields[b"grpc-status"]) if b"grpc-status" in fields else None

    @property
    def message(self) -> str:
        """The gRPC message, as it was sent."""
        return (self.trailers or self.headers).get(b"grpc-message", b"").decode()

    @property
    def http_status(self) -> bytes:
        return self.headers[b":status"]


class Client:
    """The client's side of a connection."""

    def __init__(self, shared: Shared, certificate: object = None, **settings: int) -> None:
        self.pipe = Pipe(certificate=certificate)
        self.connection = GrpcConnection(shared)
        self.pipe.protocol = self.connection
        self.h2 = ngh2.Connection(
            ngh2.Role.CLIENT,
            ngh2.Configuration(auto_window_update=False, max_send_header_block_length=1 << 22),
        )
        self.h2.initiate_connection({ngh2.Setting[name]: size for name, size in settings.items()})
        self.responses: dict[int, Answer] = {}
        self.goaway: tuple[int, bytes] | None = None
        self.pongs = 0
        self.pings = 0
        self.connection.connection_made(self.pipe)

    def begin(self, *, end: bool = False, extra: list = (), **fields: bytes | None) -> int:
        """Send the header fields of a request; underscores stand for hyphens."""
        named = {name.replace("_", "-").encode(): value for name, value in fields.items()}
        headers = {b":" + name if name in PSEUDO else name: value for name, value in named.items()}
        merged = [*(HEADERS | headers).items(), *extra]
        stream = self.h2.send_request([each for each in merged if each[1] is not None],
                                      end_stream=end)  # fmt: skip
        self.responses[stream] = Answer()
        return stream

    def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        self.h2.send_data(stream, data, end_stream=end)

    def request(self, body: bytes, **fields: bytes | None) -> int:
        """Send a whole request."""
        stream = self.begin(**fields)
        self.send(stream, body, end=True)
        return stream

    async def call(self, body: bytes, **fields: bytes | None) -> Answer:
        """Make a call and return its response."""
        stream = self.request(body, **fields)
        await self.run()
        return self.responses[stream]

    async def run(self, *, consume: bool = True) -> None:
        """Exchange bytes until nothing more moves."""
        while await self._step(consume=consume):
            pass

    async def _step(self, *, consume: bool) -> bool:
        sent = self.flush()
        await turns()
        received = self.pipe.take()
        if received:
            self.h2.receive_data(received)
        self.note(consume=consume)
        return bool(sent or received)

    def flush(self) -> bytes:
        """Give the server what the client has to send."""
        data = self.h2.data_to_send()
        if data:
            self.give(data)
        return data

    def give(self, data: bytes) -> None:
        """Give the server bytes, unless it has closed or does not read."""
        if not self.pipe.closed and self.pipe.reading:
            self.connection.data_received(data)

    def note(self, *, consume: bool) -> None:
        """Put down what has come from the server."""
        for event in self.h2.events():
            response = self.responses.get(getattr(event, "stream_id", 0), Answer())
            match event:
                case ngh2.ResponseReceived():
                    response.headers = dict(event.headers)
                    response.ended = event.end_stream
                case ngh2.DataReceived():
                    response.body += event.data
                    if consume and self.goaway is None:
                        self.h2.acknowledge_received_data(len(event.data), event.stream_id)
                    response.ended = event.end_stream
                case ngh2.TrailersReceived():
                    response.trailers = dict(event.headers)
                    response.ended = True
                case ngh2.StreamReset():
                    response.reset = event.error_code
                case ngh2.GoAwayReceived():
                    self.goaway = (event.error_code, event.debug_data)
                case ngh2.PingAcknowledged():
                    self.pongs += 1
                case ngh2.PingReceived():
                    self.pings += 1


PSEUDO = {b"method", b"scheme", b"path", b"authority"}


def message(body: bytes, flag: int = 0) -> bytes:
    """Return a message with gRPC's prefix."""
    return bytes([flag]) + len(body).to_bytes(4, "big") + body


class Service:
    """A service whose calls do as their request says, until they are let go."""

    def __init__(self) -> None:
        self.started: list[bytes] = []
        self.cancelled: list[bytes] = []
        self.released = asyncio.Event()
        self.events: list[object] = []
        self.clock = ManualClock()
        self.error: Exception | None = None

    def shared(self, **limits: object) -> Shared:
        methods = {UNARY: Unary(self.unary, 1 << 20), STREAM: Streaming(self.stream, 1 << 12)}
        inline = Offload(large=1 << 40)
        return Shared(methods, self.clock, self.events.append, offload=inline, **limits)

    async def unary(self, body: bytes, _remaining: int | None, _fields: object) -> bytes:
        self.started.append(body)
        if self.error is not None:
            raise self.error
        if body.startswith(b"wait"):
            try:
                await self.released.wait()
            except asyncio.CancelledError:
                self.cancelled.append(body)
                raise
        if body.startswith(b"size "):
            return bytes(int(body[5:]))
        return body

    async def stream(self, messages, fields) -> None:
        while (body := await messages.receive()) is not None:
            await messages.send(await self.unary(body, None, fields))
