"""The pool of idle connections, for the next request of the same route."""

import asyncio

from drayman.core.clock import SECOND, Clock, Micros, Timer
from drayman.dispatch.http.connection import Connection
from drayman.dispatch.http.proxy import Proxy
from drayman.dispatch.http.request import Origin

KEEP_ALIVE: Micros = 4 * SECOND
"""How long an idle connection is kept: less than the 5 s after which common servers close theirs,
because a request on its way to a connection that is being closed is a failed attempt."""
_USUAL_TIMEOUT: Micros = 5 * SECOND
"""A peer with a shorter timeout has its connections kept for the same share of it."""
MAX_IDLE = 1024
"""The most idle connections."""
MAX_IDLE_PER_ROUTE = 256
"""The most idle connections of a route. A queue starts at most 500 attempts a second, so more are
in use only while a target takes longer than half a second."""


class Route:
    """The destination of connections; only requests of the same route share them.

    Attributes:
        origin: The origin of the target.
        proxy: The proxy in between, None for none.
        idle: The idle connections, the latest used last.
    """

    def __init__(self, origin: Origin, proxy: Proxy | None) -> None:
        self.origin = origin
        self.proxy = proxy
        self.idle: dict[Connection, None] = {}


class Pool:
    """The connections of a sender."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: set[Connection] = set()
        self._idle: dict[Connection, tuple[Route, Micros]] = {}
        """Idle connections with the time since when, the longest idle first."""
        self._timer: Timer | None = None
        self._closed = False
        self._all_lost = asyncio.Event()

    def take(self, route: Route) -> Connection | None:
        """Return an idle connection of a route that can be used, None if there is none."""
        while route.idle:
            connection, _ = route.idle.popitem()
            _, since = self._idle.pop(connection)
            if self._is_fresh(connection, since) and connection.is_reusable():
                return connection
            connection.abort()
        return None

    def put(self, route: Route, connection: Connection) -> None:
        """Keep a connection, if it is open and there is room for it."""
        if not connection.is_open:
            return
        if self._closed or len(route.idle) >= MAX_IDLE_PER_ROUTE:
            connection.abort()
            return
        if len(self._idle) >= MAX_IDLE:
            self._drop(next(iter(self._idle)))
        now = self._clock.now()
        route.idle[connection] = None
        self._idle[connection] = route, now
        if self._timer is None:
            self._timer = self._clock.call_at(now + KEEP_ALIVE, self._expire)

    def drop_idle(self) -> None:
        """Close all idle connections, whose files others need."""
        for connection in list(self._idle):
            self._drop(connection)

    def opened(self, connection: Connection) -> None:
        """Count a connection as open."""
        self._open.add(connection)

    def lost(self, connection: Connection) -> None:
        """Stop counting a connection that has been closed."""
        self._open.discard(connection)
        self._remove(connection)
        if not self._open:
            self._all_lost.set()

    async def close(self) -> None:
        """Close all connections, those in use too; return when they are closed."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for connection in self._open:
            connection.abort()
        while self._open:
            self._all_lost.clear()
            await self._all_lost.wait()

    def _is_fresh(self, connection: Connection, since: Micros) -> bool:
        idle = self._clock.now() - since
        if not 0 <= idle < KEEP_ALIVE:  # the clock may be set back
            return False
        timeout = connection.idle_timeout
        return timeout is None or idle * _USUAL_TIMEOUT < timeout * KEEP_ALIVE

    def _remove(self, connection: Connection) -> None:
        """Take a connection out of the idle ones, if it is one of them."""
        if connection in self._idle:
            route, _ = self._idle.pop(connection)
            del route.idle[connection]

    def _drop(self, connection: Connection) -> None:
        self._remove(connection)
        connection.abort()

    def _expire(self) -> None:
        """Close connections that have been idle too long; set the timer for the others."""
        self._timer = None
        stale = [each for each, (_, since) in self._idle.items() if not self._is_fresh(each, since)]
        for connection in stale:
            self._drop(connection)
        if self._idle:
            _, since = next(iter(self._idle.values()))
            self._timer = self._clock.call_at(since + KEEP_ALIVE, self._expire)
