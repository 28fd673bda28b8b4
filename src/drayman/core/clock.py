"""Clocks. No other module reads the time or sleeps."""

import abc
import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType

Micros = int
"""Microseconds: a duration, or a point in time counted from 1970-01-01 UTC."""

MILLISECOND: Micros = 1_000
SECOND: Micros = 1_000_000
MINUTE: Micros = 60 * SECOND
HOUR: Micros = 60 * MINUTE
DAY: Micros = 24 * HOUR


class Timer(abc.ABC):
    """A scheduled callback."""

    @abc.abstractmethod
    def cancel(self) -> None:
        """Cancel the callback; no effect if it has run."""


class Clock(abc.ABC):
    """A source of the time, and timers by that time."""

    @abc.abstractmethod
    def now(self) -> Micros:
        """Return the current time."""

    @abc.abstractmethod
    def call_at(self, when: Micros, callback: Callable[[], object]) -> Timer:
        """Call ``callback`` in the event loop's thread at ``when``, or soon if that has passed."""

    def adjust(self, by: Micros) -> None:  # noqa: B027 - a clock that is moved agrees with nothing
        """Move its time, so that it agrees with another clock; no effect on clocks of tests."""

    async def wait(self, event: asyncio.Event, until: Micros) -> None:
        """Wait for ``event``; the clock sets it itself at ``until``."""
        timer = self.call_at(until, event.set)
        try:
            await event.wait()
        finally:
            timer.cancel()

    def timeout(self, until: Micros) -> AbstractAsyncContextManager[object]:
        """Return a context manager that cancels its block at ``until`` and raises TimeoutError."""
        return _Timeout(self, until)


class _Timeout(AbstractAsyncContextManager[object]):
    """``asyncio.timeout`` on any clock.

    A class: a generator-based context manager would form a reference cycle with its exception.
    """

    def __init__(self, clock: Clock, until: Micros) -> None:
        self._clock = clock
        self._until = until
        self._scope = asyncio.timeout(None)  # noqa: TID251 - this file is the clock

    async def __aenter__(self) -> object:
        scope, loop = await self._scope.__aenter__(), asyncio.get_running_loop()
        self._timer = self._clock.call_at(self._until, lambda: scope.reschedule(loop.time()))
        return scope

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        await self._scope.__aexit__(kind, error, trace)


class _LoopTimer(Timer):
    def __init__(self, handle: asyncio.TimerHandle) -> None:
        self._handle = handle

    def cancel(self) -> None:
        self._handle.cancel()


class SystemClock(Clock):
    """The system's clock, unless it is adjusted."""

    def __init__(self) -> None:
        self._difference: Micros = 0

    def now(self) -> Micros:
        """Return the system's time and what it was adjusted by."""
        return time.time_ns() // 1_000 + self._difference  # noqa: TID251 - this file is the clock

    def adjust(self, by: Micros) -> None:
        """Move its time, so that it agrees with another clock."""
        self._difference += by

    def call_at(self, when: Micros, callback: Callable[[], object]) -> Timer:
        """Call ``callback`` in the running event loop at ``when``."""
        delay = max(0, when - self.now()) / SECOND
        return _LoopTimer(asyncio.get_running_loop().call_later(delay, callback))

    def timeout(self, until: Micros) -> AbstractAsyncContextManager[object]:
        """Return asyncio's own timeout, which is cheaper: each attempt uses one."""
        return asyncio.timeout(max(0, until - self.now()) / SECOND)  # noqa: TID251 - the clock


class _ManualTimer(Timer):
    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None

    def fire(self) -> None:
        """Call the callback, unless it is cancelled."""
        if self.callback is not None:
            self.callback()


class ManualClock(Clock):
    """A clock that stands still until ``advance`` is called, for tests here and of users.

    It is moved in the thread of the event loop that waits for it.
    """

    def __init__(self, start: Micros = 1_700_000_000 * SECOND) -> None:
        self._now = start
        self._order = itertools.count()
        self._timers: list[tuple[Micros, int, _ManualTimer]] = []

    def now(self) -> Micros:
        """Return the time that the clock was advanced to."""
        return self._now

    def call_at(self, when: Micros, callback: Callable[[], object]) -> Timer:
        """Call ``callback`` during the ``advance`` that reaches ``when``, or soon if it is past.

        Soon is once the running event loop gets to it, never at once.
        """
        timer = _ManualTimer(callback)
        if when <= self._now:
            asyncio.get_running_loop().call_soon(timer.fire)
        else:
            heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    @property
    def pending_timers(self) -> int:
        """The number of callbacks that have neither run nor been cancelled."""
        return sum(timer.callback is not None for *_, timer in self._timers)

    def advance(self, by: Micros) -> None:
        """Advance the time; call the due callbacks in order, each with the clock at its time."""
        target = self._now + by
        while self._timers and self._timers[0][0] <= target:
            self._now, _, timer = heapq.heappop(self._timers)
            timer.fire()
        self._now = target

    def reset(self, now: Micros) -> None:
        """Set the time, also back; call all callbacks, so that whoever waits looks at it."""
        self._now = now
        timers, self._timers = sorted(self._timers), []
        for *_, timer in timers:
            timer.fire()
