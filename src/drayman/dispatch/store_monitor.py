"""The monitor of the store: has it inspected, and emits an event when its condition changes."""

from drayman.core import errors
from drayman.core.clock import SECOND, Clock, Micros
from drayman.core.events import Emit, StoreConditionChanged
from drayman.dispatch.periodic import Periodic
from drayman.store.contract import Store

INTERVAL: Micros = SECOND // 2
"""The pause between two inspections: a replaced database is noticed within a second."""


class StoreMonitor(Periodic):
    """Monitors a store."""

    def __init__(self, store: Store, clock: Clock, emit: Emit) -> None:
        super().__init__(clock)
        self._store = store
        self._emit = emit
        self._problem = ""

    async def step(self) -> Micros:
        """Inspect the store once; return how long to pause before the next inspection."""
        problem = ""
        try:
            await self._store.inspect()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the store's condition
            problem = errors.describe(error)
        if problem != self._problem:
            self._problem = problem
            self._emit(StoreConditionChanged(problem))
        return INTERVAL
