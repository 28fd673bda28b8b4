"""A response from bytes: parsed by llhttp, within bounds, whatever the pieces it arrives in.

The reader accepts what common clients accept: bare line feeds, odd bytes in header values. A
response ends where HTTP says so, or with the bound of its body; bytes beyond it are noticed, so
that the connection is not used again.
"""

import functools
import re

import httptools

from drayman.core.clock import SECOND, Micros
from drayman.core.delivery import MAX_RESPONSE_SIZE, RECORDED_BODY_SIZE, NoResponse, Response
from drayman.core.retry_hint import RETRY_HEADERS
from drayman.dispatch.http import failures

MAX_HEAD_SIZE = 64 * 1024
"""The most bytes of the head of a response, with those of its interim responses."""
MAX_HEAD_FIELDS = 1_000
"""The most fields in the head and the trailers of a response."""
MAX_INTERIM_RESPONSES = 16
"""The most interim responses (1xx) before the final one."""
MAX_RECEIVED_SIZE = 4 * MAX_RESPONSE_SIZE
"""The most bytes received of a response: heads, chunk extensions and trailers included."""
PARSE_SIZE = 8 * 1024
"""The most bytes that are parsed between two checks of the bounds."""

_RETURNED = {name.encode(): name for name in ("location", *RETRY_HEADERS)}
_FIELDS = {b"content-length", b"transfer-encoding", b"keep-alive", *_RETURNED}
"""The fields of a head that matter; llhttp takes care of the rest."""
_SWITCHING_PROTOCOLS = 101
_IDLE_TIMEOUT = re.compile(rb'(?:^|[,;\s])timeout\s*=\s*"?([0-9]{1,6})', re.IGNORECASE)


class ResponseReader:
    """Reads the responses of one connection, one after the other.

    ``begin``, then ``feed`` or ``end`` until one of them returns a result. ``close`` must be
    called at last: reader and parser refer to each other.

    Attributes:
        reusable: Whether the connection may carry another request after this result.
        idle_timeout: How long the peer keeps the connection idle, None if it is unknown.
    """

    def __init__(self) -> None:
        self._parser = _new_parser(self)
        self.reusable = False
        self.idle_timeout: Micros | None = None

    def begin(self, method: str) -> None:
        """Expect the response to a request of a method."""
        self._is_head = method == "HEAD"
        self._result: Response | NoResponse | None = None
        self._received = self._interim = self._fields = self._body_size = 0
        self._status: int | None = None
        self._headers: dict[str, str] = {}
        self._body = b""
        self._has_length = self._is_encoded = self._is_chunked = False
        self.reusable = False
        self.idle_timeout = None

    def feed(self, data: bytes) -> Response | NoResponse | None:
        """Parse what has been received; return the result once there is one."""
        position = 0
        while self._result is None and position < len(data):
            room = (MAX_HEAD_SIZE if self._status is None else MAX_RECEIVED_SIZE) - self._received
            if room <= 0:
                return self._fail_at_bound()
            piece = data[position : position + min(PARSE_SIZE, room)]
            position += len(piece)
            self._received += len(piece)
            self._parse(piece)
        if position < len(data):
            self.reusable = False
        return self._result

    def end(self, error: Exception | None) -> Response | NoResponse:
        """Return the result of a connection that was closed, or lost by an error."""
        if self._status is None:
            return failures.exchanging(error) if error else failures.failure(failures.CLOSED)
        if error is None and self._ends_with_connection():
            return Response(self._status, self._headers, self._body)
        return failures.failure(failures.INCOMPLETE)

    def close(self) -> None:
        """Drop the parser."""
        del self._parser

    def _ends_with_connection(self) -> bool:
        """Return whether the body ends with the connection (RFC 9112, section 6.3)."""
        return not self._is_chunked if self._is_encoded else not self._has_length

    def _fail_at_bound(self) -> NoResponse:
        if self._status is None:
            return self._fail(failures.NOT_HTTP, f"Too large a head (over {MAX_HEAD_SIZE} bytes)")
        return self._fail(failures.ENDLESS)

    def _parse(self, piece: bytes) -> None:
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade:  # what follows a 101 is another protocol
            self.reusable = False
        except httptools.HttpParserError as error:
            self.reusable = False
            if self._result is None:
                self._fail(failures.NOT_HTTP, str(error))

    def _fail(self, text: str, reason: str = "") -> NoResponse:
        self.reusable = False
        result = self._result = failures.failure(text, reason)
        return result

    def _complete(self, status: int, *, reusable: bool) -> None:
        self._result = Response(status, self._headers, self._body)
        self.reusable = reusable and self.idle_timeout != 0

    # Callbacks of the parser. One that raised would leave a cycle of frames.

    def on_message_begin(self) -> None:
        """Notice a response that nobody asked for."""
        if self._result is not None:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of a head, or of trailers, which are only counted."""
        self._fields += 1
        if self._fields > MAX_HEAD_FIELDS and self._result is None:
            self._fail(failures.NOT_HTTP, f"Too many headers (over {MAX_HEAD_FIELDS})")
        name = name.lower()
        if name not in _FIELDS or self._status is not None or self._result is not None:
            return
        if name == b"content-length":
            self._has_length = True
        elif name == b"transfer-encoding":
            self._is_encoded = True
            self._is_chunked = value.lower().rpartition(b",")[2].strip() == b"chunked"
        elif name == b"keep-alive":
            self.idle_timeout = _parse_idle_timeout(value)
        else:
            self._headers.setdefault(_RETURNED[name], value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """Take the status; skip an interim response."""
        if self._result is not None:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != _SWITCHING_PROTOCOLS:  # noqa: PLR2004 - the 1xx range
            self._skip_interim()
            return
        self._status = status
        if status == _SWITCHING_PROTOCOLS:
            self._complete(status, reusable=False)
        elif self._is_head:
            # llhttp expects a body now and cannot be told otherwise. The bytes of one are
            # noticed, unless they are the marks between chunks.
            clean = self._parser.should_keep_alive() and not self._is_encoded
            self._complete(status, reusable=clean)
            self._parser = _new_parser(self)

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body; its bound ends the response."""
        if self._result is not None or self._status is None:
            self.reusable = False
            return
        self._body_size += len(data)
        if len(self._body) < RECORDED_BODY_SIZE:
            self._body += data[: RECORDED_BODY_SIZE - len(self._body)]
        if self._body_size >= MAX_RESPONSE_SIZE:
            self._complete(self._status, reusable=False)

    def on_message_complete(self) -> None:
        """End the response, unless it is an interim one."""
        if self._result is None and self._status is not None:
            self._complete(self._status, reusable=self._parser.should_keep_alive())

    def _skip_interim(self) -> None:
        self._headers.clear()
        self.idle_timeout = None
        self._has_length = self._is_encoded = self._is_chunked = False
        self._interim += 1
        if self._interim > MAX_INTERIM_RESPONSES:
            self._fail(failures.ENDLESS_INTERIM)


@functools.lru_cache(maxsize=128)
def _parse_idle_timeout(value: bytes) -> Micros | None:
    """Return the timeout of a Keep-Alive field, such as "timeout=5, max=100"."""
    match = _IDLE_TIMEOUT.search(value)
    return int(match[1]) * SECOND if match else None


def _new_parser(reader: ResponseReader) -> httptools.HttpResponseParser:
    parser = httptools.HttpResponseParser(reader)
    parser.set_dangerous_leniencies(
        lenient_headers=True,
        lenient_optional_cr_before_lf=True,
        lenient_spaces_after_chunk_size=True,
    )
    return parser
