"""The metrics of a server: a row for each, with what it reads of a state.

Names follow the conventions of Prometheus: base units, ``_total`` for counters.
"""

import dataclasses
import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from drayman.core.clock import SECOND, Micros
from drayman.core.histogram import CALL_BOUNDS, Histogram
from drayman.core.queue import State
from drayman.core.rates import Transition
from drayman.core.status import Code
from drayman.observe.meters import RESULTS, Meters
from drayman.observe.queue_counts import StoreCounts
from drayman.observe.rates import OTHER
from drayman.store.contract import GroupMeter, QueueStats, StoreLoad


class ServerState(NamedTuple):
    """What the parts of a server say about themselves.

    Attributes:
        build: The labels of the build: version, store and role.
        connections: Open connections, by protocol.
        connections_refused: Connections that were refused because there were too many.
        held: Bytes of requests and responses that are held.
        held_limit: The most of them.
        attempts: Attempts in flight.
        slots: The most of them.
        log_size: Bytes of the write-ahead log of the store.
        load: What is asked of the store.
        groups: The groups of each writer of the store.
    """

    build: Mapping[str, str]
    connections: Mapping[str, int]
    connections_refused: int
    held: int
    held_limit: int
    attempts: int
    slots: int
    log_size: int
    load: StoreLoad
    groups: Sequence[GroupMeter]


@dataclasses.dataclass(frozen=True, slots=True)
class MetricsState:
    """What all metrics are read from.

    Attributes:
        meters: What this server has counted.
        server: What its parts say.
        store: What its store says; None if the store cannot be read.
    """

    meters: Meters
    server: ServerState
    store: StoreCounts | None


class Kind(enum.Enum):
    """A kind of metric; values are those of Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


Sample = tuple[Sequence[str], "float | Histogram | Mapping[str, str]"]
"""The values of the labels, and the value: of a histogram or info what it consists of."""


class Metric(NamedTuple):
    """A metric.

    Attributes:
        name: Its name, without ``_total`` and ``_info``.
        kind: Its kind.
        labels: The names of its labels.
        help: What it measures.
        samples: Returns its samples.
        unit: How many of a histogram's values are one of the metric's unit.
    """

    name: str
    kind: Kind
    labels: Sequence[str]
    help: str
    samples: Callable[[MetricsState], Iterable[Sample]]
    unit: int = 1

    @property
    def full_name(self) -> str:
        """The name by which it is queried; of a histogram the common part of three names."""
        return self.name + {Kind.COUNTER: "_total", Kind.INFO: "_info"}.get(self.kind, "")


def _calls(state: MetricsState) -> Iterable[Sample]:
    meters = state.meters
    handled = {key: sum(each.counts) for key, each in list(meters.calls.items())}
    for key in sorted({*handled, *meters.refused}):
        count = handled.get(key, 0) + meters.refused[key]
        if count:
            yield (key[0], Code(key[1]).name), count


def _call_durations(state: MetricsState) -> Iterable[Sample]:
    by_method: dict[str, Histogram] = {}
    for (method, _), durations in list(state.meters.calls.items()):
        by_method.setdefault(method, Histogram(CALL_BOUNDS)).merge(durations)
    return [((method,), each) for method, each in by_method.items() if any(each.counts)]


def _tasks_created(state: MetricsState) -> Iterable[Sample]:
    totals = state.meters.rates.totals()
    return [((queue,), counts[Transition.CREATED]) for queue, counts in totals.items()]


def _attempts(state: MetricsState) -> Iterable[Sample]:
    return [((queue, result), count) for queue, result, count in state.meters.results()]


def _attempt_durations(state: MetricsState) -> Iterable[Sample]:
    pairs = zip(RESULTS, state.meters.attempts, strict=True)
    return [((result,), durations.copy()) for result, durations in pairs]


def _failures(state: MetricsState) -> Iterable[Sample]:
    return [((Code(code).name,), count) for code, count in list(state.meters.failures.items())]


def _of_queues(value: Callable[[QueueStats, Micros], float]) -> Callable[..., Iterable[Sample]]:
    """Return the samples of a value of each queue that metrics name."""

    def samples(state: MetricsState) -> Iterable[Sample]:
        store = state.store
        if store is None:
            return []
        return [((each.queue.name,), value(each, store.time)) for each in store.queues]

    return samples


def _tasks(state: MetricsState) -> Iterable[Sample]:
    yield from _of_queues(lambda stats, _: stats.tasks)(state)
    if state.store is not None and state.store.others.queues:
        yield (OTHER,), state.store.others.tasks


def _in_flight(state: MetricsState) -> Iterable[Sample]:
    yield from _of_queues(lambda stats, _: stats.in_flight)(state)
    if state.store is not None and state.store.others.queues:
        yield (OTHER,), state.store.others.in_flight


def _oldest_due(stats: QueueStats, now: Micros) -> float:
    due = stats.next_schedule_time
    return 0 if due is None else max(0, now - due) / SECOND


def _store_size(state: MetricsState) -> Iterable[Sample]:
    if state.store is not None:
        used, free = state.store.size
        yield from ((("used",), used), (("free",), free), (("log",), state.server.log_size))


def _store_calls(state: MetricsState) -> Iterable[Sample]:
    load = state.server.load
    return [(("read",), load.reads), (("write",), load.writes)]


def _group_sizes(state: MetricsState) -> Iterable[Sample]:
    return [((each.writer,), each.sizes.copy()) for each in state.server.groups]


def _group_durations(state: MetricsState) -> Iterable[Sample]:
    return [((each.writer,), each.durations.copy()) for each in state.server.groups]


def _one(value: Callable[[MetricsState], float | Histogram]) -> Callable[..., Iterable[Sample]]:
    """Return the one sample of a metric without labels."""
    return lambda state: [((), value(state))]


_QUEUE = ("queue",)
METRICS = (
    Metric("drayman_build", Kind.INFO, (), "Version, store and role of this server.",
           lambda state: [((), state.server.build)]),
    Metric("drayman_calls", Kind.COUNTER, ("method", "code"),
           "Calls of the API, by their status code.", _calls),
    Metric("drayman_call_duration_seconds", Kind.HISTOGRAM, ("method",),
           "Time that calls took in their handlers.", _call_durations, SECOND),
    Metric("drayman_connections", Kind.GAUGE, ("protocol",),
           "Open connections; pending ones have not shown their protocol yet.",
           lambda state: [((name,), count) for name, count in state.server.connections.items()]),
    Metric("drayman_connections_refused", Kind.COUNTER, (),
           "Connections refused because there were too many, in all or of one address.",
           _one(lambda state: state.server.connections_refused)),
    Metric("drayman_tls_handshakes_failed", Kind.COUNTER, (),
           "Connections that ended before their TLS handshake was complete.",
           _one(lambda state: state.meters.handshakes_failed)),
    Metric("drayman_held_bytes", Kind.GAUGE, (),
           "Bytes of requests that arrive and responses that are read.",
           _one(lambda state: state.server.held)),
    Metric("drayman_held_limit_bytes", Kind.GAUGE, (), "The most of these bytes.",
           _one(lambda state: state.server.held_limit)),
    Metric("drayman_queue_tasks", Kind.GAUGE, _QUEUE,
           "Tasks in the store: waiting, and with an attempt in flight.", _tasks),
    Metric("drayman_queue_due_tasks", Kind.GAUGE, _QUEUE,
           "Tasks that wait although their time has come, counted up to 1,000.",
           _of_queues(lambda stats, _: stats.due)),
    Metric("drayman_queue_oldest_due_seconds", Kind.GAUGE, _QUEUE,
           "How long the oldest of these has been due; 0 without any.", _of_queues(_oldest_due)),
    Metric("drayman_queue_attempts_in_flight", Kind.GAUGE, _QUEUE,
           "Attempts in flight, on all servers of the store.", _in_flight),
    Metric("drayman_queue_dead_letters", Kind.GAUGE, _QUEUE,
           "Tasks that failed for good and are kept, counted up to 10,000.",
           _of_queues(lambda stats, _: stats.dead_letters)),
    Metric("drayman_queue_running", Kind.GAUGE, _QUEUE, "1, or 0 while the queue is paused.",
           _of_queues(lambda stats, _: stats.queue.state is State.RUNNING)),
    Metric("drayman_queue_max_rate", Kind.GAUGE, _QUEUE,
           "Attempts per second that the queue's own limit allows.",
           _of_queues(lambda stats, _: stats.queue.rate_limits.max_dispatches_per_second)),
    Metric("drayman_queue_effective_rate", Kind.GAUGE, _QUEUE,
           "Attempts per second that back pressure leaves to the queue.",
           _of_queues(lambda stats, _: stats.effective_rate)),
    Metric("drayman_tasks_created", Kind.COUNTER, _QUEUE,
           "Tasks that this server has created.", _tasks_created),
    Metric("drayman_attempts", Kind.COUNTER, ("queue", "result"),
           "Attempts of this server that have ended, by what became of their task: completed, "
           "retried, failed for good, superseded by another attempt, or gone before.", _attempts),
    Metric("drayman_attempt_failures", Kind.COUNTER, ("code",),
           "Attempts of this server that failed, by the status code of their outcome.", _failures),
    Metric("drayman_attempt_duration_seconds", Kind.HISTOGRAM, ("result",),
           "Time that attempts took, by what became of their task.", _attempt_durations, SECOND),
    Metric("drayman_dispatch_lateness_seconds", Kind.HISTOGRAM, (),
           "Time from the moment at which an attempt was due until it was claimed, without those "
           "of RunTask.", _one(lambda state: state.meters.lateness.copy()), SECOND),
    Metric("drayman_attempts_in_flight", Kind.GAUGE, (), "Attempts in flight on this server.",
           _one(lambda state: state.server.attempts)),
    Metric("drayman_attempt_slots", Kind.GAUGE, (), "The most of these attempts.",
           _one(lambda state: state.server.slots)),
    Metric("drayman_store_bytes", Kind.GAUGE, ("part",),
           "Size of the database: used, free, and the write-ahead log of SQLite.", _store_size),
    Metric("drayman_store_healthy", Kind.GAUGE, (),
           "1, or 0 while the store refuses calls or fails.",
           _one(lambda state: state.meters.store_healthy)),
    Metric("drayman_store_failures", Kind.COUNTER, ("verb",),
           "Operations of the store that failed for the dispatcher and are repeated.",
           lambda state: [((verb,), n) for verb, n in list(state.meters.store_failures.items())]),
    Metric("drayman_store_calls", Kind.GAUGE, ("kind",),
           "Calls that wait for the store or run in it; on PostgreSQL reads run beside writes.",
           _store_calls),
    Metric("drayman_store_reconnections", Kind.COUNTER, (),
           "Connections to PostgreSQL that were lost and opened again.",
           _one(lambda state: state.server.load.reconnections)),
    Metric("drayman_group_commit_calls", Kind.HISTOGRAM, ("writer",),
           "Calls of the store that shared a transaction.", _group_sizes),
    Metric("drayman_group_commit_duration_seconds", Kind.HISTOGRAM, ("writer",),
           "Time from the begin of such a transaction until it was committed.",
           _group_durations, SECOND),
)  # fmt: skip
"""All metrics of the server; those of its process are added by ``exposition``."""
