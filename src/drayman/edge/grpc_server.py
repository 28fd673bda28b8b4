"""The gRPC server: its listening sockets, its connections, and their end."""

import asyncio
import socket

from drayman.api.context import Context
from drayman.core.clock import SECOND, Clock
from drayman.edge import methods, misdirected, reflection
from drayman.edge.budget import Capacity
from drayman.edge.connection import GrpcConnection
from drayman.edge.health import Health
from drayman.edge.listening import BACKLOG, close
from drayman.edge.port import PortProtocol, ProtocolFactory
from drayman.edge.shared import Shared
from drayman.edge.tls import TlsListener


class GrpcServer:
    """The services of the table of calls, health and reflection on a port.

    Args:
        context: What every call needs.
        sockets: Listening sockets of one port; the server closes them.
        capacity: What its connections share with those of other listeners.
        clock: The time of connections; that of the calls by default.
        http1: Returns the protocol of a connection that does not speak HTTP/2; None to refuse it.
        tls: Accepts the connections, if the port speaks TLS.
    """

    def __init__(
        self,
        context: Context,
        sockets: list[socket.socket],
        capacity: Capacity,
        *,
        clock: Clock | None = None,
        http1: ProtocolFactory | None = None,
        tls: TlsListener | None = None,
    ) -> None:
        self._clock = clock or context.clock
        self._sockets = sockets
        self._http1 = http1
        self._tls = tls
        self._health = Health(context)
        table = methods.of_api(context) | self._health.methods() | reflection.methods(context)
        self._shared = Shared(
            table,
            self._clock,
            context.emit,
            offload=context.offload,
            budget=capacity.budget,
            turns=capacity.turns,
            connection_limit=capacity.connection_limit,
        )
        self._listeners: list[asyncio.Server | TlsListener] = []
        self.port: int = sockets[0].getsockname()[1]

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._shared.connections)

    async def start(self) -> None:
        """Begin to take calls."""
        if self._tls is not None:
            self._tls.start(self._sockets, self._protocol)
            self._listeners = [self._tls]
        else:
            self._listeners = [await self._listen(sock) for sock in self._sockets]

    async def _listen(self, sock: socket.socket) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(self._protocol, sock=sock, backlog=BACKLOG)

    def _protocol(self) -> asyncio.Protocol:
        if self._http1 is None:
            return GrpcConnection(self._shared)
        clock, limit = self._clock, self._shared.connection_limit
        return PortProtocol(
            clock,
            limit,
            http2=lambda: GrpcConnection(self._shared),
            http1=self._http1,
            tls=lambda: misdirected.Http1Refusal(misdirected.TLS_REFUSED, clock, limit),
        )

    async def stop(self, grace: float) -> None:
        """Take no new calls; those in progress get ``grace`` seconds."""
        self._health.end()
        if not self._listeners:
            close(self._sockets)
            return
        for listener in self._listeners:
            listener.close()
        for connection in list(self._shared.connections):
            connection.drain()
        if not await self._closed_within(grace):
            await self._fail_calls()

    async def _fail_calls(self) -> None:
        for connection in list(self._shared.connections):
            connection.fail_calls()
        if not await self._closed_within(_FAREWELL):
            for connection in list(self._shared.connections):
                connection.abort()

    async def _closed_within(self, seconds: float) -> bool:
        """Return whether all connections have closed, after so many seconds at most."""
        closed = self._shared.closed
        until = self._clock.now() + int(seconds * SECOND)
        if self._shared.connections:
            closed.clear()
            await self._clock.wait(closed, until)
        return not self._shared.connections


_FAREWELL = 1.0
"""Seconds that clients get to read the responses of calls that were ended."""
