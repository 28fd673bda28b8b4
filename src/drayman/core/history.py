"""Records of attempts, and dead letters: tasks that failed for good.

Both are extensions of this project.
"""

import dataclasses
import json
from collections.abc import Iterable, Sequence
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
"""The most bytes of all requests of dead letters; the oldest are removed first."""
_HASH_FACTOR = 0x9E3779B1  # multiplicative hashing (Knuth, 6.4)


@dataclasses.dataclass(frozen=True, slots=True)
class AttemptRecord:
    """The record of an attempt that ended.

    Attributes:
        task: The task's full name.
        number: Its number among the attempts of the task, from 1.
        response_count: The number of responses that the task has had, including this one.
        schedule_time: When it was due.
        dispatch_time: When it started.
        end_time: When it ended.
        target: The method and URL of the request.
        outcome: How it ended.
        result: What became of the task: "completed", "retry" or "failed"; "superseded" when
            another attempt decides, "gone" when the task was deleted meanwhile.
        reason: Why the task failed for good, "" if it did not.
        retry_time: When the task is retried, None if it is not.
        response_body: The first bytes of the response's body.
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
        task: The task in its last state, including its last attempt. Its request is empty in a
            list without requests.
        time: When it failed for good.
        reason: Why it failed for good.
        response_body: The first bytes of the last response's body.
    """

    number: int
    task: Task
    time: Micros
    reason: str
    response_body: str


def record(result: AttemptResult, settled: SettleResult) -> AttemptRecord:
    """Return the record of an attempt that the store has settled."""
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
    """Return whether an item is sampled: a fixed choice by its number, at the given ratio."""
    return ratio > 0 and (number * _HASH_FACTOR % 2**32) / 2**32 < ratio


def count_expired(
    oldest: Iterable[tuple[Micros, int]], surplus: int, surplus_bytes: int, before: Micros
) -> int:
    """Return how many dead letters to remove, the oldest first.

    ``oldest`` has the time and size of each, in order. A letter is removed if it failed at
    ``before`` or earlier, or while ``surplus`` (of letters) or ``surplus_bytes`` is positive.
    """
    count = 0
    for time, size in oldest:
        if surplus <= 0 and surplus_bytes <= 0 and time > before:
            break
        surplus, surplus_bytes, count = surplus - 1, surplus_bytes - size, count + 1
    return count


_RECORD_FIELDS = tuple(field.name for field in dataclasses.fields(AttemptRecord))
_OUTCOME_FIELDS = tuple(field.name for field in dataclasses.fields(Outcome))


def encode(attempt: AttemptRecord) -> str:
    """Encode a record as JSON."""
    outcome = _values(attempt.outcome, _OUTCOME_FIELDS)
    return json.dumps(_values(attempt, _RECORD_FIELDS) | {"outcome": outcome})


def _values(instance: object, names: Sequence[str]) -> dict[str, Any]:
    # ``dataclasses.asdict`` copies deeply, which takes several times as long.
    return {name: getattr(instance, name) for name in names}


def decode(text: str) -> AttemptRecord:
    """Decode a record; unknown fields are ignored."""
    fields = _known_fields(AttemptRecord, json.loads(text))
    outcome = _known_fields(Outcome, fields["outcome"])
    return AttemptRecord(
        **fields | {"outcome": Outcome(**outcome | {"code": Code(outcome["code"])})}
    )


def _known_fields(class_: type, values: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(class_)}
    return {name: value for name, value in values.items() if name in names}
