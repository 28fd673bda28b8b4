"""The counts of queues for metrics: read from the store when the metrics are read.

However often metrics are read, the store is asked at most once in ``INTERVAL``. Each question is
small, so that calls of the API wait for none of them.
"""

import asyncio
import operator
from collections.abc import Collection, Sequence
from typing import NamedTuple

from drayman.core.clock import SECOND, Clock, Micros
from drayman.core.errors import NotFound
from drayman.observe.rates import QueueRates
from drayman.store.contract import QueueCounts, QueueStats, Store, StoreSize

INTERVAL: Micros = 5 * SECOND
"""How long counts are used again."""
MAX_COUNTED = 10_000
"""The most queues whose tasks are counted, the first ones by name."""
_TOGETHER = 10
"""The queues whose statistics are read in one group of calls."""
_PAGE = 500
"""The queues that one call of the store counts."""


class OtherQueues(NamedTuple):
    """The sum of the queues that metrics do not name.

    Attributes:
        queues: How many they are.
        tasks: Their tasks.
        in_flight: Their attempts in flight, on all servers.
    """

    queues: int
    tasks: int
    in_flight: int


class StoreCounts(NamedTuple):
    """What metrics say about the store.

    Attributes:
        time: When it was read.
        queues: The statistics of the queues that metrics name.
        others: The sum of all other queues.
        size: The size of the database.
    """

    time: Micros
    queues: list[QueueStats]
    others: OtherQueues
    size: StoreSize


class QueueCountReader:
    """Reads counts from the store, and gives names to queues."""

    def __init__(self, store: Store, clock: Clock, rates: QueueRates) -> None:
        self._store = store
        self._clock = clock
        self._rates = rates
        self._lock = asyncio.Lock()
        self._last: StoreCounts | None = None

    async def read(self) -> StoreCounts:
        """Return the counts, at most ``INTERVAL`` old. Unavailable, ResourceExhausted."""
        async with self._lock:
            now = self._clock.now()
            if self._last is None or not self._last.time <= now < self._last.time + INTERVAL:
                self._last = await self._read(now)
            return self._last

    async def _read(self, now: Micros) -> StoreCounts:
        rates, named = self._rates, set(self._rates.named)
        counts = await self._count()
        if len(counts) < MAX_COUNTED:
            rates.forget(named - {each.name for each in counts})
        rates.name(_busiest(counts, rates.names_left, rates.named), now)
        queues = await self._list_stats(sorted(rates.named), now)
        shown = {each.queue.name for each in queues}
        others = _sum([each for each in counts if each.name not in shown])
        return StoreCounts(now, queues, others, await self._store.size())

    async def _count(self) -> list[QueueCounts]:
        counts: list[QueueCounts] = []
        while len(counts) < MAX_COUNTED:
            page = await self._store.count_queues(counts[-1].name if counts else "", _PAGE)
            counts += page
            if len(page) < _PAGE:
                break
        return counts

    async def _list_stats(self, names: Sequence[str], now: Micros) -> list[QueueStats]:
        stats: list[QueueStats | None] = []
        for start in range(0, len(names), _TOGETHER):
            some = names[start : start + _TOGETHER]
            stats += await asyncio.gather(*(self._stats(name, now) for name in some))
        return [each for each in stats if each is not None]

    async def _stats(self, name: str, now: Micros) -> QueueStats | None:
        try:
            return await self._store.queue_stats(name, now)
        except NotFound:
            return None


def _sum(counts: Collection[QueueCounts]) -> OtherQueues:
    tasks, in_flight = (sum(each.tasks for each in counts), sum(each.in_flight for each in counts))
    return OtherQueues(len(counts), tasks, in_flight)


def _busiest(counts: Collection[QueueCounts], most: int, except_: Collection[str]) -> list[str]:
    """Return the names of the queues with the most tasks."""
    free = [each for each in counts if each.name not in except_]
    free.sort(key=operator.attrgetter("tasks"), reverse=True)
    return [each.name for each in free[:most]]
