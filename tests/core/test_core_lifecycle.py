"""What becomes of a task after an attempt."""

import pytest

from drayman.core import delivery, lifecycle
from drayman.core.clock import DAY, HOUR, SECOND
from drayman.core.delivery import Failure, Kind, NoResponse, Response
from drayman.core.lifecycle import Claim, Verdict
from drayman.core.queue import Queue, RetryConfig
from drayman.core.retry_hint import RetryHint
from drayman.core.task import Task

NOW = 1_700_000_000 * SECOND
RETENTION = 31 * DAY
QUEUE = "projects/p/locations/l/queues/mail"
CONFIG = RetryConfig(max_attempts=3, min_backoff=10 * SECOND)
TASK = Task(
    name=f"{QUEUE}/tasks/t",
    create_time=NOW - HOUR,
    schedule_time=NOW - 2 * SECOND,
    request=b"",
    dispatch_count=1,
    first_dispatch_time=NOW - SECOND,
)


def decide(result, *, config=CONFIG, forced_at=None, **changes):
    task = TASK._replace(**changes)
    claim = Claim(7, Queue(QUEUE), task, forced_at)
    outcome = delivery.outcome(Kind.HTTP, result)
    return lifecycle.decide(claim, outcome, config, retention=RETENTION, now=NOW)


def test_a_success_completes_the_task():
    decided = decide(Response(204), dispatch_count=100)
    assert decided.verdict is Verdict.COMPLETED


def test_a_failure_is_retried_after_its_backoff_from_now():
    decided = decide(Response(500), dispatch_count=2)
    assert decided.verdict is Verdict.RETRY
    assert decided.schedule_time == NOW + 20 * SECOND


def test_the_last_failure_ends_the_task_and_says_why():
    decided = decide(Response(500), dispatch_count=3)
    assert (decided.verdict, decided.reason) == (Verdict.FAILED, "all 3 attempts failed")


def test_a_forced_attempt_is_followed_by_a_delay_from_the_call():
    decided = decide(Response(500), forced_at=NOW - 4 * SECOND)
    assert decided.schedule_time == NOW + 6 * SECOND


def test_a_retry_is_never_scheduled_in_the_past():
    decided = decide(Response(500), forced_at=NOW - HOUR)
    assert decided.schedule_time == NOW


@pytest.mark.parametrize(
    ("hint", "delay"),
    [
        (RetryHint(not_before=NOW + 15 * SECOND), 15),
        (RetryHint(not_before=NOW + 5 * SECOND), 10),  # a longer backoff wins
        (RetryHint(at=NOW + 5 * SECOND), 5),
        (RetryHint(at=NOW + 5 * SECOND, not_before=NOW + 15 * SECOND), 5),
    ],
)
def test_a_retry_hint_wins_over_the_backoff(hint, delay):
    claim = Claim(7, Queue(QUEUE), TASK._replace(dispatch_count=1))
    outcome = delivery.outcome(Kind.HTTP, Response(503))
    decided = lifecycle.decide(claim, outcome, CONFIG, retention=RETENTION, now=NOW, hint=hint)
    assert decided.schedule_time == NOW + delay * SECOND


@pytest.mark.parametrize(("spare", "verdict"), [(0, Verdict.RETRY), (-1, Verdict.FAILED)])
def test_a_retry_beyond_the_retention_fails_the_task(spare, verdict):
    config = RetryConfig(max_attempts=-1, min_backoff=10 * SECOND)
    created = NOW + 10 * SECOND - RETENTION + spare
    decided = decide(Response(500), config=config, create_time=created)
    assert decided.verdict is verdict
    assert decided.reason == ("it would outlive its retention" if spare else "")


def test_the_duration_counts_from_the_first_attempt():
    config = RetryConfig(max_attempts=-1, max_retry_duration=HOUR)
    lasting = decide(Response(500), config=config, first_dispatch_time=NOW - HOUR + 1)
    over = decide(Response(500), config=config, first_dispatch_time=NOW - HOUR)
    assert (lasting.verdict, over.verdict) == (Verdict.RETRY, Verdict.FAILED)


@pytest.mark.parametrize(
    "result", [Response(200), Response(503), Response(404), NoResponse(Failure.DEADLINE, "late")]
)
def test_a_result_contains_the_claim_and_the_whole_outcome(result):
    decided = decide(result)
    assert decided.outcome == delivery.outcome(Kind.HTTP, result)
    assert (decided.claim.number, decided.end_time) == (7, NOW)
