"""The life of a task: its states, and how the outcome of an attempt changes them.

    state        meaning                                         stored as
    ---------    --------------------------------------------    -----------------------------
    scheduled    waits for its schedule time and admission       task row without a claim
    granted      RunTask: an attempt that waits for a server     claim row without a server
    dispatched   an attempt is in flight on a server             claim row with a server
    gone         completed, failed for good, deleted or          no row; a tombstone if its
                 purged                                          creator named it

    from         by                                              to
    ---------    --------------------------------------------    -----------------------------
    scheduled    claim_due                                       dispatched
    scheduled    run_task                                        granted
    granted      claim_due                                       dispatched
    dispatched   settle with COMPLETED or FAILED                 gone
    dispatched   settle with RETRY                               scheduled
    dispatched   release (its server stops or died)              scheduled
    dispatched   release_unsent (its server lacks resources)     scheduled
    dispatched   release_unknown (committed, though it failed)   scheduled
    scheduled    sweep (older than the retention)                gone
    any          delete_task, purge_queue, delete_queue          gone

A task older than the retention is not claimed any more. An attempt of it that is in flight still
decides what becomes of it.

RunTask may start a second attempt of a task while the first is in flight. A success completes the
task. Of several failures the last one decides, so that a task never fails for good while another
attempt of it may succeed. The number of its attempts may exceed max_attempts by those in flight.

If a task is deleted while an attempt of it is in flight, the attempt counts against the queue's
concurrency limit until it ends. Its result then changes nothing.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from drayman.core import retry
from drayman.core.clock import Micros
from drayman.core.delivery import Outcome
from drayman.core.queue import Queue, RetryConfig
from drayman.core.retry_hint import NO_HINT, RetryHint
from drayman.core.task import Task


class Verdict(enum.Enum):
    """What becomes of a task when an attempt ends."""

    COMPLETED = "completed"
    RETRY = "retry"
    FAILED = "failed"


class SettleResult(enum.Enum):
    """What became of a result in the store."""

    SETTLED = "settled"
    """The verdict was applied."""
    SUPERSEDED = "superseded"
    """Another attempt of the task, started by RunTask, decides."""
    GONE = "gone"
    """The task was deleted meanwhile, or the claim was no longer held."""


class Claim(NamedTuple):
    """The right to make one attempt.

    Attributes:
        number: Its number. Numbers are never reused: the fence against late results.
        queue: The task's queue when the claim was made.
        task: The task. Its ``dispatch_count`` includes this attempt.
        forced_at: When RunTask granted the attempt, None for a scheduled one.
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


class AttemptResult(NamedTuple):
    """How an attempt ended and what becomes of its task.

    Attributes:
        claim: The claim of the attempt.
        outcome: How it ended.
        verdict: What becomes of the task.
        end_time: When it ended.
        schedule_time: When the task is retried, if the verdict is RETRY.
        reason: Why the task fails for good, if the verdict is FAILED.
        hold: The time of the response's ``Retry-After`` header, 0 if there is none.
        target: The method and URL of the request.
        response_body: The first bytes of the response's body.
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
        """Whether the store records the attempt: if it is sampled or has failed."""
        return self.sampled or self.verdict is not Verdict.COMPLETED


def decide(
    claim: Claim,
    outcome: Outcome,
    config: RetryConfig,
    *,
    retention: Micros,
    now: Micros,
    hint: RetryHint = NO_HINT,
    target: str = "",
    response_body: str = "",
    sampled: bool = False,
) -> AttemptResult:
    """Return the result of an attempt: its verdict, by outcome, retry policy and retry hint.

    ``target``, ``response_body`` and ``sampled`` are part of the result as they are.
    """
    verdict, schedule_time, reason = _verdict(claim, outcome, config, retention, now, hint)
    hold = hint.not_before or 0
    return AttemptResult(
        claim, outcome, verdict, now, schedule_time, reason, hold, target, response_body, sampled
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
    """A claim that was held until its result arrived.

    Attributes:
        number: Its number.
        task: The key of its task, which may no longer exist.
        queue: The key of the task's queue, which may no longer exist.
        forced_at: When RunTask granted the attempt, None for a scheduled one.
    """

    number: int
    task: int
    queue: int
    forced_at: Micros | None


class Continuation(NamedTuple):
    """A task that still exists after an attempt failed.

    Attributes:
        task: The key of the task.
        current: The number of the claim that the task referred to until now.
        result: The result to record in the task.
        next: The claim number of the attempt that decides from now on, None if the task is
            scheduled again.
    """

    task: int
    current: int
    result: AttemptResult
    next: int | None


class Resolution(NamedTuple):
    """The effect of a group of results.

    Attributes:
        completed: The keys of the tasks that completed.
        failed: The deciding result of each task that failed for good, by the task's key.
        continued: The tasks that still exist.
        results: What became of each result, by claim number.
    """

    completed: set[int]
    failed: dict[int, AttemptResult]
    continued: list[Continuation]
    results: dict[int, SettleResult]


def first_results(results: Iterable[AttemptResult]) -> dict[int, AttemptResult]:
    """Return the first result of each claim, by claim number; later ones do not count."""
    by_claim: dict[int, AttemptResult] = {}
    for result in results:
        by_claim.setdefault(result.claim.number, result)
    return by_claim


def undecided(
    ended: Sequence[EndedClaim], results: Mapping[int, AttemptResult]
) -> list[EndedClaim]:
    """Return the ended claims whose tasks are not completed by any result."""
    completed = _completed(ended, results)
    return [claim for claim in ended if claim.task not in completed]


def resolve(
    ended: Sequence[EndedClaim],
    results: Mapping[int, AttemptResult],
    current: Mapping[int, int | None],
    remaining: Mapping[int, int],
) -> Resolution:
    """Return the effect of results that are settled together.

    Args:
        ended: The claims that were held, in the order of their results.
        results: The results by claim number; has at least those of ``ended``.
        current: For each task that still exists, the claim that decides on it, None if it is
            scheduled.
        remaining: For each task with another attempt in flight, the claim number of the latest.

    ``current`` and ``remaining`` need only the tasks of ``undecided`` claims.
    """
    completed = _completed(ended, results)
    held = {claim.number for claim in ended}
    # Of several failures of a task the last one decides, provided that one of its ended attempts
    # was the deciding one.
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
