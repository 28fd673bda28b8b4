"""One timer for many deadlines, of which nearly all are never reached.

A timer of the event loop for each costs about ten times as much.
"""

from collections.abc import Callable

from drayman.core.clock import Clock, Micros, Timer


class DeadlineTimer:
    """Calls back at the earliest of the deadlines it is given.

    Args:
        clock: Calls back.
        expire: Takes the present moment, ends what is due and returns the next deadline, or None.
    """

    def __init__(self, clock: Clock, expire: Callable[[Micros], Micros | None]) -> None:
        self._clock = clock
        self._expire = expire
        self._next: Micros | None = None
        self._timer: Timer | None = None

    def include(self, deadline: Micros) -> None:
        """Note one more deadline."""
        if self._next is None or deadline < self._next:
            self._arm(deadline)

    def cancel(self) -> None:
        """Stop."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._next = None
        self._expire = _never

    def _arm(self, deadline: Micros) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = deadline
        self._timer = self._clock.call_at(deadline, self._fire)

    def _fire(self) -> None:
        self._timer = self._next = None
        deadline = self._expire(self._clock.now())
        if deadline is not None:
            self._arm(deadline)


def _never(_now: Micros) -> None:
    return None
