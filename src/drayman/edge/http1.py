"""HTTP/1.1 on a connection: requests are parsed within bounds, and answered in their order.

The parser, httptools, bounds neither the bytes of a head and of trailers nor the requests that wait
on a connection. So received bytes are parsed in small pieces, and the limits are checked after
each. A request is handed to the application when it has arrived; its head alone may refuse it.

A server may ignore ``Upgrade`` (RFC 9110, section 7.8), and this one supports no upgrade. The
parser ends a message after a head with ``Upgrade``, which would lose the body. The JDK's client and
``curl --http2`` send ``Upgrade: h2c`` by default.
"""

import asyncio
import email.utils
import functools
import http
from collections import deque
from typing import Protocol, cast

import httptools
from httptools.parser.url_parser import URL

from drayman.api import request_body, rest
from drayman.api.calls import InternalError
from drayman.api.request import Request
from drayman.api.responses import Response, error_response
from drayman.core import errors
from drayman.core.clock import SECOND, Clock, Micros, Timer
from drayman.core.events import CallCrashed, CallRefused
from drayman.core.status import Code
from drayman.edge import limits, tls
from drayman.edge.budget import Capacity, Share, Transfer
from drayman.edge.port import address_of, peer_fields

_INVALID = "Invalid HTTP request received."
_TOO_LARGE = "The header fields of the request are too large."
_EXHAUSTED = "The server has no room for more requests. Try again later."
_TOO_SLOW = "The request arrives too slowly: others need the room. Try again later."
_LATE = "The request did not arrive in time."
_CRASHED = "Internal error; the server's log has the details."
_NO_HOST = "The request has no Host header field, which HTTP/1.1 requires."
_HOSTS = "The request has more than one Host header field."
_TEXT = b"text/plain; charset=utf-8"
_LENGTH, _CONTINUE = b"content-length", b"100-continue"
_FRAMING = 8
"""The framing bytes allowed for each byte of a chunked body: a chunk of one byte has five."""
_BODY_PIECE = 64 << 10
_SMALL_PART = 512
"""A part of a body with fewer bytes is joined to others: each object costs 40 bytes more."""
_WORK_OF_PART, _WORK_OF_REQUEST = 2, 8
"""The work of a part of a body, and of a request besides its fields and body: a field is 1."""
_NOTHING = memoryview(b"")
_CODES = {400: Code.INVALID_ARGUMENT, 431: Code.INVALID_ARGUMENT, 503: Code.UNAVAILABLE}
_STATUS_LINES = {
    int(status): f"HTTP/1.1 {int(status)} {status.phrase}\r\n".encode()
    for status in http.HTTPStatus
}


class App(Protocol):
    """What answers requests."""

    def refuse(self, request: Request) -> Response | None:
        """Return the response to a request that its head rules out, None for one to be answered."""

    def body_limit(self, request: Request) -> int:
        """Return the most bytes that the body of a request may have."""

    async def answer(self, request: Request) -> Response:
        """Return the response to a request that has arrived."""


class Connections:
    """The open connections of a server."""

    def __init__(self) -> None:
        self.open: set[HttpProtocol] = set()
        self.closed = asyncio.Event()

    def leave(self, connection: "HttpProtocol") -> None:
        """Forget a connection that has closed, and whose last request is answered."""
        self.open.discard(connection)
        if not self.open:
            self.closed.set()


class _Exchange:
    """A request and its response.

    Attributes:
        request: The request; its body is complete when all has arrived.
        limit: The most bytes of the body.
        parts: The parts of the body that have arrived.
        size: Their bytes, which count against the connection's share.
        complete: Whether the request has arrived.
        continues: Whether the caller waits, as far as known, for 100 Continue before the body.
        keep_alive: Whether the connection stays open after the response.
        response: The response, None until there is one.
    """

    __slots__ = (
        "complete", "continues", "keep_alive", "limit", "parts", "request", "response", "size",
    )  # fmt: skip

    def __init__(self, request: Request, *, keep_alive: bool) -> None:
        self.request = request
        self.limit = 0
        self.parts: list[bytes | bytearray] = []
        self.size = 0
        self.complete = False
        self.continues = False
        self.keep_alive = keep_alive
        self.response: Response | None = None

    def append(self, part: bytes) -> None:
        """Append a part of the body. The memory of small ones follows their size."""
        self.size += len(part)
        if not self.parts or len(part) >= _SMALL_PART:
            self.parts.append(part)
        elif isinstance(last := self.parts[-1], bytearray):
            last += part
        else:
            self.parts.append(bytearray(part))


class HttpProtocol(asyncio.Protocol):
    """A connection.

    Args:
        app: Answers its requests.
        connections: The connections of the server.
        clock: Bounds the time of requests and responses, and dates responses.
        capacity: What connections share, those of gRPC included.
    """

    def __init__(
        self, app: App, connections: Connections, *, clock: Clock, capacity: Capacity
    ) -> None:
        self._app = app
        self._connections = connections
        self._clock = clock
        self._connection_limit = capacity.connection_limit
        self._emit = capacity.emit
        self._turns = capacity.turns
        self._loop = asyncio.get_running_loop()
        self._share = Share(capacity.budget)
        self._response_key = object()  # of the transfer of responses; that of a request is ``self``
        self._transport: asyncio.Transport
        self._address: str | None = None  # None for a connection that is not or no longer open
        self._client_fields: tuple[tuple[bytes, bytes], ...] = ()
        self._parser = self._new_parser()
        self._parsing = False
        self._unparsed = _NOTHING
        self._queued = False  # unparsed bytes wait for a turn of the event loop
        self._ended = False  # no request follows those that have arrived
        self._refused = False  # the last response is a refusal: what still arrives is dropped
        self._discards = False  # all is written, and what still arrives is of no interest
        self._discarded = 0
        self._in_head = True
        self._overhead = self._field_count = self._body_bytes = self._work = 0
        self._missing = 0  # bytes of a body with Content-Length
        self._exhausted = False
        self._url = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._exchanges: deque[_Exchange] = deque()  # without response, in their order
        self._receiving: _Exchange | None = None  # the one whose body arrives
        self._task: asyncio.Task[None] | None = None  # answers the first
        self._reading_paused = self._writing_paused = False
        self._unread = 0
        self._deadline: Micros | None = None
        self._idle = False  # nothing but the next request is awaited
        self._timer: Timer | None = None
        self._timer_due: Micros = 0
        self._write_timer: Timer | None = None

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # Data after the last request of a connection is not an error: it is not answered.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    # The connection.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request a limited time, or refuse one connection too many."""
        self._transport = cast("asyncio.Transport", transport)
        address = address_of(transport)
        if not self._connection_limit.enter(address):
            self._transport.abort()
            return
        self._address = address
        self._connections.open.add(self)
        self._client_fields = (*tls.client_fields(transport), *peer_fields(transport))
        self._expect(limits.HEAD_TIMEOUT)

    def connection_lost(self, _error: Exception | None) -> None:
        """Drop what has not been parsed and what waits; stop all timers."""
        if self._address is not None:
            self._connection_limit.leave(self._address)
            self._address = None
        self._unparsed = _NOTHING
        self._share.end_transfer(self)
        self._share.end_transfer(self._response_key)
        self._share.release(self._share.used)
        self._exchanges.clear()
        self._unread = 0
        for timer in (self._timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._write_timer = self._deadline = None
        del self._parser  # it refers to the connection
        if self._task is None:
            self._connections.leave(self)

    def shutdown(self) -> None:
        """Close the connection when the requests that have arrived are answered."""
        self._ended = True
        if self._discards or not self._exchanges:
            self._transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()
        if self._task is not None:
            self._task.cancel()

    @property
    def _is_open(self) -> bool:
        return not (self._address is None or self._discards or self._transport.is_closing())

    def _close(self) -> None:
        """Close the connection; the caller has a limited time to read what is written."""
        self._transport.close()
        self._idle = False
        self._expect(limits.WRITE_TIMEOUT)

    def _close_and_discard(self) -> None:
        """Write no more, and discard what arrives until the caller closes, within bounds.

        A connection that is closed before all is read is reset. The caller would fail to send, and
        may never read the response (RFC 9112, section 9.6). Nothing is left to discard if it has
        closed its half; a server that stops does not wait.
        """
        if self._ended:
            self._close()
            return
        self._discards = True
        self._idle = False
        if not self._parsing:
            self._drop_requests()
        if self._transport.can_write_eof():  # not over TLS, where the response alone says it
            self._transport.write_eof()
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()
        self._expect(limits.DISCARD_TIMEOUT)

    def _drop_requests(self) -> None:
        """Release what has arrived and will not be answered."""
        self._unparsed = _NOTHING
        self._share.end_transfer(self)
        for exchange in self._exchanges:
            self._share.release(exchange.size)
        self._exchanges.clear()
        self._receiving = None

    def _discard(self, size: int) -> None:
        """Count received bytes; receive more when it is this connection's turn."""
        self._discarded += size
        if self._discarded > limits.DISCARDED_BYTES:
            self._transport.abort()
        elif size > limits.SMALL_READ:
            self._transport.pause_reading()
            self._turns.wait(functools.partial(self._receive_more, size))

    def _receive_more(self, size: int, _limit: int) -> int:
        if self._address is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        return 1 + size // limits.BYTES_OF_EVENT

    # What is received.

    def data_received(self, data: bytes) -> None:
        """Parse received bytes."""
        if self._discards:
            self._discard(len(data))
        if self._refused or not self._is_open:
            return
        self._stop_idling()
        self._unparsed = memoryview(bytes(self._unparsed) + data if self._unparsed else data)
        if self._queued:
            return
        if len(data) <= limits.SMALL_READ:
            self._parse(limits.EVENTS_OF_PIECE)
        else:
            self._parse_in_turn()

    def eof_received(self) -> bool:
        """Answer the requests sent before the caller closed its half, then close the connection.

        A request whose body is shorter than its Content-Length is refused. One whose chunked body
        has not ended is dropped: whether the rest was lost cannot be known.
        """
        self._ended = True
        if self._discards:
            return False
        cut = self._receiving
        if not self._exchanges or (cut is not None and _LENGTH not in cut.request.fields):
            return False
        if cut is not None:
            self._deadline = None
            if cut.response is None:
                length = int(cut.request.fields[_LENGTH])
                cut.response = error_response(request_body.TruncatedBody(cut.size, length))
            self._advance()
        return self._transport.get_extra_info("sslcontext") is None  # TLS ends both directions

    def _parse_in_turn(self) -> None:
        """Parse in this turn of the event loop if it has credit; read nothing until it is done."""
        self._queued = True
        self._turns.run(self._parse)
        self._update_reading()

    def _parse(self, limit: int) -> int:
        """Parse what has arrived, for so many events, until enough requests wait."""
        self._queued = False
        count = self._parse_pieces(limit)
        if count >= limit and self._unparsed:
            self._queued = True
            self._turns.wait(self._parse)
        self._update_reading()
        self._check_idle()
        return count

    def _update_reading(self) -> None:
        """Read nothing while requests, a refusal, or bytes that are not parsed wait."""
        paused = self._queued or self._refused or len(self._exchanges) > 1
        if paused == self._reading_paused or not self._is_open:
            return
        self._reading_paused = paused
        if paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _parse_pieces(self, limit: int) -> int:
        count, self._parsing = 0, True
        try:
            while (
                self._unparsed
                and count < limit
                and len(self._exchanges) <= limits.PIPELINED_REQUESTS
                and self._is_open
            ):
                room = limits.METADATA_SIZE - self._overhead
                if room <= 0:
                    self._refuse(431, _TOO_LARGE)
                    break
                body = min(self._missing, _BODY_PIECE)
                parsed = self._feed(self._unparsed[: max(min(limits.PARSE_SIZE, room), body)])
                self._unparsed = self._unparsed[parsed:] or _NOTHING
                count += 1 + parsed // limits.BYTES_OF_EVENT
                count += max(0, self._work - limits.WORK_OF_PIECE) // limits.WORK_OF_EVENT
        except httptools.HttpParserError:
            if self._exhausted:
                self._refuse(503, _EXHAUSTED)
            elif self._field_count > limits.HTTP1_FIELDS:
                self._refuse(431, _TOO_LARGE)
            else:
                self._refuse(400, _INVALID)
        finally:
            self._parsing = False
        if self._discards:
            self._drop_requests()
        return count

    def _feed(self, piece: memoryview) -> int:
        """Feed the parser; return the number of bytes that it has parsed."""
        self._body_bytes = self._work = 0
        parsed = len(piece)
        if self._in_head:
            self._overhead += parsed
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            self._parse_head_again()
            parsed = cast(int, upgrade.args[0])
        else:
            if not self._in_head:
                self._overhead = max(0, self._overhead + parsed - _FRAMING * self._body_bytes)
        if self._deadline is None and (self._overhead or self._receiving):
            self._expect(limits.HEAD_TIMEOUT if self._in_head else limits.REQUEST_TIMEOUT)
        return parsed

    def _parse_head_again(self) -> None:
        """Feed the present head to a new parser, without its ``Upgrade`` header."""
        method, version = self._parser.get_method(), self._parser.get_http_version()
        if method == b"CONNECT":  # for llhttp an upgrade even without the header
            raise httptools.HttpParserError("CONNECT is not served")
        self._work += _WORK_OF_REQUEST + self._field_count
        lines = [b"%s %s HTTP/%s" % (method, self._url, version.encode())]
        lines += [b"%s: %s" % field for field in self._fields if field[0] != b"upgrade"]
        self._parser = self._new_parser()
        self._parser.feed_data(b"\r\n".join([*lines, b"", b""]))

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._field_count = 0
        self._url = b""
        self._fields = []

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field, or one of the trailers."""
        self._field_count += 1
        if self._field_count > limits.HTTP1_FIELDS:
            raise httptools.HttpParserError(_TOO_LARGE)
        if name.startswith(b":"):  # the server's own fields, such as those of client certificates
            raise httptools.HttpParserError(_INVALID)
        if self._in_head:
            self._fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Begin the request, unless its head is parsed again without ``Upgrade``."""
        parser = self._parser
        if parser.should_upgrade():
            return
        self._in_head = False
        self._overhead = 0
        self._stop_waiting()
        target = httptools.parse_url(self._url)
        fields = dict(self._fields)
        current = parser.get_http_version() != "1.0"
        host_error = _check_host(self._fields, fields, required=current)
        if target.host:
            fields[b"host"] = _authority(target)
        fields.update(self._client_fields)
        request = Request(
            method=parser.get_method().decode(),
            path=(target.path or b"/").decode("ascii"),
            query=(target.query or b"").decode("latin-1"),
            fields=fields,
        )
        exchange = _Exchange(request, keep_alive=current and parser.should_keep_alive())
        exchange.continues = current and request.fields.get(b"expect", b"").lower() == _CONTINUE
        exchange.limit = self._app.body_limit(request)
        exchange.response = host_error or self._app.refuse(request)
        self._missing = int(request.fields.get(_LENGTH, b"0"))
        self._receiving = exchange
        self._exchanges.append(exchange)
        if self._missing > exchange.limit and exchange.response is None:
            exchange.response = _too_large(exchange)
        if exchange.response or exchange.continues:
            self._advance()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        size, exchange = len(body), cast(_Exchange, self._receiving)
        self._body_bytes += size
        self._work += _WORK_OF_PART
        self._missing = max(0, self._missing - size)
        exchange.continues = False
        if exchange.response is not None:
            return
        if exchange.size + size > exchange.limit:
            exchange.response = _too_large(exchange)
            self._advance()
            return
        if not self._take(exchange, size):
            self._exhausted = True
            raise httptools.HttpParserError(_EXHAUSTED)
        exchange.append(body)

    def on_message_complete(self) -> None:
        """End the request, unless it is a head with ``Upgrade``."""
        exchange = self._receiving
        if exchange is None or self._parser.should_upgrade():
            return
        self._work += _WORK_OF_REQUEST + self._field_count
        self._field_count = 0
        self._in_head = True
        self._overhead = self._missing = 0
        self._receiving = None
        self._stop_waiting()
        if exchange.size > limits.SMALL_CALL:
            self._share.end_transfer(self)
        exchange.request.content = b"".join(exchange.parts)
        exchange.parts.clear()
        exchange.complete = True
        self._advance()

    def _take(self, exchange: _Exchange, size: int) -> bool:
        """Take bytes for the body that arrives, if there is room."""
        if exchange.size + size <= limits.SMALL_CALL:
            return self._share.take(size)
        now = self._clock.now()
        taken = self._share.take_large(size, self, now)
        if taken:
            self._share.begin_transfer(self, Transfer(now, self._end_request))
        return taken

    def _end_request(self) -> None:
        """End a request that arrives too slowly."""
        self._refuse(503, _TOO_SLOW)
        self._update_reading()

    # Responses.

    def _advance(self) -> None:
        """Send the responses that are ready, and begin the next request that has arrived."""
        while self._exchanges and self._is_open and not self._writing_paused:
            exchange = self._exchanges[0]
            if exchange.response is not None:
                self._respond(exchange, exchange.response)
            elif exchange.complete:
                if self._task is None:
                    self._task = self._loop.create_task(self._answer(exchange))
                return
            else:
                if exchange.continues:
                    exchange.continues = False
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return

    async def _answer(self, exchange: _Exchange) -> None:
        request = exchange.request
        try:
            exchange.response = await self._app.answer(request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a status
            self._emit(CallCrashed(f"{request.method} {request.path}", error, self._clock.now()))
            exchange.response = error_response(InternalError(_CRASHED))
        finally:
            self._task = None
            if self._address is None:
                self._connections.leave(self)
        self._advance()

    def _respond(self, exchange: _Exchange, response: Response) -> None:
        """Send the first response; continue with the bytes that wait behind its request."""
        self._exchanges.popleft()
        self._release(exchange)
        if exchange is self._receiving:  # the response comes before the end of the request
            self._share.end_transfer(self)
        last = self._ended and not self._exchanges and not self._unparsed
        # A caller that has waited may send the body or not: what follows would be ambiguous.
        unsure = exchange.continues and exchange is self._receiving
        close = response.close or last or unsure or not exchange.keep_alive
        date = _date(self._clock.now() // SECOND)
        body = b"" if exchange.request.method == "HEAD" else response.body
        head = _head(response, date, close=close)
        if len(body) <= limits.SMALL_CALL:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        if close and (exchange is self._receiving or self._unparsed or self._refused):
            self._close_and_discard()
        elif close:
            self._close()
        elif self._unparsed and not (self._queued or self._parsing):
            self._parse_in_turn()
        elif not self._parsing:
            self._update_reading()
            self._check_idle()

    def _refuse(self, status: int, message: str) -> None:
        """Refuse what cannot be parsed or held, after the responses to the requests before it.

        Then the connection is closed (RFC 9112, section 9.3.2). What was received and not answered
        is released at once.
        """
        refused, self._receiving = self._receiving, None
        self._unparsed = _NOTHING
        self._overhead = 0
        self._refused = True
        self._stop_waiting()
        self._share.end_transfer(self)
        if refused is None:
            refused = _Exchange(Request("", "", "", {}), keep_alive=False)
            self._exchanges.append(refused)
        elif refused.response is None:
            self._emit_refused(refused.request, _CODES[status], message)
        self._release(refused)
        refused.keep_alive = False
        if refused.response is None:
            refused.response = _refusal(status, message)
        if self._exchanges:
            self._advance()
        else:  # it has had its response
            self._close_and_discard()

    def _release(self, exchange: _Exchange) -> None:
        """Release the body of a request."""
        self._share.release(exchange.size)
        exchange.size = 0
        exchange.parts.clear()

    def _emit_refused(self, request: Request, code: Code, message: str) -> None:
        """Emit an event if the request whose body arrives is a call of the API."""
        name = rest.find_call(request.method, request.path)
        if name is not None:
            self._emit(CallRefused(name, code, message, self._clock.now()))

    # Flow control of what is written.

    def pause_writing(self) -> None:
        """Give the caller a limited time to read more of the response, if there is room for it."""
        self._writing_paused = True
        unread, now = self._transport.get_write_buffer_size(), self._clock.now()
        if self._share.take_large(unread, self._response_key, now):
            self._unread = unread
            self._share.begin_transfer(self._response_key, Transfer(now, self._end_response))
            self._watch_writing()
        else:
            self._transport.abort()

    def resume_writing(self) -> None:
        """Continue to write."""
        self._writing_paused = False
        self._release_unread()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        self._advance()

    def _release_unread(self) -> None:
        self._share.end_transfer(self._response_key)
        self._share.release(self._unread)
        self._unread = 0

    def _end_response(self) -> None:
        """End a connection whose response is read too slowly."""
        self._release_unread()
        self._transport.abort()

    def _watch_writing(self) -> None:
        unwritten = self._transport.get_write_buffer_size()
        until = self._clock.now() + limits.WRITE_TIMEOUT
        self._write_timer = self._clock.call_at(until, lambda: self._check_writing(unwritten))

    def _check_writing(self, before: int) -> None:
        if self._transport.get_write_buffer_size() >= before:
            self._transport.abort()
        else:
            self._watch_writing()

    # Timeouts.

    def _expect(self, within: Micros) -> None:
        """Abort the connection unless what is expected happens in time.

        A deadline that is no longer needed leaves its timer running, which is cheaper than a timer
        for each request.
        """
        self._deadline = self._clock.now() + within
        if self._timer is None or self._deadline < self._timer_due:
            self._start_timer(self._deadline)

    def _start_timer(self, due: Micros) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = due
        self._timer = self._clock.call_at(due, self._check_deadline)

    def _check_deadline(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if self._clock.now() < self._deadline:
            self._start_timer(self._deadline)
        else:
            self._deadline = None
            self._time_out()

    def _time_out(self) -> None:
        if self._idle and self._is_open:
            self._close()
        elif self._reading_paused and self._is_open:
            self._expect(limits.REQUEST_TIMEOUT)  # what is missing may be there, but is not read
        elif self._discards and self._writing_paused:
            self._expect(limits.DISCARD_TIMEOUT)  # the caller still reads a large response
        else:
            if self._receiving is not None and self._is_open:
                self._emit_refused(self._receiving.request, Code.DEADLINE_EXCEEDED, _LATE)
            self._transport.abort()

    def _check_idle(self) -> None:
        """Wait a limited time for the next request, if nothing else is awaited."""
        if self._deadline is None and not (self._exchanges or self._queued) and self._is_open:
            self._idle = True
            self._expect(limits.KEEP_ALIVE_TIMEOUT)

    def _stop_idling(self) -> None:
        if self._idle:
            self._idle = False
            self._deadline = None

    def _stop_waiting(self) -> None:
        """Note that what was expected has arrived."""
        if self._is_open:
            self._deadline = None


def _check_host(
    lines: list[tuple[bytes, bytes]], fields: dict[bytes, bytes], *, required: bool
) -> Response | None:
    """Return the response to a head without ``Host`` or with several (RFC 9112, section 3.2)."""
    if b"host" not in fields:
        return error_response(errors.InvalidArgument(_NO_HOST)) if required else None
    if len(fields) < len(lines) and [name for name, _ in lines].count(b"host") > 1:
        return error_response(errors.InvalidArgument(_HOSTS))
    return None


def _authority(target: URL) -> bytes:
    """Return the host and port of a target in absolute form: they replace ``Host`` (3.2.2)."""
    host = b"[%s]" % target.host if b":" in target.host else target.host
    return b"%s:%d" % (host, target.port) if target.port else host


def _too_large(exchange: _Exchange) -> Response:
    return error_response(request_body.too_large(exchange.limit))


def _refusal(status: int, message: str) -> Response:
    retry_after = b"1" if status == 503 else b""  # noqa: PLR2004
    return Response(status, message.encode(), retry_after=retry_after, content_type=_TEXT)


def _head(response: Response, date: bytes, *, close: bool) -> bytes:
    return b"%sdate: %s\r\n%scontent-length: %d\r\n%s\r\n" % (
        _STATUS_LINES[response.status],
        date,
        response.head,
        len(response.body),
        b"connection: close\r\n" if close else b"",
    )


@functools.lru_cache(maxsize=4)
def _date(seconds: int) -> bytes:
    """Return a time in the form of the header field ``Date``."""
    return email.utils.formatdate(seconds, usegmt=True).encode()
