"""The life of a task, and what an outcome makes of it.

    state        what it means                                   where it is kept
    ---------    --------------------------------------------    -----------------------------
    scheduled    waits for its time, a token and a free slot     task row without a claim
    granted      RunTask: an attempt that waits for a server     claim row without a server
    dispatched   an attempt is in flight on a server             claim row with a server
    gone         completed, failed for good, deleted or          no row; a tombstone if the
                 purged                                          creator had named it

    from         by                                              to
    ---------    --------------------------------------------    -----------------------------
    scheduled    claim_due                                       dispatched
    scheduled    run_task                                        granted
    granted      claim_due                                       dispatched
    dispatched   settle with Completed or Failed                 gone
    dispatched   settle with Retry                               scheduled
    dispatched   release (its server stops or died)              scheduled
    scheduled    sweep (older than the retention)                gone
    any          delete_task, purge_queue, delete_queue          gone

A task that is older than the retention is not claimed any more; an attempt that began before
decides on it.

RunTask may put a second attempt of a task in flight beside the first. A success ends the task;
of failures the last decides, so that what has failed for good has no attempt in flight that could
still succeed. The retries may exceed max_attempts by those that were in flight.

An attempt in flight outlives the deletion of its task: it still counts against the queue's
concurrency until it ends, and then changes nothing.
"""

import dataclasses
import enum

from drayman.core import retry
from drayman.core.back_pressure import Signal
from drayman.core.clock import Micros
from drayman.core.delivery import Outcome
from drayman.core.history import AttemptRecord
from drayman.core.queue import Queue, RetryConfig
from drayman.core.retry_hint import RetryHint
from drayman.core.status import Code
from drayman.core.task import Task


class Verdict(enum.Enum):
    """What becomes of a task when an attempt ends."""

    COMPLETED = "completed"
    RETRY = "retry"
    FAILED = "failed"


class SettleResult(enum.Enum):
    """What a verdict came to, as the store found the task."""

    SETTLED = "settled"
    """It is as the verdict has it."""
    SUPERSEDED = "superseded"
    """Another attempt of the task, by RunTask, decides."""
    GONE = "gone"
    """The task was deleted meanwhile, or the claim was not held any more."""


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """The right to make one attempt.

    Attributes:
        number: Its number, never used again; the fence against answers from the past.
        queue: The task's queue as it was at that time.
        task: The task, this attempt counted in its ``dispatch_count``.
        forced_at: When RunTask asked for the attempt, None for a scheduled one.
    """

    number: int
    queue: Queue
    task: Task
    forced_at: Micros | None = None

    @property
    def due(self) -> Micros:
        """When the attempt was due."""
        last = self.task.last_attempt
        return self.task.schedule_time if last is None else last.schedule_time


@dataclasses.dataclass(frozen=True, slots=True)
class AttemptResult:
    """The end of an attempt, as the store notes it.

    Attributes:
        claim: The claim's number.
        verdict: What becomes of the task.
        reason: Why a failed task is given up, in words.
        schedule_time: When a task is tried again.
        response_time: When the attempt ended.
        code: How it ended.
        message: The same in words.
        responded: Whether there was an answer.
        executed: Whether the answer was not 5xx.
        previous_response: What the next attempt will tell the target.
        signal: What the attempt says of the target.
        attempt: Which attempt of its task it was, from 1.
        hold: Until when the target asked to be left alone, 0 if it did not.
        record: The attempt in full, None for one that is not kept.
    """

    claim: int
    verdict: Verdict
    reason: str
    schedule_time: Micros
    response_time: Micros
    code: Code
    message: str
    responded: bool
    executed: bool
    previous_response: int
    signal: Signal = Signal.NONE
    attempt: int = 1
    hold: Micros = 0
    record: AttemptRecord | None = None


_NOTHING = RetryHint()


def decide(
    claim: Claim,
    outcome: Outcome,
    retry_config: RetryConfig,
    *,
    retention: Micros,
    now: Micros,
    said: RetryHint = _NOTHING,
) -> AttemptResult:
    """Return what an outcome, and what the handler said with it, make of a task."""
    verdict, schedule_time, reason = _verdict(claim, outcome, retry_config, retention, now, said)
    return AttemptResult(
        claim=claim.number,
        verdict=verdict,
        reason=reason,
        schedule_time=schedule_time,
        response_time=now,
        code=outcome.code,
        message=outcome.message,
        responded=outcome.responded,
        executed=outcome.executed,
        previous_response=outcome.previous_response,
        signal=outcome.signal,
        attempt=claim.task.dispatch_count,
        hold=said.not_before or 0,
    )


def with_record(settlement: AttemptResult, claim: Claim, target: str, answer: str) -> AttemptResult:
    """Return a settlement with its attempt in full."""
    task, again = claim.task, settlement.verdict is Verdict.RETRY
    last = task.last_attempt
    record = AttemptRecord(
        task=task.name,
        target=target,
        number=task.dispatch_count,
        responses=task.response_count + settlement.responded,
        schedule_time=claim.due,
        dispatch_time=settlement.response_time if last is None else last.dispatch_time,
        response_time=settlement.response_time,
        code=settlement.code,
        message=settlement.message,
        verdict=settlement.verdict.value,
        reason=settlement.reason,
        retry_time=settlement.schedule_time if again else None,
        answer=answer,
    )
    return dataclasses.replace(settlement, record=record)


def as_it_came(record: AttemptRecord, fate: SettleResult) -> AttemptRecord:
    """Return the record of an attempt that says what became of its task."""
    if fate is SettleResult.SETTLED:
        return record
    return dataclasses.replace(record, verdict=fate.value, reason="", retry_time=None)


def _verdict(
    claim: Claim,
    outcome: Outcome,
    config: RetryConfig,
    retention: Micros,
    now: Micros,
    said: RetryHint,
) -> tuple[Verdict, Micros, str]:
    task = claim.task
    if outcome.success:
        return Verdict.COMPLETED, task.schedule_time, ""
    if said.never:
        return Verdict.FAILED, task.schedule_time, "its handler refused it"
    decision = retry.decide(
        config,
        attempts=task.dispatch_count,
        first_attempt_at=now if task.first_dispatch_time is None else task.first_dispatch_time,
        now=now,
        anchor=now if claim.forced_at is None else claim.forced_at,
    )
    if isinstance(decision, retry.GiveUp):
        return Verdict.FAILED, task.schedule_time, decision.reason
    time = max(decision.time, said.not_before or now) if said.at is None else said.at
    time = max(time, now)
    if time > task.create_time + retention:
        return Verdict.FAILED, task.schedule_time, "it would outlive its retention"
    return Verdict.RETRY, time, ""
