"""Rates and totals of queues: a subscriber that counts what this server does, in memory.

A server on a shared store counts its own calls and attempts; the sum over all servers is the rate
of the queue. A restart begins at zero.

Metrics name at most ``MAX_NAMED`` queues; all others together are the queue ``other``. A queue gets
its name when it is first active, or by ``name``, and keeps it until it is forgotten: the total of a
queue must not move from one name to another.
"""

import collections
import operator
from collections.abc import Iterable, Mapping, Sequence

from drayman.core.clock import Micros
from drayman.core.events import AttemptEnded, Event, TasksCreated
from drayman.core.lifecycle import SettleResult, Verdict
from drayman.core.rates import BUCKET, NO_HISTORY, NO_RATES, RateCounter, Rates, Transition

MAX_QUEUES = 10_000
"""The most queues that are counted, 3 KB each; those without activity for longest are dropped."""
MAX_NAMED = 200
"""The most queues that metrics name."""
OTHER = "other"
"""The name of all other queues."""
# Names of this module are found faster than members of an enumeration: each task passes here.
_SETTLED, _COMPLETED, _RETRY = SettleResult.SETTLED, Verdict.COMPLETED, Verdict.RETRY
_TASK_CREATED, _TASK_COMPLETED, _TASK_FAILED, _TASK_RETRIED = Transition


class QueueRates:
    """Counts transitions of tasks by queue.

    Attributes:
        named: The queues that metrics name.
    """

    def __init__(self, max_queues: int = MAX_QUEUES, max_named: int = MAX_NAMED) -> None:
        self._max_queues = max_queues
        self._max_named = max_named
        self.named: set[str] = set()
        self._dropped = [0] * len(Transition)
        self._counters: collections.OrderedDict[str, RateCounter] = collections.OrderedDict()

    def record(self, event: Event) -> None:
        """Count an event, if it is a transition of tasks."""
        if type(event) is AttemptEnded:
            if event.settled is _SETTLED:
                result = event.result
                self._count(result.claim.queue.name, _end(result.verdict), 1, result.end_time)
        elif type(event) is TasksCreated:
            created = event.created
            if created:
                self._count(event.queue, _TASK_CREATED, created, event.time)

    def of(self, queue: str, now: Micros) -> Mapping[str, Rates]:
        """Return the rates of a queue over each window, by its name."""
        counter = self._counters.get(queue)
        return NO_RATES if counter is None else counter.rates(now)

    def history(self, queue: str, now: Micros) -> Sequence[Sequence[int]]:
        """Return the counts of a queue by transition in each bucket, the earliest first."""
        counter = self._counters.get(queue)
        return NO_HISTORY if counter is None else counter.history(now)

    @property
    def names_left(self) -> int:
        """How many more queues can be named."""
        return self._max_named - len(self.named)

    def label(self, queue: str) -> str:
        """Return the name by which metrics know a queue."""
        return queue if queue in self.named else OTHER

    def totals(self) -> dict[str, list[int]]:
        """Return what was counted since the start, by the names of queues and transition."""
        totals = {OTHER: self._dropped} if any(self._dropped) else {}
        for queue, counter in self._counters.items():
            label = self.label(queue)
            totals[label] = _add(totals.get(label), counter.totals)
        return totals

    def name(self, queues: Iterable[str], now: Micros) -> None:
        """Name these queues from now on, while names are left."""
        for queue in queues:
            if queue not in self._counters:
                self._insert(queue, now)

    def forget(self, queues: Iterable[str]) -> None:
        """Drop deleted queues and their names."""
        for queue in queues:
            self._drop(queue)

    def _count(self, queue: str, transition: Transition, count: int, now: Micros) -> None:
        counter, bucket = self._counters.get(queue), now // BUCKET
        if counter is None:
            counter = self._insert(queue, now)
        elif bucket > counter.bucket:
            self._counters.move_to_end(queue)
            counter.advance(bucket)
        counter.present[transition] += count

    def _insert(self, queue: str, now: Micros) -> RateCounter:
        if len(self._counters) >= self._max_queues:
            self._drop(next(iter(self._counters)))
        if self.names_left > 0:
            self.named.add(queue)
        counter = self._counters[queue] = RateCounter(now)
        return counter

    def _drop(self, queue: str) -> None:
        counter = self._counters.pop(queue, None)
        if queue in self.named:
            self.named.discard(queue)
        elif counter is not None:  # the total of all others never falls
            self._dropped = _add(self._dropped, counter.totals)


def _add(counts: Sequence[int] | None, more: Sequence[int]) -> list[int]:
    return list(more) if counts is None else list(map(operator.add, counts, more))


def _end(verdict: Verdict) -> Transition:
    if verdict is _COMPLETED:
        return _TASK_COMPLETED
    return _TASK_RETRIED if verdict is _RETRY else _TASK_FAILED
