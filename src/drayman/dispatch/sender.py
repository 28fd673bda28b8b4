"""The sender: sends a request, returns the response or the failure."""

import functools
import socket
import ssl
from collections.abc import Mapping
from typing import Protocol

from drayman.core.clock import Clock, SystemClock
from drayman.core.delivery import Failure, NoResponse, Request, Response
from drayman.core.target_policy import TargetPolicy
from drayman.dispatch.http import connect, failures
from drayman.dispatch.http import request as requests
from drayman.dispatch.http.connect import Connector
from drayman.dispatch.http.pool import Pool, Route
from drayman.dispatch.http.proxy import Proxies
from drayman.dispatch.http.request import Origin
from drayman.dispatch.resolver import GetAddrInfo, Resolver


class Sender(Protocol):
    """An HTTP client.

    The caller sets the deadline by cancelling ``send``.
    """

    async def send(self, request: Request) -> Response | NoResponse:
        """Send a request; failures of any kind are returned, not raised."""

    async def close(self) -> None:
        """Close all connections."""


class HttpSender:
    """Sends over HTTP/1.1: connections are reused, cookies ignored.

    Redirects are responses like others; ``redirects`` follows them.
    At most ``MAX_RESPONSE_SIZE`` bytes of a response's body are read, without decompression. No
    request is sent twice.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        getaddrinfo: GetAddrInfo = socket.getaddrinfo,
        *,
        tls: ssl.SSLContext | None = None,
        proxies: Mapping[str, str] | None = None,
        policy: TargetPolicy | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            clock: The clock of idle times and lookups.
            getaddrinfo: Resolves host names.
            tls: The settings of TLS, instead of those with the system's certificates.
            proxies: Proxies as ``urllib.request.getproxies`` returns them; none by default,
                whatever the environment says.
            policy: Where requests may be sent; by default anywhere but to metadata servers.
        """
        clock, policy = clock or SystemClock(), policy or TargetPolicy()
        self._resolver = Resolver(clock, getaddrinfo)
        self._pool = Pool(clock)
        self._connector = Connector(
            clock, self._resolver, self._pool, tls or connect.tls_context(), policy
        )
        choose = functools.partial(_choose_route, Proxies(proxies or {}))
        self._route = functools.lru_cache(maxsize=1024)(choose)

    async def send(self, request: Request) -> Response | NoResponse:
        """Send a request; failures of any kind are returned, not raised."""
        try:
            origin, path = requests.split_url(request.url)
            route = self._route(origin)
            head = _render(request, route, path)
        except requests.InvalidUrlError as error:
            return failures.failure(failures.INVALID_URL, str(error))
        except requests.InvalidRequestError as error:
            return failures.failure(failures.INVALID_REQUEST, str(error))
        connection = self._pool.take(route) or await self._connector.connect(route)
        if isinstance(connection, NoResponse):
            if connection.failure is Failure.RESOURCES:
                self._pool.drop_idle()
            return connection
        try:
            response = await connection.exchange(request.method, head, request.body)
        except BaseException:  # cancelled
            connection.abort()
            raise
        self._pool.put(route, connection)
        return response

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()
        await self._resolver.close()


def _choose_route(proxies: Proxies, origin: Origin) -> Route:
    return Route(origin, proxies.choose(origin))


def _render(request: Request, route: Route, path: str) -> bytes:
    """Return the head of a request, in the form that a proxy of ``http://`` targets takes."""
    origin, proxy = route.origin, route.proxy
    if proxy is None or origin.tls:
        return requests.render_head(request, origin.authority, path)
    target = f"http://{origin.authority}{path}"
    return requests.render_head(request, origin.authority, target, proxy.authorization)
