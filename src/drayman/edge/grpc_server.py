"""The gRPC server: a listening socket, its connections, and their end."""

import asyncio
import socket
import ssl

from drayman.api.context import Context
from drayman.core.clock import SECOND
from drayman.edge import limits, methods, reflection
from drayman.edge.budget import Capacity
from drayman.edge.connection import GrpcConnection
from drayman.edge.health import Health
from drayman.edge.listening import BACKLOG
from drayman.edge.port import PortProtocol, ProtocolFactory
from drayman.edge.shared import Shared


class GrpcServer:
    """The services of the table of calls, health and reflection on a port.

    Args:
        context: What every call needs.
        sock: A listening socket; the server closes it.
        capacity: What its connections share with those of other listeners.
        http1: Returns the protocol of a connection that does not speak HTTP/2; None to refuse it.
        tls: Certificates, if the port speaks TLS.
    """

    def __init__(
        self,
        context: Context,
        sock: socket.socket,
        capacity: Capacity,
        *,
        http1: ProtocolFactory | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._clock = context.clock
        self._sock = sock
        self._http1 = http1
        self._tls = tls
        self._health = Health(context)
        table = methods.of_api(context) | self._health.methods() | reflection.methods(context)
        self._shared = Shared(
            table,
            context.clock,
            context.emit,
            budget=capacity.budget,
            connection_limit=capacity.connection_limit,
        )
        self._server: asyncio.Server | None = None
        self.port: int = sock.getsockname()[1]

    async def start(self) -> None:
        """Begin to take calls."""
        if self._tls is not None:
            # Clients that offer both, as browsers do, get HTTP/1.1: the pages and REST are there.
            self._tls.set_alpn_protocols(["h2"] if self._http1 is None else ["http/1.1", "h2"])
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._protocol,
            sock=self._sock,
            backlog=BACKLOG,
            ssl=self._tls,
            ssl_handshake_timeout=limits.PREFACE_TIMEOUT / SECOND if self._tls else None,
        )

    def _protocol(self) -> asyncio.Protocol:
        if self._http1 is None:
            return GrpcConnection(self._shared)
        return PortProtocol(self._clock, lambda: GrpcConnection(self._shared), self._http1)

    async def stop(self, grace: float) -> None:
        """Take no new calls; those in progress get ``grace`` seconds."""
        self._health.end()
        if self._server is None:
            self._sock.close()
            return
        self._server.close()
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
