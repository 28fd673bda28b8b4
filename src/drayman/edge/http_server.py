"""The HTTP/1.1 server: its listening sockets, its connections, and their end."""

import asyncio
import socket

from drayman.core.clock import SECOND, Clock
from drayman.edge import misdirected
from drayman.edge.budget import Capacity
from drayman.edge.http1 import App, Connections, HttpProtocol
from drayman.edge.listening import BACKLOG, close
from drayman.edge.port import PortProtocol


class HttpServer:
    """A server of an application.

    Args:
        app: The application.
        sockets: Listening sockets of its own; the server closes them.
        clock: Bounds the time of requests and responses.
        capacity: What its connections share with those of other listeners.
        grace: Seconds for requests in progress to end when the server stops.
        grpc: The address of gRPC, for clients that speak HTTP/2 on the sockets.
    """

    def __init__(
        self,
        app: App,
        sockets: list[socket.socket],
        clock: Clock,
        capacity: Capacity,
        grace: float,
        grpc: str = "",
    ) -> None:
        self._app = app
        self._sockets = sockets
        self._clock = clock
        self._capacity = capacity
        self._grace = grace
        self._grpc = grpc
        self._connections = Connections()
        self._listeners: list[asyncio.Server] = []

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections.open)

    async def start(self) -> None:
        """Begin to accept connections."""
        loop = asyncio.get_running_loop()
        self._listeners = [
            await loop.create_server(self.first_protocol, sock=sock, backlog=BACKLOG)
            for sock in self._sockets
        ]

    def first_protocol(self) -> asyncio.Protocol:
        """Return the protocol of one more connection to a port for HTTP/1.1 alone."""
        clock, limit = self._clock, self._capacity.connection_limit
        http2_refused = misdirected.http2_refused(self._grpc)
        return PortProtocol(
            clock,
            limit,
            http2=lambda: misdirected.Http2Refusal(http2_refused, clock, limit),
            http1=self.protocol,
            tls=lambda: misdirected.Http1Refusal(misdirected.TLS_REFUSED, clock, limit),
        )

    def protocol(self) -> asyncio.Protocol:
        """Return the protocol of one more connection that speaks HTTP/1.1."""
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
