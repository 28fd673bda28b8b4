"""What meters count of events, and how many labels they have."""

import pytest

from drayman.core import errors
from drayman.core.clock import DAY, HOUR, MILLISECOND, SECOND, monotonic
from drayman.core.delivery import Kind, Outcome
from drayman.core.events import (
    AttemptEnded,
    CallCrashed,
    CallRefused,
    HandshakeFailed,
    StoreConditionChanged,
    StoreFailed,
    TasksCreated,
)
from drayman.core.histogram import CALL_BOUNDS, Histogram
from drayman.core.lifecycle import AttemptResult, Claim, SettleResult, Verdict
from drayman.core.queue import Queue
from drayman.core.rates import Transition
from drayman.core.status import Code
from drayman.core.task import Attempt, Task
from drayman.observe.meters import RESULTS, Meters
from drayman.observe.rates import OTHER, QueueRates

NOW = 1_700_000_000 * SECOND


def created(queue="q", *, refused=0, time=NOW):
    results = [Task("t", NOW, NOW, b""), *[errors.task_exists()] * refused]
    return TasksCreated(queue, [""] * len(results), results, time)


def ended(verdict, settled=SettleResult.SETTLED, *, queue="q", late=0, forced_at=None):
    task = Task("t", NOW, NOW, b"", last_attempt=Attempt(NOW - late, NOW))
    code = Code.OK if verdict is Verdict.COMPLETED else Code.NOT_FOUND
    outcome = Outcome(
        success=verdict is Verdict.COMPLETED,
        code=code,
        message="",
        responded=True,
        executed=True,
        previous_response=0,
    )
    claim = Claim(1, Queue(queue), task, forced_at)
    result = AttemptResult(claim, outcome, verdict, NOW, NOW)
    return AttemptEnded(result, settled, SECOND, Kind.HTTP, -1)


def meters_of(*events, **options):
    meters = Meters(["CreateTask", "GetQueue"], QueueRates(**options))
    for event in events:
        meters.record(event)
    return meters


def test_created_tasks_count_and_refused_ones_do_not():
    meters = meters_of(created(refused=2), created())
    assert meters.rates.totals()["q"][Transition.CREATED] == 2


@pytest.mark.parametrize(
    ("event", "result"),
    [
        (ended(Verdict.COMPLETED), "completed"),
        (ended(Verdict.RETRY), "retried"),
        (ended(Verdict.FAILED), "failed"),
        (ended(Verdict.FAILED, SettleResult.SUPERSEDED), "superseded"),
        (ended(Verdict.COMPLETED, SettleResult.GONE), "gone"),
    ],
)
def test_an_attempt_counts_by_what_became_of_its_task(event, result):
    meters = meters_of(created(), event)
    assert [each for each in meters.results() if each[2]] == [("q", result, 1)]
    assert meters.attempts[RESULTS.index(result)].total == SECOND


def test_failed_attempts_count_by_the_code_of_their_outcome():
    events = ended(Verdict.COMPLETED), ended(Verdict.RETRY), ended(Verdict.FAILED)
    assert meters_of(*events).failures == {Code.NOT_FOUND: 2}


def test_lateness_is_the_time_from_due_to_claimed_except_for_run_task():
    meters = meters_of(
        ended(Verdict.COMPLETED, late=3 * SECOND), ended(Verdict.COMPLETED, forced_at=NOW, late=9)
    )
    assert (sum(meters.lateness.counts), meters.lateness.total) == (1, 3 * SECOND)


def test_calls_count_by_method_and_code_with_their_duration():
    meters = meters_of(
        CallRefused("CreateTask", Code.NOT_FOUND, "no", NOW, 5),
        CallCrashed("CreateTask", ValueError(), NOW, 7),
    )
    meters.call_succeeded("CreateTask", monotonic() - HOUR)
    totals = {key: each.total for key, each in meters.calls.items() if each.total}
    assert totals.pop(("CreateTask", Code.OK)) >= HOUR
    assert totals == {
        ("CreateTask", Code.NOT_FOUND): 5,
        ("CreateTask", Code.INTERNAL): 7,
    }


def test_a_call_without_a_handler_counts_without_a_duration():
    meters = meters_of(CallRefused("CreateTask", Code.RESOURCE_EXHAUSTED, "no room", NOW))
    assert meters.refused == {("CreateTask", Code.RESOURCE_EXHAUSTED): 1}


def test_a_call_that_the_api_does_not_have_counts_as_other():
    meters = meters_of(CallCrashed("GET /made/up", ValueError(), NOW))
    assert meters.refused == {(OTHER, Code.INTERNAL): 1}


def test_queues_beyond_the_bound_count_as_other():
    meters = meters_of(
        created("a"), created("b"), created("c"), ended(Verdict.RETRY, queue="d"), max_named=2
    )
    totals = meters.rates.totals()
    assert set(totals) == {"a", "b", OTHER}
    assert totals[OTHER] == [1, 0, 0, 1]


def test_an_attempt_that_another_overrules_counts_for_its_queue_or_other():
    gone = SettleResult.GONE
    events = [created("a"), created("b"), *(ended(Verdict.RETRY, gone, queue=q) for q in "ab")]
    meters = meters_of(*events, max_named=1)
    assert {each for each in meters.results() if each[2]} == {("a", "gone", 1), (OTHER, "gone", 1)}


def test_the_name_of_a_deleted_queue_is_left_to_another():
    meters = meters_of(created("a"), created("b"), max_named=1)
    meters.rates.forget(["a"])
    meters.record(created("c"))
    assert set(meters.rates.totals()) == {OTHER, "c"}


def test_the_total_of_all_others_never_falls():
    meters = meters_of(created("a"), created("b"), max_named=1)
    meters.rates.forget(["a", "b"])
    meters.record(created("b"))
    assert meters.rates.totals() == {OTHER: [1, 0, 0, 0], "b": [1, 0, 0, 0]}


def test_the_queue_that_is_idle_for_longest_leaves_its_name():
    meters = meters_of(created("a"), created("b"), created("c"), max_queues=2, max_named=2)
    assert set(meters.rates.totals()) == {"b", "c"}


def test_queues_keep_their_names_when_others_are_named():
    meters = meters_of(created("a"), max_named=2)
    meters.rates.name(["b", "c"], NOW)
    assert meters.rates.named == {"a", "b"}
    assert meters.rates.names_left == 0


def test_totals_outlive_the_windows_of_rates():
    meters = meters_of(created("a"), created("a", time=NOW + HOUR), created("a", time=NOW + DAY))
    assert meters.rates.totals()["a"][Transition.CREATED] == 3


def test_failures_of_the_store_and_of_handshakes_count():
    meters = meters_of(
        StoreFailed("settle", "no disk"), HandshakeFailed("::1", "no"), StoreConditionChanged("bad")
    )
    assert (meters.store_failures, meters.handshakes_failed) == ({"settle": 1}, 1)
    assert not meters.store_healthy
    meters.record(StoreConditionChanged(""))
    assert meters.store_healthy


def test_a_value_counts_in_the_bucket_whose_bound_it_does_not_exceed():
    histogram = Histogram((1, 10))
    for value in (0, 1, 2, 10, 11):
        histogram.add(value)
    assert (histogram.counts, histogram.total) == ([2, 2, 1], 24)
    assert CALL_BOUNDS[:3] == (MILLISECOND // 2, MILLISECOND, 5 * MILLISECOND // 2)
