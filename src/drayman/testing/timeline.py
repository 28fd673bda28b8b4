"""Virtual time: attempts one after the other, each at the moment at which it is due."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from drayman.core import names
from drayman.core.clock import SECOND, ManualClock, Micros
from drayman.dispatch.dispatcher import Dispatcher
from drayman.testing.targets import Targets

_SHOWN = 20
"""The most requests without a response that an error names."""


class MoveError(RuntimeError):
    """The clock is not moved any further."""


class Timeline:
    """Moves the clock from one moment at which something is due to the next.

    While ``held``, which it is at first, attempts are made only by the methods below, one at a
    time: the same calls make the same attempts in the same order. Otherwise those that are due are
    made at once.
    """

    def __init__(
        self, dispatcher: Dispatcher, clock: ManualClock, targets: Targets, patience: Micros
    ) -> None:
        """Start held.

        Args:
            dispatcher: Makes the attempts; nobody else lets it run.
            clock: Its clock.
            targets: Its targets.
            patience: The real time after which a method raises TimeoutError.
        """
        self._dispatcher = dispatcher
        self._clock = clock
        self._targets = targets
        self._patience = patience
        self._lock = asyncio.Lock()
        self._busy = False
        self._interrupts = 0
        self._due = asyncio.Event()
        self._delivering: asyncio.Task[None] | None = None

    @property
    def held(self) -> bool:
        """Whether attempts wait for a method."""
        return self._delivering is None

    def on_change(self, _due: Micros) -> None:
        """Take the hint of the store that tasks may be due."""
        self._due.set()

    async def run_until(self, when: Micros, limit: int) -> int:
        """Make all attempts that are due until ``when``, and move there; return their number.

        MoveError if there are more than ``limit``.
        """
        async with self._alone() as interrupts:
            count = await self._run(interrupts, when, limit)
            self._move(when)
        return count

    async def run_all(self, limit: int) -> int:
        """Make attempts until no task is left that may have one; return their number.

        MoveError if there are more than ``limit``.
        """
        async with self._alone() as interrupts:
            return await self._run(interrupts, None, limit)

    async def run_next(self) -> bool:
        """Make the next attempt, and move to its moment; return False if there is none."""
        async with self._alone() as interrupts:
            return await self._attempt(interrupts, None)

    async def wait_until_idle(self, patience: Micros, queue: str | None = None) -> None:
        """Wait until no attempt is in flight and, unless held, none is due. TimeoutError.

        With ``queue``, a full name or an id, only attempts of the queues with its id count.
        """
        queue_id = None if queue is None else names.short_id(queue)
        async with self._timeout(patience, "not idle"):
            await self._settle(queue_id)
            while not self.held and await self._start_due(queue_id):
                await self._settle(queue_id)

    async def interrupt(self) -> None:
        """Hold, cancel the attempts in flight, and end the move that goes on, with MoveError."""
        await self.hold()
        self._interrupts += 1
        await self._dispatcher.cancel()
        async with self._lock:
            pass

    def deliver_at_once(self) -> None:
        """Make attempts as soon as they are due."""
        if self._delivering is None:
            self._due.set()
            self._delivering = asyncio.get_running_loop().create_task(self._deliver())

    async def hold(self) -> None:
        """Make attempts only when asked."""
        delivering, self._delivering = self._delivering, None
        if delivering is not None:
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)

    async def _deliver(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            await asyncio.shield(self._start_due())

    async def _start_due(self, queue_id: str | None = None) -> bool:
        """Start the attempts that are due; return whether there were any."""
        async with self._lock:
            before = self._in_flight(queue_id)
            await self._dispatcher.step()
            return self._in_flight(queue_id) > before

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[int]:
        """Keep others from making attempts; yield the number of interrupts so far.

        MoveError if somebody moves the clock already, TimeoutError after the patience.
        """
        if self._busy:
            raise MoveError(
                "The clock is being moved already; a handler of a delivery cannot move it."
            )
        self._busy = True
        try:
            async with self._timeout(self._patience, "no end"), self._lock:
                yield self._interrupts
        finally:
            self._busy = False

    @contextlib.asynccontextmanager
    async def _timeout(self, patience: Micros, state: str) -> AsyncIterator[None]:
        """Raise TimeoutError, with the requests that are waited for, after real time.

        Only the time of the event loop counts: a test may freeze that of the system.
        """
        try:
            async with asyncio.timeout(patience / SECOND):  # noqa: TID251 - no clock to agree with
                yield
        except TimeoutError:
            urls = [each.url for each in self._targets.deliveries if each.unanswered]
            shown = f"{urls[:_SHOWN]}" + (f" and {len(urls) - _SHOWN} more" * (len(urls) > _SHOWN))
            raise TimeoutError(
                f"{state} after {patience / SECOND:g} s; requests without a response: {shown}"
            ) from None

    async def _run(self, interrupts: int, until: Micros | None, limit: int) -> int:
        count = 0
        while await self._attempt(interrupts, until):
            count += 1
            if count > limit:
                raise MoveError(
                    f"more than {limit} attempts: a task may fail for ever or enqueue itself; "
                    "pass a higher limit if that is right"
                )
        return count

    async def _attempt(self, interrupts: int, until: Micros | None) -> bool:
        """Make the next attempt that is due by ``until``, and move to it; False for none."""
        await self._settle()
        while True:
            self._check_interrupts(interrupts)
            before = self._dispatcher.in_flight
            due = await self._dispatcher.step(1)
            if self._dispatcher.in_flight > before:
                await self._settle()
                return True
            self._check_interrupts(interrupts)
            moment = self._next_moment(due)
            if moment is None or (until is not None and moment > until):
                return False
            self._move(moment)
            await self._settle()

    def _check_interrupts(self, before: int) -> None:
        if self._interrupts != before:
            raise MoveError("A reset has ended the move of the clock.")

    def _next_moment(self, due: Micros | None) -> Micros | None:
        """Return when to claim again: at ``due`` or when an attempt reaches its deadline."""
        moments = [each for each in (due, self._dispatcher.next_deadline) if each is not None]
        return max(min(moments), self._clock.now() + 1) if moments else None

    async def _settle(self, queue_id: str | None = None) -> None:
        """Wait until every attempt has ended, except those whose target will not respond."""
        ended = self._dispatcher.ended
        while self._in_flight(queue_id) > self._waiting(queue_id) or self._is_expiring():
            ended.clear()
            await ended.wait()

    def _in_flight(self, queue_id: str | None) -> int:
        if queue_id is None:
            return self._dispatcher.in_flight
        by_queue = self._dispatcher.in_flight_by_queue
        return sum(n for name, n in by_queue.items() if names.short_id(name) == queue_id)

    def _waiting(self, queue_id: str | None) -> int:
        waiting = self._targets.waiting
        return waiting.total() if queue_id is None else waiting[queue_id]

    def _is_expiring(self) -> bool:
        deadline = self._dispatcher.next_deadline
        return deadline is not None and deadline <= self._clock.now()

    def _move(self, when: Micros) -> None:
        self._clock.advance(max(0, when - self._clock.now()))
        self._due.set()
