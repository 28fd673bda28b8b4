"""Fairness between connections: how much each may do in one turn of the event loop."""

import asyncio
from collections import deque
from collections.abc import Callable

from drayman.edge import limits

Work = Callable[[int], int]
"""Works off what a connection has read, up to about so many events; returns their number."""


class Turns:
    """Shares the turns of the event loop among the connections of a server.

    What was read is worked off in the same turn, as long as the turn has credit; the rest waits.
    Those that wait have a credit of their own in each turn: connections that send more than is
    worked off take turns, and others do not wait behind them.

    Args:
        credit: The events in one turn of connections that have just read.
    """

    def __init__(self, credit: int = limits.EVENTS_OF_TURN) -> None:
        self._credit = self._credit_of_turn = credit
        self._waiting: deque[Work] = deque()
        self._scheduled = False

    def run(self, work: Work) -> None:
        """Do work in this turn if it has credit, otherwise in one of the next."""
        if self._credit > 0:
            self._credit -= work(self._credit)
            self._schedule()
        else:
            self.wait(work)

    def wait(self, work: Work) -> None:
        """Do work in one of the next turns."""
        self._waiting.append(work)
        self._schedule()

    async def turn(self) -> None:
        """Wait for a turn of the loop in which a large message may be sent."""
        turn = asyncio.get_running_loop().create_future()

        def begin(_limit: int) -> int:
            if not turn.done():
                turn.set_result(None)
            return limits.EVENTS_OF_PIECE

        self.wait(begin)
        await turn

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        self._scheduled = False
        self._credit, credit = self._credit_of_turn, limits.WAITING_EVENTS_OF_TURN
        while self._waiting and credit > 0:
            credit -= self._waiting.popleft()(limits.EVENTS_OF_PIECE)
        if self._waiting:
            self._schedule()
