"""Rates of queues, from events."""

import pytest

from drayman.core import errors
from drayman.core.clock import HOUR, MINUTE, SECOND
from drayman.core.delivery import Kind, Outcome
from drayman.core.events import AttemptEnded, QueueAction, QueueChanged, TasksCreated
from drayman.core.lifecycle import AttemptResult, Claim, SettleResult, Verdict
from drayman.core.queue import Queue
from drayman.core.rates import NO_HISTORY, NO_RATES, Rates
from drayman.core.status import Code
from drayman.core.task import Task
from drayman.observe.rates import QueueRates

NOW = 1_700_000_000 * SECOND


def created(queue="q", *, refused=0, time=NOW):
    results = [Task("t", time, time, b""), *[errors.task_exists()] * refused]
    return TasksCreated(queue, [""] * len(results), results, time)


def ended(verdict, settled=SettleResult.SETTLED):
    claim = Claim(1, Queue("q"), Task("t", NOW, NOW, b""), None)
    outcome = Outcome(
        success=True,
        code=Code.OK,
        message="",
        responded=True,
        executed=True,
        previous_response=None,
    )
    result = AttemptResult(claim, outcome, verdict, NOW, NOW)
    return AttemptEnded(result, settled, SECOND, Kind.HTTP, -1)


def rates_of(*events, **options):
    rates = QueueRates(**options)
    for event in events:
        rates.record(event)
    return rates


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (created(refused=2), Rates(created=1 / 60)),
        (ended(Verdict.COMPLETED), Rates(completed=1 / 60)),
        (ended(Verdict.FAILED), Rates(failed=1 / 60)),
        (ended(Verdict.RETRY), Rates(retried=1 / 60)),
    ],
)
def test_tasks_that_are_created_and_ended_are_counted(event, expected):
    assert rates_of(event).of("q", NOW)["1m"] == expected


@pytest.mark.parametrize(
    "event",
    [
        ended(Verdict.COMPLETED, SettleResult.GONE),
        ended(Verdict.FAILED, SettleResult.SUPERSEDED),
        QueueChanged("q", QueueAction.PURGED, NOW),
        TasksCreated("q", ["t"], [errors.task_exists()], NOW),
    ],
)
def test_what_changes_no_task_is_not_counted(event):
    assert rates_of(event).of("q", NOW) == NO_RATES


def test_beyond_the_bound_the_queue_that_is_idle_for_longest_is_dropped():
    rates = rates_of(
        created("a"), created("b"), created("a", time=NOW + MINUTE), created("c"), max_queues=2
    )
    assert rates.of("a", NOW)["15m"].created == 2 / 900
    assert rates.of("b", NOW) == NO_RATES
    assert rates.of("c", NOW)["15m"].created == 1 / 900


def test_the_history_has_the_counts_of_each_complete_bucket_of_fifteen_minutes():
    rates = rates_of(created(), created(time=NOW + 5 * SECOND), ended(Verdict.COMPLETED))
    assert len(rates.history("q", NOW)) == len(NO_HISTORY) == 180
    history = rates.history("q", NOW + 10 * SECOND)
    assert [bucket[0] for bucket in history[-2:]] == [1, 1]
    assert sum(map(sum, rates.history("q", NOW + HOUR))) == 0
    assert rates.history("other", NOW) == NO_HISTORY
