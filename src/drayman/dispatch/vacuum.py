"""Vacuum: gives free space of the database back to the disk while nobody uses the store."""

from drayman.core import errors
from drayman.core.clock import SECOND, Clock, Micros
from drayman.core.events import Emit, StoreFailed
from drayman.dispatch.periodic import Periodic
from drayman.store.contract import Store

INTERVAL: Micros = 30 * SECOND
"""The pause when there is no space to give back."""
STEP_PAUSE: Micros = SECOND // 20
"""The pause between two steps."""
BUSY_PAUSE: Micros = SECOND
"""The pause when the store is in use."""


class Vacuum(Periodic):
    """Vacuums a store step by step."""

    def __init__(self, store: Store, clock: Clock, emit: Emit) -> None:
        super().__init__(clock)
        self._store = store
        self._emit = emit

    async def step(self) -> Micros:
        """Vacuum once if the store is idle; return how long to pause before the next step."""
        if not self._store.idle:
            return BUSY_PAUSE
        try:
            more = await self._store.vacuum()
        except Exception as error:  # noqa: BLE001 - a later step tries again
            self._emit(StoreFailed("vacuum", errors.describe(error)))
            return INTERVAL
        return STEP_PAUSE if more else INTERVAL
