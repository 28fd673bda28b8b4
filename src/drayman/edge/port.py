"""One port for HTTP/2 and HTTP/1.1: the first bytes decide which it is."""

import asyncio
from collections.abc import Callable
from typing import cast

from drayman.api import callers
from drayman.core.clock import Clock, Timer
from drayman.edge import limits
from drayman.edge.budget import ConnectionLimit

ProtocolFactory = Callable[[], asyncio.Protocol]

_PREFACE = b"PRI "
"""How every HTTP/2 connection begins (RFC 9113, section 3.4), and no request of HTTP/1.1."""


class PortProtocol(asyncio.Protocol):
    """The first protocol of a connection, which hands it over to the right one.

    Args:
        clock: Bounds the wait for the first bytes.
        connection_limit: Counts the connection until it is handed over.
        http2: Returns the protocol of an HTTP/2 connection.
        http1: Returns the protocol of an HTTP/1.1 connection.
    """

    def __init__(
        self,
        clock: Clock,
        connection_limit: ConnectionLimit,
        http2: ProtocolFactory,
        http1: ProtocolFactory,
    ) -> None:
        self._clock = clock
        self._connection_limit = connection_limit
        self._address: str | None = None
        self._http2 = http2
        self._http1 = http1
        self._received = b""
        self._transport: asyncio.Transport
        self._timer: Timer | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first bytes, a limited time, unless there are too many connections."""
        self._transport = cast("asyncio.Transport", transport)
        address = address_of(transport)
        if not self._connection_limit.enter(address):
            self._transport.abort()
            return
        self._address = address
        until = self._clock.now() + limits.PREFACE_TIMEOUT
        self._timer = self._clock.call_at(until, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """Hand the connection over as soon as its protocol is known."""
        self._received += data
        if self._received.startswith(_PREFACE):
            self._hand_over(self._http2())
        elif not _PREFACE.startswith(self._received):
            self._hand_over(self._http1())

    def connection_lost(self, _error: Exception | None) -> None:
        """Stop waiting."""
        self._leave()

    def _hand_over(self, protocol: asyncio.Protocol) -> None:
        self._leave()  # the other protocol counts the connection itself
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(self._received)

    def _leave(self) -> None:
        if self._address is not None:
            self._connection_limit.leave(self._address)
            self._address = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def peer_fields(transport: asyncio.BaseTransport) -> tuple[tuple[bytes, bytes], ...]:
    """Return the header field with the address at the other end; none if it has none."""
    address = address_of(transport)
    return ((callers.PEER, address.encode()),) if address else ()


def address_of(transport: asyncio.BaseTransport) -> str:
    """Return the address at the other end of a connection, "" if it has none."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else ""
