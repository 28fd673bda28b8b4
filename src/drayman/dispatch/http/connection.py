"""A connection: one exchange at a time on one transport."""

import asyncio
import select
from typing import Protocol, cast

from drayman.core.clock import Micros
from drayman.core.delivery import NoResponse, Response
from drayman.dispatch.http.response import ResponseReader


class Owner(Protocol):
    """Counts the open connections."""

    def opened(self, connection: "Connection") -> None:
        """Count a connection that has been opened."""

    def lost(self, connection: "Connection") -> None:
        """Stop counting a connection that has been closed."""


class Connection(asyncio.Protocol):
    """An HTTP/1.1 connection.

    It closes itself after a response that does not allow reuse, when it receives data without a
    request, and when the peer closes it. It is always aborted: the rest of a request is of no use
    once its response has arrived.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._waiter: asyncio.Future[Response | NoResponse] | None = None
        self._early: bytes | None = b""

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def idle_timeout(self) -> Micros | None:
        """How long the peer keeps the connection after the last response, None if unknown."""
        return self._reader.idle_timeout

    def is_reusable(self) -> bool:
        """Return whether a request can be sent and nothing has arrived since the last response.

        What has arrived is the end of the connection or data without a request. The event loop may
        not have read it yet, so the system is asked: a request that was not sent can still go to
        another connection.
        """
        return self.is_open and not self._unread.poll(0)

    def exchange(
        self, method: str, head: bytes, body: bytes
    ) -> "asyncio.Future[Response | NoResponse]":
        """Send a request; return the future of its response.

        A caller that no longer waits must abort the connection. The request is never sent again:
        when the connection ends, how much of it the peer has received is unknown.
        """
        waiter: asyncio.Future[Response | NoResponse]
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        self._reader.begin(method)
        if self._transport is None:
            self._end(None)
            return waiter
        self._transport.write(head + body)
        if self._early is not None:
            self._receive_early()
        return waiter

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport: asyncio.Transport | None = cast(asyncio.Transport, transport)
        self._reader = ResponseReader()
        self._unread = select.poll()  # unlike a read that would block, it raises nothing
        self._unread.register(transport.get_extra_info("socket"), select.POLLIN)
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        """Parse received data."""
        if self._waiter is None:
            self._hold_early(data)
        elif (result := self._reader.feed(data)) is not None:
            self._settle(result)

    def eof_received(self) -> None:
        """End: the peer sends no more."""
        self._end(None)
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the exchange and drop all references."""
        self._end(exc)
        self._transport = None
        self._reader.close()
        self._owner.lost(self)

    def _end(self, error: Exception | None) -> None:
        if self._waiter is not None:
            self._settle(self._reader.end(error))

    def _settle(self, result: Response | NoResponse) -> None:
        waiter, self._waiter = self._waiter, None
        if not self._may_be_kept():
            self.abort()
        if waiter is not None and not waiter.done():  # it is when it was cancelled
            waiter.set_result(result)

    def _may_be_kept(self) -> bool:
        """Return whether the response ended where it should, after the request was sent whole."""
        return (
            self._reader.reusable
            and self._transport is not None
            and not self._transport.get_write_buffer_size()
        )

    def _hold_early(self, data: bytes) -> None:
        """Keep data that arrives before the first request; later, it closes the connection."""
        if self._early is None or self._transport is None:
            self.abort()
            return
        self._early += data
        self._transport.pause_reading()

    def _receive_early(self) -> None:
        early, self._early = self._early, None
        if early and self._transport is not None:
            self._transport.resume_reading()
            self.data_received(early)
