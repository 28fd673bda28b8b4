"""The HTTP/1.1 server: its listening sockets, its connections, and their end."""

import asyncio
import socket

from drayman.core.clock import SECOND, Clock
from drayman.edge.budget import Capacity
from drayman.edge.http1 import App, Connections, HttpProtocol
from drayman.edge.listening import BACKLOG, close


class HttpServer:
    """A server of an application.

    Args:
        app: The application.
        sockets: Listening sockets of its own; the server closes them.
        clock: Bounds the time of requests and responses.
        capacity: What its connections share with those of other listeners.
        grace: Seconds for requests in progress to end when the server stops.
    """

    def __init__(
        self,
        app: App,
        sockets: list[socket.socket],
        clock: Clock,
        capacity: Capacity,
        grace: float,
    ) -> None:
        self._app = app
        self._sockets = sockets
        self._clock = clock
        self._capacity = capacity
        self._grace = grace
        self._connections = Connections()
        self._listeners: list[asyncio.Server] = []

    async def start(self) -> None:
        """Begin to accept connections."""
        loop = asyncio.get_running_loop()
        self._listeners = [
            await loop.create_server(self.protocol, sock=sock, backlog=BACKLOG)
            for sock in self._sockets
        ]

    def protocol(self) -> asyncio.Protocol:
        """Return the protocol of one more connection, which this server or another accepts."""
        return HttpProtocol(
            self._app, self._connections, clock=self._clock, capacity=self._capacity
        )

    async def stop(self) -> None:
        """Accept no new connections; return when requests in progress have ended."""
        if not self._listeners:
            close(self._sockets)
        for listener in self._listeners:
            listener.close()
        for connection in list(self._connections.open):
            connection.shutdown()
        if not await self._closed_within(self._grace):
            for connection in list(self._connections.open):
                connection.abort()

    async def _closed_within(self, seconds: float) -> bool:
        """Return whether all connections have closed, after so many seconds at most."""
        connections, until = self._connections, self._clock.now() + int(seconds * SECOND)
        if connections.open:
            connections.closed.clear()
            await self._clock.wait(connections.closed, until)
        return not connections.open
