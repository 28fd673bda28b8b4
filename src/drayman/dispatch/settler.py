"""The settler: applies the results of attempts; those that end together share one call."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from drayman.core import errors
from drayman.core.clock import SECOND, Clock, Micros
from drayman.core.delivery import Kind
from drayman.core.events import AttemptEnded, Emit, StoreFailed
from drayman.core.lifecycle import AttemptResult, SettleResult
from drayman.store.contract import Store

RETRY_INTERVAL: Micros = 1 * SECOND
"""The pause before a failed call of the store is repeated."""


class Ended(NamedTuple):
    """An attempt that has ended, with what its event says.

    Attributes:
        result: Its result.
        duration: How long it took.
        kind: The kind of its target.
        max_attempts: The number of attempts after which its task fails for good.
    """

    result: AttemptResult
    duration: Micros
    kind: Kind
    max_attempts: int


class Settler:
    """Applies results. One call of the store is in progress at a time; the next batch gathers.

    A result is repeated until the store accepts it. A batch that fails is repeated result by
    result, so that one which can never be applied delays no other.
    """

    def __init__(
        self, store: Store, clock: Clock, emit: Emit, settled: Callable[[int], object]
    ) -> None:
        """Start nothing yet; ``settled`` gets the number of each claim whose result is applied."""
        self._store = store
        self._clock = clock
        self._emit = emit
        self._settled = settled
        self._waiting: list[Ended] = []
        self._work: asyncio.Task[None] | None = None
        self._repetitions: set[asyncio.Task[None]] = set()

    def add(self, ended: Ended) -> None:
        """Apply the result of an attempt."""
        self._waiting.append(ended)
        if self._work is None:  # it begins after what else this turn of the event loop brings
            self._work = asyncio.get_running_loop().create_task(self._settle_all())

    async def cancel(self) -> None:
        """Stop; results that are not applied yet are dropped."""
        tasks = [*self._repetitions, *([self._work] if self._work else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._work = None  # a task that is cancelled before it begins cannot do this itself
        self._waiting.clear()

    async def _settle_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                if not await self._settle(batch):
                    self._repeat(batch)
        finally:
            self._work = None

    async def _settle(self, batch: Sequence[Ended]) -> bool:
        """Apply results; return whether that succeeded."""
        now = self._clock.now()
        try:
            settled = await self._store.settle([ended.result for ended in batch], now)
        except Exception as error:  # noqa: BLE001 - the results must be settled
            self._emit(StoreFailed("settle", errors.describe(error)))
            return False
        for ended in batch:
            self._settled(ended.result.claim.number)
        for ended, result in zip(batch, settled, strict=True):
            event = AttemptEnded(
                ended.result,
                result or SettleResult.GONE,
                ended.duration,
                ended.kind,
                ended.max_attempts,
            )
            self._emit(event)
        return True

    def _repeat(self, batch: Sequence[Ended]) -> None:
        for ended in batch:
            task = asyncio.get_running_loop().create_task(self._settle_alone(ended))
            self._repetitions.add(task)
            task.add_done_callback(self._repetitions.discard)

    async def _settle_alone(self, ended: Ended) -> None:
        while True:
            await self._clock.wait(asyncio.Event(), self._clock.now() + RETRY_INTERVAL)
            if await self._settle([ended]):
                return
