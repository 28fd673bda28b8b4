"""Whether the other side of a connection is still there, and reads what it is sent."""

from collections.abc import Callable

from drayman.core.clock import Clock, Micros, Timer
from drayman.edge import limits


class IdleTimer:
    """Ends connections that never open, and those that respond to no ping after a long silence.

    Args:
        clock: Calls back.
        ping: Queues a ping and has it written; ``pinged`` must be called once it is.
        abort: Closes the connection at once.
    """

    def __init__(self, clock: Clock, ping: Callable[[], None], abort: Callable[[], None]) -> None:
        self._clock = clock
        self._ping = ping
        self._abort = abort
        self._silent = False
        self._opened = False
        self._timer = self._after(limits.PREFACE_TIMEOUT, self._check_preface)

    def opened(self) -> None:
        """Note that the client has opened the HTTP/2 connection."""
        self._opened = True

    def received(self) -> None:
        """Note a sign of life."""
        self._silent = False

    def pinged(self) -> None:
        """Give the client the time for a response: it counts from the write of the ping."""
        self._timer.cancel()
        self._timer = self._after(limits.PING_TIMEOUT, self._check_response)

    def cancel(self) -> None:
        """Stop."""
        self._timer.cancel()

    def _after(self, delay: Micros, callback: Callable[[], None]) -> Timer:
        return self._clock.call_at(self._clock.now() + delay, callback)

    def _check_preface(self) -> None:
        if self._opened:
            self._wait()
        else:
            self._abort()

    def _wait(self) -> None:
        self._silent = True
        self._timer = self._after(limits.IDLE_TIMEOUT, self._check_silence)

    def _check_silence(self) -> None:
        if self._silent:
            self._ping()
        else:
            self._wait()

    def _check_response(self) -> None:
        if self._silent:
            self._abort()
        else:
            self._wait()


class DeliveryMeter:
    """Tells a client that reads slowly from one that does not read.

    Args:
        delivered: The bytes that the client has taken so far.
        now: The present moment.
    """

    def __init__(self, delivered: int, now: Micros) -> None:
        self._delivered = delivered
        self._since = now

    def stalled(self, delivered: int, now: Micros, *, unread: bool) -> bool:
        """Return whether the client has left responses unread for too long."""
        if delivered != self._delivered or not unread:
            self._delivered, self._since = delivered, now
        return now - self._since >= limits.WRITE_TIMEOUT
