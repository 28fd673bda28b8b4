"""HTTP/1.1 on a connection: uvicorn's protocol within bounds, without upgrades.

A server may ignore ``Upgrade`` (RFC 9110, section 7.8), and this one supports no upgrade. The
parser, httptools, ends a message after a head with ``Upgrade``, which would lose the body. The
JDK's client and ``curl --http2`` send ``Upgrade: h2c`` by default.

uvicorn and httptools bound neither the bytes of a head and of trailers, nor the requests that
wait on a connection, nor the time that a request or the reading of its response takes. So received
bytes are parsed in small pieces, and the limits are checked after each.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from drayman.api import rest
from drayman.core.clock import Clock, Micros, Timer
from drayman.core.events import CallRefused
from drayman.core.status import Code
from drayman.edge import limits, tls
from drayman.edge.budget import Capacity, Share, Transfer
from drayman.edge.port import address_of, peer_fields

_INVALID = "Invalid HTTP request received."
_TOO_LARGE = "The header fields of the request are too large."
_EXHAUSTED = "The server has no room for more requests. Try again later."
_TOO_SLOW = "The request arrives too slowly: others need the room. Try again later."
_LATE = "The request did not arrive in time."
_FRAMING = 8
"""The framing bytes allowed for each byte of a chunked body: a chunk of one byte has five."""
_BODY_PIECE = 64 << 10
_NOTHING = memoryview(b"")
_REASONS = {
    400: "Bad Request", 431: "Request Header Fields Too Large", 503: "Service Unavailable"
}  # fmt: skip
_CODES = {400: Code.INVALID_ARGUMENT, 431: Code.INVALID_ARGUMENT, 503: Code.UNAVAILABLE}


class HttpProtocol(HttpToolsProtocol):
    """A connection that parses every request as if it had no ``Upgrade`` header.

    Args:
        config: uvicorn's configuration.
        server_state: What uvicorn's connections share.
        app_state: The state of the application.
        _loop: The event loop, by default the running one.
        clock: Bounds the time of requests and responses.
        capacity: What connections share, those of gRPC included.
    """

    def __init__(
        self,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        clock: Clock,
        capacity: Capacity,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._clock = clock
        self._connection_limit = capacity.connection_limit
        self._emit = capacity.emit
        self._turns = capacity.turns
        self._queued = False  # unparsed bytes wait for a turn of the event loop
        self._share = Share(capacity.budget)
        self._bodies: deque[int] = deque()
        """The bytes of the bodies of the requests in progress, in order."""
        self._unread = 0
        self._address: str | None = None
        self._unparsed = _NOTHING
        self._in_head = True
        self._overhead = self._fields = self._body_bytes = 0
        self._missing = 0  # bytes of a body with Content-Length
        self._exhausted = False
        self._client_fields: tuple[tuple[bytes, bytes], ...] = ()
        self._timer: Timer | None = None
        self._write_timer: Timer | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request a limited time, or refuse one connection too many."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self._may_read)
        address = address_of(transport)
        if not self._connection_limit.enter(address):
            transport.abort()
            return
        self._address = address
        self._client_fields = (*tls.client_fields(transport), *peer_fields(transport))
        self._expect(limits.HEAD_TIMEOUT)

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop what has not been parsed; stop all timers."""
        if self._address is not None:
            self._connection_limit.leave(self._address)
            self._address = None
        self._unparsed = _NOTHING
        self._share.end_transfer(self)
        self._share.end_transfer(self.flow)
        self._share.release(self._share.used)
        self._bodies.clear()
        self._unread = 0
        self._stop_timer()
        self._stop_write_timer()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        """Parse received bytes."""
        self._unset_keepalive_if_required()
        self._unparsed = memoryview(bytes(self._unparsed) + data if self._unparsed else data)
        if self._queued:
            return
        if len(data) <= limits.SMALL_READ:
            self._parse(limits.EVENTS_OF_PIECE)
        else:
            self._queued = True
            self._turns.run(self._parse)
            self._hold()

    def _may_read(self) -> bool:
        return not (self.pipeline or self._queued)

    def _hold(self) -> None:
        """Read no more while bytes that are not parsed wait for a turn."""
        if self._queued:
            self.flow.pause_reading()

    def _parse(self, limit: int) -> int:
        """Parse what has arrived, for so many events, until enough requests wait."""
        was_queued, self._queued = self._queued, False
        count = self._parse_pieces(limit)
        if count >= limit and self._unparsed:
            self._queued = True
            self._turns.wait(self._parse)
            self._hold()
        elif was_queued and (self.cycle is None or len(self.cycle.body) <= HIGH_WATER_LIMIT):
            self.flow.resume_reading()
        return count

    def _parse_pieces(self, limit: int) -> int:
        count = 0
        try:
            while (
                self._unparsed and count < limit and len(self.pipeline) < limits.PIPELINED_REQUESTS
            ):
                room = limits.METADATA_SIZE - self._overhead
                if room <= 0:
                    self._refuse(431, _TOO_LARGE)
                    break
                body = min(self._missing, _BODY_PIECE)
                parsed = self._feed(self._unparsed[: max(min(limits.PARSE_SIZE, room), body)])
                self._unparsed = self._unparsed[parsed:] or _NOTHING
                count += 1 + parsed // limits.BYTES_OF_EVENT
        except httptools.HttpParserError:
            if self._exhausted:
                self._refuse(503, _EXHAUSTED)
            elif self._fields > limits.HTTP1_FIELDS:
                self._refuse(431, _TOO_LARGE)
            else:
                self.logger.warning(_INVALID)
                self._refuse(400, _INVALID)
        return count

    def _feed(self, piece: memoryview) -> int:
        """Feed the parser; return the number of bytes that it has parsed."""
        self._body_bytes = 0
        if self._in_head:
            self._overhead += len(piece)
            if self._timer is None:
                self._expect(limits.HEAD_TIMEOUT)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            self._parse_head_again()
            return cast(int, upgrade.args[0])
        if not self._in_head:
            self._overhead = max(0, self._overhead + len(piece) - _FRAMING * self._body_bytes)
        return len(piece)

    def _parse_head_again(self) -> None:
        """Feed the present head to a new parser, without its ``Upgrade`` header."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if method == b"CONNECT":  # for llhttp an upgrade even without the header
            raise httptools.HttpParserError("CONNECT is not served")
        lines = [b"%s %s HTTP/%s" % (method, self.url, version.encode())]
        lines += [b"%s: %s" % field for field in self.headers if field[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        # As uvicorn does: data after the last request of a connection is not an error.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"\r\n".join([*lines, b"", b""]))

    def _refuse(self, status: int, message: str) -> None:
        """Answer a request that is not served, and close the connection.

        While requests before it wait for their responses, the connection ends without an answer:
        the caller would take it for the response to the first of them.
        """
        self._unparsed = _NOTHING
        self._overhead = 0
        before = len(self._bodies) if self._in_head else len(self._bodies) - 1
        if not self._in_head:
            self._emit_refused(_CODES[status], message)
        if before > 0:
            self.transport.abort()
            return
        retry = "retry-after: 1\r\n" if status == 503 else ""  # noqa: PLR2004
        self.transport.write(
            f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: text/plain; charset=utf-8\r\n"
            f"content-length: {len(message)}\r\nconnection: close\r\n{retry}\r\n{message}".encode()
        )
        self._close()

    def _emit_refused(self, code: Code, message: str) -> None:
        """Emit an event if the request whose body arrives is a call of the API."""
        name = rest.find_call(self.scope["method"], self.scope["raw_path"].decode("latin-1"))
        if name is not None:
            self._emit(CallRefused(name, code, message, self._clock.now()))

    def _close(self) -> None:
        """Close the connection; the caller has a limited time to read what is written."""
        self.transport.close()
        self._expect(limits.WRITE_TIMEOUT)

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn's returns None, asyncio accepts both
        """Answer the requests sent before the caller closed its half, then close the connection.

        A body shorter than its Content-Length reaches the application, which refuses it. A request
        whose chunked body has not ended is dropped: whether the rest was lost cannot be known.
        """
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        if cycle.more_body and not _has_length(self.headers):
            return False
        cycle.keep_alive = cycle.more_body = False
        cycle.message_event.set()
        self._stop_timer()
        return self.scheme == "http"  # the transport of TLS ends both directions

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._fields = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field, or one of the trailers."""
        self._fields += 1
        if self._fields > limits.HTTP1_FIELDS:
            raise httptools.HttpParserError(_TOO_LARGE)
        if name.startswith(b":"):  # the server's own fields, such as those of client certificates
            raise httptools.HttpParserError(_INVALID)
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the request, unless its head is parsed again without ``Upgrade``."""
        if not self.parser.should_upgrade():
            self._in_head = False
            self._overhead = 0
            self._expect(limits.REQUEST_TIMEOUT)
            self._bodies.append(0)
            self.headers.extend(self._client_fields)
            self._missing = _content_length(self.headers)
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._body_bytes += len(body)
        self._missing = max(0, self._missing - len(body))
        if self.cycle.response_complete:
            return
        if not self._take(len(body)):
            self._exhausted = True
            raise httptools.HttpParserError(_EXHAUSTED)
        self._bodies[-1] += len(body)
        super().on_body(body)

    def _take(self, size: int) -> bool:
        """Take bytes for the body that arrives, if there is room."""
        if self._bodies[-1] + size <= limits.SMALL_CALL:
            return self._share.take(size)
        now = self._clock.now()
        taken = self._share.take_large(size, self, now)
        if taken:
            self._share.begin_transfer(self, Transfer(now, self._end_request))
        return taken

    def _end_request(self) -> None:
        """End a request that arrives too slowly."""
        self._share.release(self._bodies[-1])
        self._bodies[-1] = 0
        self._refuse(503, _TOO_SLOW)

    def on_message_complete(self) -> None:
        """End the body, unless it follows a head with ``Upgrade``."""
        if not self.parser.should_upgrade():
            self._in_head = True
            self._overhead = self._missing = 0
            self._stop_timer()
            self._share.end_transfer(self)
            super().on_message_complete()
        else:
            self._fields = 0

    def on_response_complete(self) -> None:
        """Continue with the requests that wait, and with the bytes that wait behind them."""
        if self._address is None:  # the connection is lost
            return
        self._share.release(self._bodies.popleft())
        if not self._bodies:  # perhaps before the body has arrived
            self._share.end_transfer(self)
        super().on_response_complete()
        if self.transport.is_closing():
            self._expect(limits.WRITE_TIMEOUT)
            return
        if self._unparsed and not self._queued:
            self._unset_keepalive_if_required()
            self._queued = True
            self._turns.run(self._parse)
            self._hold()
        self.flow.resume_reading()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection."""
        if not self.transport.is_closing():
            self._close()

    def pause_writing(self) -> None:
        """Give the caller a limited time to read more of the response, if there is room for it."""
        super().pause_writing()
        unread, now = self.transport.get_write_buffer_size(), self._clock.now()
        if self._share.take_large(unread, self.flow, now):
            self._unread = unread
            self._share.begin_transfer(self.flow, Transfer(now, self._end_response))
            self._watch_writing()
        else:
            self.transport.abort()

    def resume_writing(self) -> None:
        """Continue to write."""
        self._release_unread()
        self._stop_write_timer()
        super().resume_writing()

    def _release_unread(self) -> None:
        self._share.end_transfer(self.flow)
        self._share.release(self._unread)
        self._unread = 0

    def _end_response(self) -> None:
        """End a connection whose response is read too slowly."""
        self._release_unread()
        self.transport.abort()

    def _watch_writing(self) -> None:
        unwritten = self.transport.get_write_buffer_size()
        until = self._clock.now() + limits.WRITE_TIMEOUT
        self._write_timer = self._clock.call_at(until, lambda: self._check_writing(unwritten))

    def _check_writing(self, before: int) -> None:
        if self.transport.get_write_buffer_size() >= before:
            self.transport.abort()
        else:
            self._watch_writing()

    def _expect(self, within: Micros) -> None:
        """Abort the connection unless what is expected happens in time."""
        self._stop_timer()
        self._timer = self._clock.call_at(self._clock.now() + within, self._time_out)

    def _time_out(self) -> None:
        self._timer = None
        if self.flow.read_paused and not self.transport.is_closing():
            self._expect(
                limits.REQUEST_TIMEOUT
            )  # the server does not read: what is missing may be there
        else:
            if not (self._in_head or self.transport.is_closing()):
                self._emit_refused(Code.DEADLINE_EXCEEDED, _LATE)
            self.transport.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


class _Flow(FlowControl):
    """Flow control that reads nothing while requests, or bytes that are not parsed, wait.

    uvicorn resumes reading whenever a request asks for its body, and after each response; a caller
    could have any number of requests wait.
    """

    def __init__(self, transport: asyncio.Transport, may_read: Callable[[], bool]) -> None:
        super().__init__(transport)
        self._may_read = may_read

    def resume_reading(self) -> None:
        if self._may_read():
            super().resume_reading()


def _content_length(headers: Sequence[tuple[bytes, bytes]]) -> int:
    return next((int(value) for name, value in headers if name == b"content-length"), 0)


def _has_length(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    return any(name == b"content-length" for name, _ in headers)
