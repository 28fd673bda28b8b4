"""One HTTP/2 connection that carries gRPC calls: an asyncio protocol over any stream transport.

What is read goes to the HTTP/2 engine, whose events begin, feed and end calls. What calls return
stays in the engine until the end of the loop's turn, when one write takes it all.
"""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar, cast

from drayman.core.clock import Micros, Timer
from drayman.core.status import Code
from drayman.edge import h2, limits, tls
from drayman.edge.calls import Calls
from drayman.edge.floods import FrameMeter, PingMeter
from drayman.edge.grpc_status import CallError
from drayman.edge.liveness import DeliveryMeter, IdleTimer
from drayman.edge.port import address_of, peer_fields
from drayman.edge.shared import Shared


class GrpcConnection(asyncio.Protocol):
    """The server's side of one connection."""

    def __init__(self, shared: Shared) -> None:
        now = shared.clock.now()
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._address = ""
        self._engine = h2.Engine()
        self._pings = PingMeter()
        self._resets = FrameMeter(limits.RESETS, now)
        self._settings = FrameMeter(limits.SETTINGS_FRAMES, now)
        self._calls = Calls(shared, self._engine, self._pings, self._wake)
        self._draining = False
        self._flushing = False  # a write is due at the end of this turn of the loop
        self._paused = False  # the transport takes no more
        self._reading = True
        self._backlog = memoryview(b"")  # read, and not yet given to the engine
        self._ping_queued = False
        self._written = 0
        self._idle: IdleTimer | None = None
        self._delivery = DeliveryMeter(0, now)
        self._progress: Timer | None = None

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless there are too many connections."""
        transport = cast("asyncio.Transport", transport)
        self._address = address_of(transport)
        if not self._shared.connection_limit.enter(self._address):
            transport.abort()
            return
        self._transport = transport
        self._calls.client_fields = (*tls.client_fields(transport), *peer_fields(transport))
        transport.set_write_buffer_limits(limits.HIGH_WATER)
        self._shared.connections.add(self)
        self._idle = IdleTimer(self._shared.clock, self._ping, self.abort)
        self._wake()

    def data_received(self, data: bytes) -> None:
        """Act on what was read."""
        if self._idle is not None:
            self._idle.received()
            if self._backlog:
                self._backlog = memoryview(bytes(self._backlog) + data)
                return
            self._backlog = memoryview(data)
            if len(data) <= limits.SMALL_READ:
                self._process(1)
            else:
                self._shared.turns.run(self._process)
                self._regulate_reading()

    def _process(self, limit: int) -> int:
        """Give the engine what was read, up to about so many events; the rest waits."""
        count = 0
        while self._backlog and count < limit:
            piece = self._backlog[: limits.READ_SIZE]
            self._backlog = self._backlog[limits.READ_SIZE :]
            events = self._engine.receive(piece)
            self._dispatch(events)
            count += len(events) + len(piece) // limits.BYTES_OF_EVENT
        if self._backlog:
            self._shared.turns.wait(self._process)
        self._regulate_reading()
        self._wake()
        return count

    def _regulate_reading(self) -> None:
        """Read no more from a client that reads no more, or as long as a backlog is there."""
        reading = not (self._paused or self._backlog)
        if self._transport is None or reading == self._reading:
            return
        self._reading = reading
        if reading:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """Write and read no more."""
        self._paused = True
        self._regulate_reading()

    def resume_writing(self) -> None:
        """Go on."""
        self._paused = False
        self._regulate_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """End all calls: nobody waits for their responses."""
        if self._idle is None:
            return
        self._idle.cancel()
        self._idle = self._transport = None
        self._backlog = memoryview(b"")
        if self._progress is not None:
            self._progress.cancel()
        self._calls.remove_all()
        self._shared.leave(self, self._address)

    # What the server calls.

    def drain(self) -> None:
        """Take no new calls, and close when those in progress have ended."""
        self._draining = True
        self._engine.goaway(h2.NO_ERROR)
        self._wake()

    def fail_calls(self) -> None:
        """End the calls in progress."""
        self._calls.fail_all(CallError(Code.UNAVAILABLE, "The server is stopping."))

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    # Events of the HTTP/2 engine.

    def _dispatch(self, events: list[Any]) -> None:
        for event in events:
            handle = self._HANDLERS.get(type(event))
            if handle is not None:
                handle(self, event)

    def _on_request(self, event: h2.RequestReceived) -> None:
        self._calls.begin(event)

    def _on_data(self, event: h2.DataReceived) -> None:
        self._calls.feed(event)

    def _on_trailers(self, event: h2.TrailersReceived) -> None:
        self._calls.end_request(event)

    def _on_closed(self, event: h2.StreamClosed) -> None:
        self._calls.remove(event)

    def _on_reset(self, _event: h2.StreamReset) -> None:
        if self._resets.exceeded(self._now()):
            self._engine.goaway(h2.ENHANCE_YOUR_CALM, b"too_many_resets")

    def _on_settings(self, _event: h2.SettingsReceived) -> None:
        if self._idle is not None:
            self._idle.opened()
        if self._settings.exceeded(self._now()):
            self._engine.goaway(h2.ENHANCE_YOUR_CALM, b"too_many_settings")

    def _on_ping(self, _event: h2.PingReceived) -> None:
        if self._pings.exceeded(self._now()):
            self._engine.goaway(h2.ENHANCE_YOUR_CALM, b"too_many_pings")

    _HANDLERS: ClassVar[dict[type, Callable[..., None]]] = {
        h2.RequestReceived: _on_request,
        h2.DataReceived: _on_data,
        h2.TrailersReceived: _on_trailers,
        h2.StreamClosed: _on_closed,
        h2.StreamReset: _on_reset,
        h2.SettingsReceived: _on_settings,
        h2.PingReceived: _on_ping,
    }

    # Writing.

    def _wake(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._transport is None:
            return
        self._write(self._transport)
        self._dispatch(self._engine.events())
        self._calls.resume_senders()
        if self._ping_queued and self._idle is not None:
            self._ping_queued = False
            self._idle.pinged()
        if self._engine.finished or (self._draining and not self._calls):
            self._transport.close()
        elif self._progress is None and self._waits():
            self._delivery = DeliveryMeter(self._delivered(), self._now())
            self._watch_progress()

    def _write(self, transport: asyncio.Transport) -> None:
        queued = self._engine.queued()
        self._output(transport)
        sent = queued - self._engine.queued()
        if sent:
            self._pings.allow_for(sent)

    def _output(self, transport: asyncio.Transport) -> None:
        while not self._paused:
            data = self._engine.output(limits.OUTPUT_SIZE)
            if data:
                self._written += len(data)
                transport.write(data)
            if len(data) < limits.OUTPUT_SIZE and not self._calls.reset_responded():
                return

    # Time.

    def _now(self) -> Micros:
        return self._shared.clock.now()

    def _ping(self) -> None:
        self._engine.ping()
        self._ping_queued = True
        self._wake()

    def _waits(self) -> bool:
        """Return whether the connection waits for its client: for requests, or to be read."""
        return self._unread() or any(True for _ in self._calls.arriving())

    def _unread(self) -> bool:
        return self._paused or self._engine.queued() > 0

    def _delivered(self) -> int:
        return self._written - (self._transport.get_write_buffer_size() if self._transport else 0)

    def _watch_progress(self) -> None:
        clock = self._shared.clock
        self._progress = clock.call_at(clock.now() + limits.PROGRESS_INTERVAL, self._check_progress)

    def _check_progress(self) -> None:
        self._progress = None
        now = self._now()
        self._calls.fail_late(now)
        if self._delivery.stalled(self._delivered(), now, unread=self._unread()):
            self.abort()
        elif self._waits():
            self._watch_progress()
