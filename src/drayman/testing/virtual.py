"""A server in virtual time, in the running event loop."""

import asyncio
from collections.abc import Callable, Sequence

from drayman.api.context import Context
from drayman.api.http import Extension
from drayman.core.clock import SECOND, ManualClock, Micros, SystemClock
from drayman.core.events import Emit
from drayman.server import Server
from drayman.settings import Settings
from drayman.testing.delivery_log import DeliveryLog
from drayman.testing.handlers import Handlers
from drayman.testing.targets import Targets
from drayman.testing.timeline import Timeline

FIRST_MOMENT: Micros = 0
LAST_MOMENT: Micros = 221_845_392_000 * SECOND
"""The clock moves within 1970 and 8999: times beyond, such as expiries, must be valid too."""


class MomentError(ValueError):
    """The clock cannot be set to a moment."""


_BACKWARDS = "time only moves forward; a reset with a start time begins again"


class VirtualServer(Server):
    """A server with a clock that its user moves, and with targets that may be scripted.

    Attributes:
        clock: Its clock.
        targets: Its targets.
        timeline: Moves the clock and makes the attempts.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        handlers: Handlers,
        start: Micros | None,
        patience: Micros,
        log: DeliveryLog,
        emit: Emit,
        extensions: Callable[[Context], Sequence[Extension]],
    ) -> None:
        """Start nothing yet.

        Args:
            settings: Its settings.
            handlers: Where functions in place of targets run.
            start: Its time; None for that of the system, which it then follows.
            patience: The real time after which a move of the clock raises TimeoutError.
            log: Records the deliveries.
            emit: Takes events.
            extensions: As of ``Server``.
        """
        self._loop = asyncio.get_running_loop()
        self._set_start(start)
        self.clock = ManualClock(self._start_time)
        self.targets = Targets(self.clock, handlers, log, self._on_waiting)
        self.timeline: Timeline
        self._patience = patience
        super().__init__(
            settings,
            clock=self.clock,
            edge_clock=SystemClock(),
            sender=self.targets,
            dispatches=False,
            emit=emit,
            extensions=extensions,
        )

    @property
    def lag(self) -> Micros:
        """How far the clock is behind the system's since its last move; 0 if it stands still."""
        if not self._follows_system:
            return 0
        return int((self._loop.time() - self._caught_up_at) * SECOND)

    async def start(self) -> None:
        """Start; return when calls are accepted. StartError."""
        await super().start()
        self.timeline = Timeline(self.dispatcher, self.clock, self.targets, self._patience)
        self.store.on_change(self.timeline.on_change)

    async def advance(self, by: Micros, limit: int) -> int:
        """Let time pass, and make the attempts that are due meanwhile; return their number.

        MomentError, MoveError if there are more attempts than ``limit``, TimeoutError.
        """
        if by < 0:
            raise MomentError(_BACKWARDS)
        end = _check(self.clock.now() + self.lag + by)
        self._catch_up()
        return await self.timeline.run_until(end, limit)

    async def advance_to(self, when: Micros, limit: int) -> int:
        """Do the same until a time."""
        if when < self.clock.now():
            raise MomentError(_BACKWARDS)
        _check(when)
        self._catch_up()
        return await self.timeline.run_until(when, limit)

    async def restart(self, start: Micros | None) -> None:
        """Delete everything, end moves of the clock and the attempts they wait for; set the time.

        Afterwards the server is as after its start. MomentError.
        """
        if start is not None:
            _check(start)  # before anything is deleted
        await self.timeline.interrupt()
        self._set_start(start)
        if self._follows_system and self._start_time >= self.clock.now():
            self.clock.advance(self._start_time - self.clock.now())
        else:  # all timers start again, which costs more, but two runs are the same
            self.clock.reset(self._start_time)
        self.targets.clear()
        await self.reset()

    async def stop(self) -> None:
        """Stop at once: no grace would pass while the clock stands still."""
        await self.timeline.hold()
        await self.dispatcher.cancel()
        await super().stop()

    def _set_start(self, start: Micros | None) -> None:
        self._follows_system = start is None
        self._catch_up()
        self._start_time = SystemClock().now() if start is None else _check(start)

    def _catch_up(self) -> None:
        """Count the lag as zero."""
        self._caught_up_at = self._loop.time()

    def _on_waiting(self) -> None:
        """Wake the timeline: an attempt waits for its deadline."""
        self.dispatcher.ended.set()


def _check(moment: Micros) -> Micros:
    if not FIRST_MOMENT <= moment < LAST_MOMENT:
        raise MomentError("the clock moves within the years 1970 and 8999 only")
    return moment
