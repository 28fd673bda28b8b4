"""The janitor: removes purged tasks, old tasks and expired tombstones, in small steps."""

import asyncio

from drayman.core import errors
from drayman.core.clock import SECOND, Clock, Micros
from drayman.core.events import Emit, StoreFailed
from drayman.store.contract import Store

INTERVAL: Micros = 30 * SECOND
"""How often to look when there was nothing more to do."""
BATCH = 500
"""How much one step removes: small, for everyone else waits meanwhile."""
BATCH_PAUSE: Micros = SECOND // 20
"""The pause between two full steps."""


class Janitor:
    """Sweeps one store."""

    def __init__(self, store: Store, clock: Clock, emit: Emit) -> None:
        self._store = store
        self._clock = clock
        self._emit = emit
        self._stopping = False
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Sweep until ``stop`` is called."""
        while not self._stopping:
            self._wake.clear()
            pause = await self.step()
            await self._clock.wait(self._wake, self._clock.now() + pause)

    async def step(self) -> Micros:
        """Take one step; return how long to pause."""
        try:
            removed = await self._store.sweep(self._clock.now(), BATCH)
        except Exception as error:  # noqa: BLE001 - sweeping goes on, whatever happens
            self._emit(StoreFailed("sweep", errors.describe(error)))
            return INTERVAL
        return INTERVAL if removed < BATCH else BATCH_PAUSE

    def stop(self) -> None:
        """Stop sweeping."""
        self._stopping = True
        self._wake.set()
