"""The janitor: calls ``sweep`` of the store, in small steps."""

from drayman.core import errors
from drayman.core.clock import SECOND, Clock, Micros
from drayman.core.events import Emit, StoreFailed
from drayman.dispatch.periodic import Periodic
from drayman.store.contract import Store

INTERVAL: Micros = 30 * SECOND
"""The pause after a step that found less than ``BATCH`` to remove."""
BATCH = 500
"""The most rows of one step: few, because other calls of the store wait meanwhile."""
BATCH_PAUSE: Micros = SECOND // 20
"""The pause after a step that removed ``BATCH`` rows."""


class Janitor(Periodic):
    """Sweeps a store periodically."""

    def __init__(self, store: Store, clock: Clock, emit: Emit) -> None:
        super().__init__(clock)
        self._store = store
        self._emit = emit

    async def step(self) -> Micros:
        """Sweep once; return how long to pause before the next step."""
        try:
            removed = await self._store.sweep(self._clock.now(), BATCH)
        except Exception as error:  # noqa: BLE001 - the next step tries again
            self._emit(StoreFailed("sweep", errors.describe(error)))
            return INTERVAL
        return INTERVAL if removed < BATCH else BATCH_PAUSE
