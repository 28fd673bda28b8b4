"""One port for HTTP/2 and HTTP/1.1: the first bytes decide which it is."""

import asyncio
from collections.abc import Callable
from typing import cast

from drayman.core.clock import Clock, Timer
from drayman.edge import limits

ProtocolFactory = Callable[[], asyncio.Protocol]

_PREFACE = b"PRI "
"""How every HTTP/2 connection begins (RFC 9113, section 3.4), and no request of HTTP/1.1."""


class PortProtocol(asyncio.Protocol):
    """The first protocol of a connection, which hands it over to the right one.

    Args:
        clock: Bounds the wait for the first bytes.
        http2: Returns the protocol of an HTTP/2 connection.
        http1: Returns the protocol of an HTTP/1.1 connection.
    """

    def __init__(self, clock: Clock, http2: ProtocolFactory, http1: ProtocolFactory) -> None:
        self._clock = clock
        self._http2 = http2
        self._http1 = http1
        self._received = b""
        self._transport: asyncio.Transport
        self._timer: Timer | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first bytes, a limited time."""
        self._transport = cast("asyncio.Transport", transport)
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
        self._stop_timer()

    def _hand_over(self, protocol: asyncio.Protocol) -> None:
        self._stop_timer()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(self._received)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
