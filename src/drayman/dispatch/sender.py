"""The sender: sends a request, returns the response or the failure."""

import asyncio
import functools
import socket
import ssl
import traceback
from typing import Any, Protocol

import aiohttp
import yarl
from aiohttp.client_proto import ResponseHandler

from drayman.core.clock import Clock, SystemClock
from drayman.core.delivery import (
    MAX_RESPONSE_SIZE,
    RECORDED_BODY_SIZE,
    Failure,
    NoResponse,
    Request,
    Response,
)
from drayman.core.retry_hint import RETRY_HEADERS
from drayman.dispatch.resolver import GetAddrInfo, Resolver


class Sender(Protocol):
    """An HTTP client.

    The caller sets the deadline by cancelling ``send``.
    """

    async def send(self, request: Request) -> Response | NoResponse:
        """Send a request; any failure is returned, not raised."""

    async def close(self) -> None:
        """Close all connections."""


KEEP_ALIVE_SECONDS = 4.0
"""How long an idle connection is kept. Common servers close theirs after 5 s, and a request that is
sent at that time is a failed attempt."""

MAX_RECEIVED_SIZE = 4 * MAX_RESPONSE_SIZE
"""The most bytes that are received of a response, including headers and chunk framing."""
MAX_HEADER_SIZE, MAX_HEADERS = 64 * 1024, 1_000
"""The most bytes of a header, and the most headers of a response."""
MAX_INTERIM_RESPONSES = 16
"""The most interim responses (1xx) before the final one."""
PARSE_SIZE = 8 * 1024
"""Received data is parsed in pieces of this size; the limits are checked after each."""

_SKIPPED_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class UnboundedResponseError(aiohttp.ClientError):
    """A response that exceeds the limits; the message names the part that does."""


class _BoundedConnection(ResponseHandler):
    """A connection that limits interim responses and the total size of a response.

    aiohttp limits headers, and ``_read`` the body. Without these two limits, a target could send
    interim responses or chunk extensions for ever and keep the event loop busy.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._received = 0
        self._interim_responses = 0
        self._discarding = False

    def set_response_params(self, **params: Any) -> None:
        """Reset the counts before the response to the next request."""
        self._received = self._interim_responses = 0
        self._discarding = False
        super().set_response_params(**params)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Count a parsed response head if it is interim."""
        if 100 <= data[0].code < 200:  # noqa: PLR2004 - the 1xx range is HTTP's own
            self._interim_responses += 1
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        """Parse received data, checking the limits after each piece."""
        if len(data) <= PARSE_SIZE:  # empty: aiohttp continues with buffered data
            self._parse(data)
            return
        for start in range(0, len(data), PARSE_SIZE):
            self._parse(data[start : start + PARSE_SIZE])

    def close(self) -> None:
        """Close the connection and drop data that was received without a request.

        The buffered data refers to the connection, a cycle that only the garbage collector would
        free.
        """
        super().close()
        self._buffer.clear()

    def _parse(self, data: bytes) -> None:
        if self._discarding:
            return
        self._received += len(data)
        super().data_received(data)
        if self._interim_responses > MAX_INTERIM_RESPONSES:
            self._abort("the target sends interim answers (1xx) without end")
        elif self._received > MAX_RECEIVED_SIZE:
            body = self._payload
            if body is not None and body.total_bytes >= MAX_RESPONSE_SIZE:
                self._discarding = True  # the part of the body that is read has been received
            else:
                self._abort("the target's answer goes on without end and without content")

    def _abort(self, message: str) -> None:
        self._discarding = True
        error = UnboundedResponseError(message)
        if self._payload is not None:
            self._payload.set_exception(error)
            self._payload = None
        if self.transport is not None:
            self.transport.abort()
        self.set_exception(error)


class AiohttpSender:
    """Sends with aiohttp: connections are reused, redirects not followed, cookies ignored.

    At most ``MAX_RESPONSE_SIZE`` bytes of a response's body are read, without decompression.
    """

    def __init__(
        self, clock: Clock | None = None, getaddrinfo: GetAddrInfo = socket.getaddrinfo
    ) -> None:
        self._resolver = Resolver(clock or SystemClock(), getaddrinfo)
        connector = aiohttp.TCPConnector(
            limit=0,  # the dispatcher limits attempts in flight
            use_dns_cache=False,  # the resolver has a cache
            resolver=self._resolver,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
        )
        # aiohttp has no public way to set the class of connections; tests check that this works.
        loop = asyncio.get_running_loop()
        new_connection = functools.partial(_BoundedConnection, loop=loop)
        connector._factory = new_connection  # type: ignore[assignment]  # noqa: SLF001
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=_SKIPPED_HEADERS,
            auto_decompress=False,
            max_line_size=MAX_HEADER_SIZE,
            max_field_size=MAX_HEADER_SIZE,
            max_headers=MAX_HEADERS,
        )
        # aiohttp would send a request again if a reused connection turns out to be closed: a second
        # delivery without a claim and a token. There is no public way to switch this off; a test
        # checks that this works.
        self._session._retry_connection = False  # noqa: SLF001

    async def send(self, request: Request) -> Response | NoResponse:
        """Send a request; any failure is returned, not raised."""
        try:
            return await self._exchange(request)
        except (aiohttp.ClientError, OSError, ValueError, asyncio.IncompleteReadError) as error:
            message = _failure_message(error)
            _clear_frames(error)
            return NoResponse(Failure.CONNECTION, message)

    async def _exchange(self, request: Request) -> Response:
        url = yarl.URL(request.url, encoded=True)
        async with self._session.request(
            request.method,
            url,
            headers=request.headers,
            data=request.body or None,
            allow_redirects=False,
        ) as response:
            body = await _read(response)
            headers = {
                name: response.headers[name] for name in RETRY_HEADERS if name in response.headers
            }
            return Response(response.status, headers, body)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        await self._resolver.close()


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Read a body and return its first ``RECORDED_BODY_SIZE`` bytes.

    A body up to ``MAX_RESPONSE_SIZE`` is read to its end, so that the connection can be reused.
    """
    remaining, recorded = MAX_RESPONSE_SIZE, b""
    async for chunk in response.content.iter_any():
        recorded += chunk[: RECORDED_BODY_SIZE - len(recorded)]
        remaining -= len(chunk)
        if remaining <= 0:
            response.close()
            break
    return recorded


def _clear_frames(error: BaseException | None) -> None:
    """Clear the frames in the tracebacks of an error and its causes.

    The frames of a failed request refer to the error, which refers to them, and to the request with
    its body. Only the garbage collector would free this cycle, and it stops the event loop.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error = getattr(error, "os_error", None) or error.__cause__ or error.__context__


_FAILURE_MESSAGES: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    # The first matching row counts, because aiohttp's errors inherit from one another.
    ((UnboundedResponseError,), "{error}"),
    ((aiohttp.ClientConnectorDNSError,), "the target's host name cannot be resolved: {reason}"),
    (
        (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError),
        "the target's certificate is not accepted: {reason}",
    ),
    ((aiohttp.ClientSSLError, ssl.SSLError), "no TLS connection to the target: {reason}"),
    ((aiohttp.ClientConnectorError,), "no connection to the target: {reason}"),
    ((aiohttp.InvalidURL,), "the URL cannot be used: {error}"),
    (
        (aiohttp.ServerDisconnectedError, ConnectionResetError),
        "the target closed the connection without an answer",
    ),
    ((OSError,), "the connection to the target broke: {reason}"),
    ((aiohttp.ClientPayloadError,), "the target's answer broke off"),
    ((aiohttp.ClientResponseError,), "the target's answer is not HTTP: {message}"),
    ((Exception,), "the request failed: {error}"),
)


def _failure_message(error: Exception) -> str:
    template = next(text for classes, text in _FAILURE_MESSAGES if isinstance(error, classes))
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", error)
    reason = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    message = str(getattr(error, "message", "")).strip().partition("\n")[0]  # a drawing follows
    return template.format(error=error, reason=reason, message=message)[:500]
