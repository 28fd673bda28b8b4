"""Unary gRPC calls over one HTTP/2 connection."""

import asyncio
import time

import ngh2

from bench.meter import Meter

WINDOW = 1 << 24
"""Bytes that the server may send before it waits for us."""
OK = (b"grpc-status", b"0")


class GrpcConnection(asyncio.Protocol):
    """One connection of a load."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._started: dict[int, float] = {}
        self._http2 = ngh2.Connection(ngh2.Role.CLIENT)
        self._http2.initiate_connection(
            {ngh2.Setting.INITIAL_WINDOW_SIZE: WINDOW, ngh2.Setting.ENABLE_PUSH: 0}
        )
        self._http2.set_local_window_size(WINDOW)

    @staticmethod
    def render(_path: str, _port: int, body: bytes) -> bytes:
        """Return a message with its gRPC prefix: not compressed, and its length."""
        return b"\0" + len(body).to_bytes(4, "big") + body

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def start(self, path: str, port: int, width: int) -> None:
        """Start some calls."""
        self._headers = (
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", path.encode()),
            (b":authority", f"127.0.0.1:{port}".encode()),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            (b"user-agent", b"drayman-bench"),
        )
        for _ in range(width):
            self._start_call()
        self._transport.write(self._http2.data_to_send())

    def data_received(self, data: bytes) -> None:
        """Start a new call for each one that was answered; write all of them at once."""
        try:
            self._http2.receive_data(data)
        except ngh2.NGH2Error as error:
            self._meter.fail(f"not HTTP/2: {error}")
            return
        for event in self._http2.events():
            kind = type(event)
            if kind is ngh2.TrailersReceived or (
                kind is ngh2.ResponseReceived and event.end_stream
            ):
                self._finish_call(event)
            elif kind is ngh2.StreamReset or kind is ngh2.ConnectionClosed:
                self._meter.fail(f"the server ended a call: {event}")
        out = self._http2.data_to_send()
        if out:
            self._transport.write(out)

    def connection_lost(self, error: Exception | None) -> None:
        """Fail the load, unless it is done."""
        self._meter.fail(f"connection lost: {error}")

    def _start_call(self) -> None:
        message = self._meter.take()
        if message is None:
            return
        stream = self._http2.send_request(self._headers)
        self._http2.send_data(stream, message, end_stream=True)
        self._started[stream] = time.perf_counter()

    def _finish_call(self, event: ngh2.TrailersReceived | ngh2.ResponseReceived) -> None:
        self._meter.times.append(time.perf_counter() - self._started.pop(event.stream_id))
        if OK in event.headers:
            self._start_call()
        else:
            self._meter.fail(describe(event.headers))


def describe(headers: tuple[tuple[bytes, bytes], ...]) -> str:
    """Return the status and the message of a failed call."""
    fields = {name.decode(): value.decode() for name, value in headers}
    return f"status {fields.get('grpc-status')}: {fields.get('grpc-message', '')}"
