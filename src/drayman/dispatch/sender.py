"""The sender: one request out, one answer or failure back."""

import asyncio
import functools
import socket
import ssl
import traceback
from typing import Any, Protocol

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler

from drayman.core.clock import Clock, SystemClock
from drayman.core.delivery import ANSWER_SIZE, KEPT_SIZE, Failure, NoResponse, Request, Response
from drayman.core.retry_hint import RETRY_HEADERS
from drayman.dispatch.resolver import GetAddrInfo, Resolver


class Sender(Protocol):
    """What dispatch needs of HTTP.

    Deadlines are the caller's: ``send`` is cancelled when its time is up.
    """

    async def send(self, request: Request) -> Response | NoResponse:
        """Send a request; failures of any kind are returned, not raised."""

    async def close(self) -> None:
        """Let go of all connections."""


KEEP_ALIVE = 4.0
"""Seconds an idle connection is kept: less than the 5 s after which common servers close theirs,
for a request on its way to a connection that is being closed is a failed attempt."""

RECEIVED_SIZE = 4 * ANSWER_SIZE
"""No more is received of an answer, its heads and the marks between its chunks included."""
HEAD_SIZE, HEAD_FIELDS = 64 * 1024, 1_000
"""The longest line of an answer's head, and the most fields in it."""
INTERIM = 16
"""The most interim answers (1xx) before the answer proper."""
SLICE = 8 * 1024
"""Of what has been received, so much is parsed between two looks at the bounds."""

_QUIET = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class EndlessError(aiohttp.ClientError):
    """An answer that goes on without getting anywhere; the message says what it consists of."""


class _Connection(ResponseHandler):
    """A connection that gives up on an answer which takes the event loop's time and says nothing.

    aiohttp bounds a head and a sender bounds a body, but interim answers and the extensions of
    chunks may go on for ever, as fast as a target can send them.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._received = 0
        self._interim = 0
        self._ignoring = False

    def set_response_params(self, **params: Any) -> None:
        """Expect the answer to another request."""
        self._received = self._interim = 0
        self._ignoring = False
        super().set_response_params(**params)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Take the head of an answer, an interim one perhaps."""
        if 100 <= data[0].code < 200:  # noqa: PLR2004 - the 1xx range is HTTP's own
            self._interim += 1
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        """Parse what has come, to the bounds."""
        if len(data) <= SLICE:  # nothing at all means that aiohttp goes on with what it has
            self._parse(data)
            return
        for first in range(0, len(data), SLICE):
            self._parse(data[first : first + SLICE])

    def close(self) -> None:
        """Close, and let go of what has come but was not asked for: it holds the connection."""
        super().close()
        self._buffer.clear()

    def _parse(self, data: bytes) -> None:
        if self._ignoring:
            return
        self._received += len(data)
        super().data_received(data)
        if self._interim > INTERIM:
            self._give_up("the target sends interim answers (1xx) without end")
        elif self._received > RECEIVED_SIZE:
            body = self._payload
            if body is not None and body.total_bytes >= ANSWER_SIZE:
                self._ignoring = True  # all that is read of it is there, and will be read
            else:
                self._give_up("the target's answer goes on without end and without content")

    def _give_up(self, words: str) -> None:
        self._ignoring = True
        error = EndlessError(words)
        if self._payload is not None:
            self._payload.set_exception(error)
            self._payload = None
        if self.transport is not None:
            self.transport.abort()
        self.set_exception(error)


class _AiohttpResolver(AbstractResolver):
    """The resolver in the shape that aiohttp asks for."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host; OSError."""
        del family  # aiohttp asks for both
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(
                hostname=host, host=sockaddr[0], port=port, family=kind, proto=0, flags=flags
            )
            for kind, sockaddr in await self._resolver.resolve(host, port)
        ]

    async def close(self) -> None:
        """Give up what is being resolved."""
        await self._resolver.close()


class AiohttpSender:
    """Sends with aiohttp: connections are kept, redirects are not followed, cookies are ignored.

    Of an answer's body at most ``ANSWER_SIZE`` bytes are read, compressed as they come.
    """

    def __init__(
        self, clock: Clock | None = None, getaddrinfo: GetAddrInfo = socket.getaddrinfo
    ) -> None:
        self._resolver = Resolver(clock or SystemClock(), getaddrinfo)
        connector = aiohttp.TCPConnector(
            limit=0,  # dispatch has the bounds
            use_dns_cache=False,  # the resolver has one
            resolver=_AiohttpResolver(self._resolver),
            keepalive_timeout=KEEP_ALIVE,
        )
        # There is no public way to have connections of a class of one's own; tests see to it that
        # this one goes on working.
        loop = asyncio.get_running_loop()
        make = functools.partial(_Connection, loop=loop)
        connector._factory = make  # type: ignore[assignment]  # noqa: SLF001
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=_QUIET,
            auto_decompress=False,
            max_line_size=HEAD_SIZE,
            max_field_size=HEAD_SIZE,
            max_headers=HEAD_FIELDS,
        )
        # aiohttp would send some methods again by itself when a kept connection turns out to be
        # closed: a second delivery that no claim and no token stands for. There is no public
        # way to say so; a test sees to it that this one goes on working.
        self._session._retry_connection = False  # noqa: SLF001

    async def send(self, request: Request) -> Response | NoResponse:
        """Send a request; failures of any kind are returned, not raised."""
        try:
            return await self._exchange(request)
        except (aiohttp.ClientError, OSError, ValueError, asyncio.IncompleteReadError) as error:
            words = _in_words(error)
            _forget_frames(error)
            return NoResponse(Failure.CONNECTION, words)

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
        """Let go of all connections."""
        await self._session.close()
        await self._resolver.close()


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Read a body to its end, so that the connection can be kept, or to the limit.

    Returns its beginning.
    """
    left, kept = ANSWER_SIZE, b""
    async for chunk in response.content.iter_any():
        kept += chunk[: KEPT_SIZE - len(kept)]
        left -= len(chunk)
        if left <= 0:
            response.close()
            break
    return kept


def _forget_frames(error: BaseException | None) -> None:
    """Let go of what an error and its causes have seen on their way.

    The frames of a failed or cancelled request hold the error that holds them, and the request
    with its body. Only a search for cyclic garbage would free them, and that stops the event
    loop.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error = getattr(error, "os_error", None) or error.__cause__ or error.__context__


_Kinds = tuple[type[Exception], ...]
_WORDS: tuple[tuple[_Kinds, str], ...] = (
    # The first row that fits counts: aiohttp's errors inherit from one another.
    ((EndlessError,), "{error}"),
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


def _in_words(error: Exception) -> str:
    words = next(words for kinds, words in _WORDS if isinstance(error, kinds))
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", error)
    reason = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    message = str(getattr(error, "message", "")).strip().partition("\n")[0]  # a picture follows
    return words.format(error=error, reason=reason, message=message)[:500]
