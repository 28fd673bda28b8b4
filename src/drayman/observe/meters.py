"""Meters: a subscriber that counts events for the metrics of a server, in memory.

What happens for each task or call is counted in plain lists, which costs a fraction of a
microsecond. Labels are bounded: methods are those of the API, codes those of gRPC, and queues those
that ``rates`` names.
"""

import collections
from collections.abc import Collection, Iterator

from drayman.core.clock import Micros, monotonic
from drayman.core.events import (
    AttemptEnded,
    CallCrashed,
    CallRefused,
    Event,
    HandshakeFailed,
    StoreConditionChanged,
    StoreFailed,
    TasksCreated,
)
from drayman.core.histogram import ATTEMPT_BOUNDS, CALL_BOUNDS, LATENESS_BOUNDS, Histogram
from drayman.core.lifecycle import SettleResult, Verdict
from drayman.core.rates import Transition
from drayman.core.status import Code
from drayman.observe.rates import OTHER, QueueRates

COMPLETED, RETRIED, FAILED, SUPERSEDED, GONE = range(5)
RESULTS = ("completed", "retried", "failed", "superseded", "gone")
"""Labels of the results of attempts, by their numbers."""
# Names of this module are found faster than members of an enumeration: each task passes here.
_SETTLED, _SUPERSEDED = SettleResult.SETTLED, SettleResult.SUPERSEDED
_COMPLETED, _RETRY = Verdict.COMPLETED, Verdict.RETRY
_OK = int(Code.OK)
_SETTLED_RESULTS = {
    "completed": Transition.COMPLETED,
    "retried": Transition.RETRIED,
    "failed": Transition.FAILED,
}


class Meters:
    """Counts what this server does since its start.

    Args:
        calls: The names of the calls of the API.
        rates: Counts the transitions of tasks by queue; gets its events from here.

    Attributes:
        rates: The same.
        calls: The durations of calls, by name and status code.
        refused: The calls that were refused before they had a handler, by name and status code.
        attempts: The durations of attempts, by the number of their result.
        lateness: How late attempts were claimed.
        failures: The attempts that failed, by status code.
        store_failures: Verbs of the store that failed in the dispatcher or the janitor, by name.
        store_healthy: Whether the store refuses no calls.
        handshakes_failed: Connections that ended before their TLS handshake was complete.
    """

    def __init__(self, calls: Collection[str], rates: QueueRates) -> None:
        self.rates = rates
        self._record_rates = rates.record
        self._names = frozenset(calls)
        self._succeeded = {name: Histogram(CALL_BOUNDS) for name in calls}
        self.calls = {(name, _OK): each for name, each in self._succeeded.items()}
        self.refused: collections.Counter[tuple[str, int]] = collections.Counter()
        self._overruled: collections.Counter[tuple[str, str]] = collections.Counter()
        self.attempts = [Histogram(ATTEMPT_BOUNDS) for _ in RESULTS]
        self.lateness = Histogram(LATENESS_BOUNDS)
        self.failures: collections.Counter[int] = collections.Counter()
        self.store_failures: collections.Counter[str] = collections.Counter()
        self.store_healthy = True
        self.handshakes_failed = 0

    def call_succeeded(self, rpc: str, began: Micros) -> None:
        """Count a call that has succeeded just now; its handler began at a monotonic time."""
        histogram = self._succeeded.get(rpc) or self._succeeded_others()
        histogram.add(monotonic() - began)

    def _succeeded_others(self) -> Histogram:
        """Return the durations of calls that are not the API's, such as signing in."""
        return self.calls.setdefault((OTHER, _OK), Histogram(CALL_BOUNDS))

    def record(self, event: Event) -> None:
        """Count an event."""
        if type(event) is TasksCreated:
            self._record_rates(event)
        elif type(event) is AttemptEnded:
            self._record_rates(event)
            self._attempt_ended(event)
        else:
            self._record_rare(event)

    def results(self) -> Iterator[tuple[str, str, int]]:
        """Yield the name of each queue, each result, and how many attempts had it."""
        overruled = collections.Counter(self._overruled)
        for queue, totals in self.rates.totals().items():
            for result in RESULTS:
                transition = _SETTLED_RESULTS.get(result)
                count = overruled[queue, result] if transition is None else totals[transition]
                yield queue, result, count

    def _attempt_ended(self, event: AttemptEnded) -> None:
        ended = event.result
        claim = ended.claim
        if event.settled is _SETTLED:
            verdict = ended.verdict
            result = (
                COMPLETED if verdict is _COMPLETED else RETRIED if verdict is _RETRY else FAILED
            )
        else:
            result = SUPERSEDED if event.settled is _SUPERSEDED else GONE
            self._overruled[self.rates.label(claim.queue.name), RESULTS[result]] += 1
        self.attempts[result].add(event.duration)
        last = claim.task.last_attempt
        if last is not None and claim.forced_at is None:
            self.lateness.add(last.dispatch_time - last.schedule_time)
        if not ended.outcome.success:
            self.failures[ended.outcome.code] += 1

    def _record_rare(self, event: Event) -> None:
        match event:
            case CallRefused(rpc=rpc, code=code, duration=duration):
                self._call_ended(rpc, code, duration)
            case CallCrashed(rpc=rpc, duration=duration):
                self._call_ended(rpc, Code.INTERNAL, duration)
            case StoreFailed(verb=verb):
                self.store_failures[verb] += 1
            case StoreConditionChanged(problem=problem):
                self.store_healthy = not problem
            case HandshakeFailed():
                self.handshakes_failed += 1

    def _call_ended(self, rpc: str, code: Code, duration: Micros | None) -> None:
        key = (rpc if rpc in self._names else OTHER, int(code))
        if duration is None:
            self.refused[key] += 1
        else:
            self.calls.setdefault(key, Histogram(CALL_BOUNDS)).add(duration)
