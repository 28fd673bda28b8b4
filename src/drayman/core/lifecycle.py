"""The life of a task: its states, and how the outcome of an attempt changes them.

    state        meaning                                         stored as
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

A task older than the retention is no longer claimed. If an attempt of it is in flight, the outcome
of that attempt still decides.

RunTask may put a second attempt of a task in flight beside the first. A success completes the
task. Of several failures the last one decides, so that a task never fails for good while another
attempt of it could still succeed. Its attempts may exceed max_attempts by those in flight.

An attempt in flight outlives the deletion of its task: it counts against the queue's concurrency
until it ends, and then changes nothing.
"""

import dataclasses
import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from drayman.core import retry
from drayman.core.clock import Micros
from drayman.core.delivery import Outcome
from drayman.core.queue import Queue, RetryConfig
from drayman.core.retry_hint import RetryHint
from drayman.core.task import Task


class Verdict(enum.Enum):
    """What becomes of a task when an attempt ends."""

    COMPLETED = "completed"
    RETRY = "retry"
    FAILED = "failed"


class SettleResult(enum.Enum):
    """What the store made of a verdict."""

    SETTLED = "settled"
    """The verdict was applied."""
    SUPERSEDED = "superseded"
    """Another attempt of the task, started by RunTask, decides."""
    GONE = "gone"
    """The task was deleted meanwhile, or the claim was no longer held."""


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """The right to make one attempt.

    Attributes:
        number: Its number, never used again: the fence against late results.
        queue: The task's queue when the claim was made.
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
    """How an attempt ended and what becomes of its task.

    Attributes:
        claim: The claim under which it was made.
        outcome: How it ended.
        verdict: What becomes of the task.
        end_time: When it ended.
        schedule_time: When the task is retried, if it is.
        reason: Why the task fails for good, if it does.
        hold: Until when the target asked for no requests, 0 if it did not.
        target: The method and URL that it went to.
        response_body: The beginning of the response's body.
        sampled: Whether the queue's sampling ratio selects this attempt.
    """

    claim: Claim
    outcome: Outcome
    verdict: Verdict
    end_time: Micros
    schedule_time: Micros
    reason: str = ""
    hold: Micros = 0
    target: str = ""
    response_body: str = ""
    sampled: bool = False

    @property
    def recorded(self) -> bool:
        """Whether the store records the attempt: samples, and all that end a task badly."""
        return self.sampled or self.verdict is Verdict.FAILED


_NO_HINT = RetryHint()


def decide(
    claim: Claim,
    outcome: Outcome,
    config: RetryConfig,
    *,
    retention: Micros,
    now: Micros,
    hint: RetryHint = _NO_HINT,
) -> AttemptResult:
    """Return what an outcome and the handler's retry hint make of a task."""
    verdict, schedule_time, reason = _verdict(claim, outcome, config, retention, now, hint)
    return AttemptResult(
        claim, outcome, verdict, now, schedule_time, reason, hold=hint.not_before or 0
    )


def _verdict(
    claim: Claim,
    outcome: Outcome,
    config: RetryConfig,
    retention: Micros,
    now: Micros,
    hint: RetryHint,
) -> tuple[Verdict, Micros, str]:
    task = claim.task
    if outcome.success:
        return Verdict.COMPLETED, task.schedule_time, ""
    if hint.never:
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
    time = max(decision.time, hint.not_before or now) if hint.at is None else hint.at
    time = max(time, now)
    if time > task.create_time + retention:
        return Verdict.FAILED, task.schedule_time, "it would outlive its retention"
    return Verdict.RETRY, time, ""


class EndedClaim(NamedTuple):
    """A claim that was held until now and has ended.

    Attributes:
        number: Its number.
        task: The key of its task, which may be gone.
        queue: The key of the task's queue, which may be gone.
        forced_at: When RunTask asked for the attempt, None for a scheduled one.
    """

    number: int
    task: int
    queue: int
    forced_at: Micros | None


class Continuation(NamedTuple):
    """A task that goes on after an attempt failed.

    Attributes:
        task: The key of the task.
        current: The claim that decided on the task until now.
        result: The result that is recorded in the task.
        next: The attempt that decides from now on, None if the task is scheduled again.
    """

    task: int
    current: int
    result: AttemptResult
    next: int | None


class Resolution(NamedTuple):
    """What a group of results comes to.

    Attributes:
        completed: Keys of the tasks that are done.
        failed: The deciding result of each task that failed for good, by the task's key.
        continued: The tasks that go on.
        results: What became of each verdict, by the claim's number.
    """

    completed: set[int]
    failed: dict[int, AttemptResult]
    continued: list[Continuation]
    results: dict[int, SettleResult]


def first_results(results: Iterable[AttemptResult]) -> dict[int, AttemptResult]:
    """Return the results by claim number; an attempt ends once, so the first one counts."""
    by_claim: dict[int, AttemptResult] = {}
    for result in results:
        by_claim.setdefault(result.claim.number, result)
    return by_claim


def undecided(
    ended: Sequence[EndedClaim], results: Mapping[int, AttemptResult]
) -> list[EndedClaim]:
    """Return the ended claims of tasks that no result completes."""
    completed = _completed(ended, results)
    return [claim for claim in ended if claim.task not in completed]


def resolve(
    ended: Sequence[EndedClaim],
    results: Mapping[int, AttemptResult],
    current: Mapping[int, int | None],
    remaining: Mapping[int, int],
) -> Resolution:
    """Return what becomes of the tasks whose attempts have ended together.

    ``ended`` are the claims that were held, in the order of their results. ``current`` has the
    deciding claim of each task that still exists, ``remaining`` the latest attempt that is left in
    flight of a task; both are needed for ``undecided`` claims alone.
    """
    completed = _completed(ended, results)
    held = {claim.number for claim in ended}
    # Of several failures of a task the last one counts, if its attempts were to decide at all.
    last = {
        claim.task: results[claim.number]
        for claim in ended
        if claim.task not in completed and current.get(claim.task) in held
    }
    failed = {
        task: result
        for task, result in last.items()
        if result.verdict is Verdict.FAILED and task not in remaining
    }
    continued = [
        Continuation(task, current[task] or 0, result, remaining.get(task))
        for task, result in last.items()
        if task not in failed
    ]
    deciding = {result.claim.number for task, result in last.items() if task not in remaining}
    return Resolution(
        completed,
        failed,
        continued,
        {claim.number: _settle_result(claim, completed, deciding, current) for claim in ended},
    )


def _completed(ended: Sequence[EndedClaim], results: Mapping[int, AttemptResult]) -> set[int]:
    return {claim.task for claim in ended if results[claim.number].verdict is Verdict.COMPLETED}


def _settle_result(
    claim: EndedClaim, completed: set[int], deciding: set[int], current: Mapping[int, int | None]
) -> SettleResult:
    if claim.task in completed or claim.number in deciding:
        return SettleResult.SETTLED
    return SettleResult.SUPERSEDED if claim.task in current else SettleResult.GONE
