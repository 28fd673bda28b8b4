"""The only place that reads a clock or waits for time to pass."""

import abc
import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType

Micros = int
"""Microseconds: since 1970-01-01 UTC for a moment, plain for a duration."""

MILLISECOND: Micros = 1_000
SECOND: Micros = 1_000_000
MINUTE: Micros = 60 * SECOND
HOUR: Micros = 60 * MINUTE
DAY: Micros = 24 * HOUR


class Timer(abc.ABC):
    """A callback that waits for its time."""

    @abc.abstractmethod
    def cancel(self) -> None:
        """Forget the callback; harmless when it has run."""


class Clock(abc.ABC):
    """Time as the server sees it."""

    @abc.abstractmethod
    def now(self) -> Micros:
        """Return the present moment."""

    @abc.abstractmethod
    def call_at(self, when: Micros, callback: Callable[[], object]) -> Timer:
        """Call ``callback`` in the event loop's thread once ``when`` has come."""

    async def wait(self, event: asyncio.Event, until: Micros) -> None:
        """Return once ``event`` is set, which the clock itself does when ``until`` has come."""
        timer = self.call_at(until, event.set)
        try:
            await event.wait()
        finally:
            timer.cancel()

    def timeout(self, until: Micros) -> AbstractAsyncContextManager[object]:
        """Bound a block: TimeoutError is raised in it once ``until`` has come."""
        return _Timeout(self, until)


class _Timeout(AbstractAsyncContextManager[object]):
    """``asyncio.timeout`` by another clock; a class, for a generator would hold its own error."""

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
    """The machine's clock."""

    def now(self) -> Micros:
        """Return the machine's time."""
        return time.time_ns() // 1_000  # noqa: TID251 - this file is the clock

    def call_at(self, when: Micros, callback: Callable[[], object]) -> Timer:
        """Call ``callback`` in the running loop once ``when`` has come."""
        delay = max(0, when - self.now()) / SECOND
        return _LoopTimer(asyncio.get_running_loop().call_later(delay, callback))

    def timeout(self, until: Micros) -> AbstractAsyncContextManager[object]:
        """Bound a block, with asyncio's own means: this is on the way of every attempt."""
        return asyncio.timeout(max(0, until - self.now()) / SECOND)  # noqa: TID251 - the clock


class _ManualTimer(Timer):
    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class ManualClock(Clock):
    """A clock that stands still until it is moved; for tests, ours and the user's."""

    def __init__(self, start: Micros = 1_700_000_000 * SECOND) -> None:
        self._now = start
        self._order = itertools.count()
        self._timers: list[tuple[Micros, int, _ManualTimer]] = []

    def now(self) -> Micros:
        """Return the time it was moved to."""
        return self._now

    def call_at(self, when: Micros, callback: Callable[[], object]) -> Timer:
        """Call ``callback`` when the clock is moved to ``when`` or beyond; never before."""
        timer = _ManualTimer(callback)
        heapq.heappush(self._timers, (max(when, self._now + 1), next(self._order), timer))
        return timer

    def advance(self, by: Micros) -> None:
        """Move ahead, calling back on the way whatever waits, each at its own time."""
        target = self._now + by
        while self._timers and self._timers[0][0] <= target:
            self._now, _, timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                timer.callback()
        self._now = target
