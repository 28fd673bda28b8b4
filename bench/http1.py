"""REST calls over one HTTP/1.1 connection, one at a time."""

import asyncio
import time

import httptools

from bench.meter import Meter


class RestConnection(asyncio.Protocol):
    """One connection of a load; also the callbacks of its parser."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""

    @staticmethod
    def render(path: str, port: int, body: bytes) -> bytes:
        """Return a whole request."""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def start(self, _path: str, _port: int, _width: int) -> None:
        """Start a call."""
        self._start_call()

    def data_received(self, data: bytes) -> None:
        """Parse answers."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._meter.fail(f"not HTTP/1.1: {error}")

    def connection_lost(self, error: Exception | None) -> None:
        """Fail the load, unless it is done."""
        self._meter.fail(f"connection lost: {error}")

    def on_body(self, body: bytes) -> None:
        """Keep the body for the message of a failed call."""
        self._body = body

    def on_message_complete(self) -> None:
        """Start the next call."""
        self._meter.times.append(time.perf_counter() - self._started)
        status = self._parser.get_status_code()
        if status == 200:
            self._start_call()
        else:
            self._meter.fail(f"status {status}: {self._body.decode(errors='replace')[:200]}")

    def _start_call(self) -> None:
        request = self._meter.take()
        if request is not None:
            self._started = time.perf_counter()
            self._transport.write(request)
