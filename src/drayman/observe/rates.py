"""Rates of queues: a subscriber that counts what this server does, in memory.

A server on a shared store counts its own calls and attempts; the sum over all servers is the rate
of the queue. A restart begins at zero.
"""

import collections
from collections.abc import Mapping, Sequence

from drayman.core.clock import Micros
from drayman.core.events import AttemptEnded, Event, TasksCreated
from drayman.core.lifecycle import SettleResult, Verdict
from drayman.core.rates import BUCKET, NO_HISTORY, NO_RATES, RateCounter, Rates, Transition
from drayman.core.task import Task

MAX_QUEUES = 10_000
"""The most queues that are counted, 3 KB each; those without activity for longest are dropped."""
# Names of this module are found faster than members of an enumeration: each task passes here.
_SETTLED, _COMPLETED, _RETRY = SettleResult.SETTLED, Verdict.COMPLETED, Verdict.RETRY
_TASK_CREATED, _TASK_COMPLETED, _TASK_FAILED, _TASK_RETRIED = Transition


class QueueRates:
    """Counts transitions of tasks by queue."""

    def __init__(self, max_queues: int = MAX_QUEUES) -> None:
        self._max_queues = max_queues
        self._counters: collections.OrderedDict[str, RateCounter] = collections.OrderedDict()

    def record(self, event: Event) -> None:
        """Count an event, if it is a transition of tasks."""
        if type(event) is AttemptEnded:
            if event.settled is _SETTLED:
                result = event.result
                self._count(result.claim.queue.name, _end(result.verdict), 1, result.end_time)
        elif type(event) is TasksCreated:
            created = [type(each) for each in event.results].count(Task)
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

    def _count(self, queue: str, transition: Transition, count: int, now: Micros) -> None:
        counter, bucket = self._counters.get(queue), now // BUCKET
        if counter is None:
            counter = self._add(queue, now)
        elif bucket > counter.bucket:
            self._counters.move_to_end(queue)
            counter.advance(bucket)
        counter.present[transition] += count

    def _add(self, queue: str, now: Micros) -> RateCounter:
        if len(self._counters) >= self._max_queues:
            self._counters.popitem(last=False)
        counter = self._counters[queue] = RateCounter(now)
        return counter


def _end(verdict: Verdict) -> Transition:
    if verdict is _COMPLETED:
        return _TASK_COMPLETED
    return _TASK_RETRIED if verdict is _RETRY else _TASK_FAILED
