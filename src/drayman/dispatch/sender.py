"""The sender: one request out, one answer or failure back."""

import asyncio
import socket
import ssl
from typing import Protocol

import aiohttp
import yarl

from drayman.core.clock import Clock, SystemClock
from drayman.core.delivery import ANSWER_SIZE, KEPT_SIZE, Answer, Failure, NoAnswer, Request
from drayman.core.say import HEARD
from drayman.dispatch.resolver import GetAddrInfo, Resolver


class Sender(Protocol):
    """What dispatch needs of HTTP.

    Deadlines are the caller's: ``send`` is cancelled when its time is up.
    """

    async def send(self, request: Request) -> Answer | NoAnswer:
        """Send a request; failures of any kind are returned, not raised."""

    async def close(self) -> None:
        """Let go of all connections."""


KEEP_ALIVE = 4.0
"""Seconds an idle connection is kept: less than the 5 s after which common servers close theirs,
for a request on its way to a connection that is being closed is a failed attempt."""

_QUIET = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


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
            resolver=self._resolver,
            keepalive_timeout=KEEP_ALIVE,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=_QUIET,
            auto_decompress=False,
        )
        # aiohttp would send some methods again by itself when a kept connection turns out to be
        # closed: a second delivery that no claim and no token stands for. There is no public
        # way to say so; a test sees to it that this one goes on working.
        self._session._retry_connection = False  # noqa: SLF001

    async def send(self, request: Request) -> Answer | NoAnswer:
        """Send a request; failures of any kind are returned, not raised."""
        try:
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
                    name: response.headers[name] for name in HEARD if name in response.headers
                }
                return Answer(response.status, headers, body)
        except (aiohttp.ClientError, OSError, ValueError, asyncio.IncompleteReadError) as error:
            return NoAnswer(Failure.CONNECTION, _in_words(error))

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


_Kinds = tuple[type[Exception], ...]
_WORDS: tuple[tuple[_Kinds, str], ...] = (
    # The first row that fits counts: aiohttp's errors inherit from one another.
    ((aiohttp.ClientConnectorDNSError,), "the target's host name cannot be resolved: {error}"),
    (
        (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError),
        "the target's certificate is not accepted: {error}",
    ),
    ((aiohttp.ClientSSLError, ssl.SSLError), "no TLS connection to the target: {error}"),
    ((aiohttp.ClientConnectorError,), "no connection to the target: {reason}"),
    ((aiohttp.InvalidURL,), "the URL cannot be used: {error}"),
    (
        (aiohttp.ServerDisconnectedError, ConnectionResetError),
        "the target closed the connection without an answer",
    ),
    ((OSError,), "the connection to the target broke: {reason}"),
    ((aiohttp.ClientPayloadError,), "the target's answer broke off"),
    ((aiohttp.ClientResponseError,), "the target's answer is not HTTP"),
    ((Exception,), "the request failed: {error}"),
)


def _in_words(error: Exception) -> str:
    words = next(words for kinds, words in _WORDS if isinstance(error, kinds))
    cause = getattr(error, "os_error", error)
    reason = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return words.format(error=error, reason=reason)[:500]
