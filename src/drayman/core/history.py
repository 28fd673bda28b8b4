"""What the store records of attempts and of tasks that failed for good. Google records neither."""

import dataclasses
import json
from collections.abc import Iterable
from typing import Any

from drayman.core.clock import Micros
from drayman.core.delivery import Outcome
from drayman.core.lifecycle import AttemptResult, SettleResult, Verdict
from drayman.core.status import Code
from drayman.core.task import Task

MAX_ATTEMPTS = 100_000
"""The most attempts that a store records; the oldest are removed first."""
MAX_DEAD_LETTERS = 100_000
"""The most dead letters that a store holds; the oldest are removed first."""
MAX_DEAD_LETTER_BYTES = 1 << 30
"""The most bytes that requests of dead letters take; the oldest are removed first."""
_SPREAD = 0x9E3779B1  # an odd number that scatters successive ones (Knuth, 6.4)


@dataclasses.dataclass(frozen=True, slots=True)
class AttemptRecord:
    """An attempt that ended, in full.

    Attributes:
        task: The task's full name.
        number: Which attempt of the task it was, from 1.
        response_count: Responses that the task has had so far, this one included.
        schedule_time: When it was due.
        dispatch_time: When it began.
        end_time: When it ended.
        target: The method and URL that it went to.
        outcome: How it ended.
        result: What became of the task: "completed", "retry" or "failed"; "superseded" when
            another attempt decides, "gone" when the task was deleted meanwhile.
        reason: Why the task failed for good, if it did.
        retry_time: When the task is retried, None if it is not.
        response_body: The beginning of the response's body.
    """

    task: str
    number: int
    response_count: int
    schedule_time: Micros
    dispatch_time: Micros
    end_time: Micros
    target: str
    outcome: Outcome
    result: str
    reason: str = ""
    retry_time: Micros | None = None
    response_body: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class DeadLetter:
    """A task that failed for good.

    Attributes:
        number: Its position in the order of failures.
        task: The task as it was at its end; its last attempt says how that ended. Its request is
            empty in a list without requests.
        time: When it failed for good.
        reason: Why.
        response_body: The beginning of the last response's body.
    """

    number: int
    task: Task
    time: Micros
    reason: str
    response_body: str


def record(result: AttemptResult, settled: SettleResult) -> AttemptRecord:
    """Return the record of an attempt, after the store has settled it."""
    task, applied = result.claim.task, settled is SettleResult.SETTLED
    last = task.last_attempt
    return AttemptRecord(
        task=task.name,
        number=task.dispatch_count,
        response_count=task.response_count + result.outcome.responded,
        schedule_time=result.claim.due,
        dispatch_time=result.end_time if last is None else last.dispatch_time,
        end_time=result.end_time,
        target=result.target,
        outcome=result.outcome,
        result=result.verdict.value if applied else settled.value,
        reason=result.reason if applied else "",
        retry_time=result.schedule_time if applied and result.verdict is Verdict.RETRY else None,
        response_body=result.response_body,
    )


def is_sampled(number: int, ratio: float) -> bool:
    """Return whether a sampling ratio selects an item, by its number."""
    return (number * _SPREAD % 2**32) / 2**32 < ratio


def count_expired(
    oldest: Iterable[tuple[Micros, int]], surplus: int, surplus_bytes: int, before: Micros
) -> int:
    """Return how many of the ``oldest`` dead letters, given as time and size, are to be removed.

    Those that failed up to ``before``, and as many as bring both surpluses down to zero.
    """
    count = 0
    for time, size in oldest:
        if surplus <= 0 and surplus_bytes <= 0 and time > before:
            break
        surplus, surplus_bytes, count = surplus - 1, surplus_bytes - size, count + 1
    return count


def encode(attempt: AttemptRecord) -> str:
    """Return a record as text for the store."""
    return json.dumps(dataclasses.asdict(attempt))


def decode(text: str) -> AttemptRecord:
    """Return the record of a stored text; unknown fields are ignored."""
    fields = _known(AttemptRecord, json.loads(text))
    outcome = _known(Outcome, fields["outcome"])
    return AttemptRecord(
        **fields | {"outcome": Outcome(**outcome | {"code": Code(outcome["code"])})}
    )


def _known(kind: type, fields: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in fields.items() if name in names}
