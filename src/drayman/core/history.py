"""What is kept of attempts and of tasks that failed for good, which Google keeps not at all."""

import dataclasses
import json

from drayman.core.clock import Micros
from drayman.core.status import Code
from drayman.core.task import Task

ATTEMPTS_KEPT = 100_000
"""The most attempts that a store keeps; the oldest go first."""
DEAD_KEPT = 100_000
"""The most dead letters that a store keeps; the oldest go first."""
DEAD_BYTES = 1 << 30
"""The most bytes that the tasks of dead letters take; the oldest go first."""
_SPREAD = 0x9E3779B1  # an odd number that scatters successive ones (Knuth, 6.4)


@dataclasses.dataclass(frozen=True, slots=True)
class AttemptRecord:
    """An attempt that ended, in full.

    Attributes:
        task: The task's full name.
        target: The method and the URL it went to.
        number: Which attempt of the task it was, from 1.
        responses: Answers the task got so far.
        schedule_time: When it was due.
        dispatch_time: When it began.
        response_time: When it ended.
        code: How it ended.
        message: The same in words.
        verdict: What became of the task: "completed", "retry" or "failed"; or "superseded" when
            another attempt decides on it, "gone" when it was deleted meanwhile.
        reason: Why a failed task was given up.
        retry_time: When the task is tried again, None if it is not.
        answer: The beginning of the answer's body.
    """

    task: str
    target: str
    number: int
    responses: int
    schedule_time: Micros
    dispatch_time: Micros
    response_time: Micros
    code: Code
    message: str
    verdict: str
    reason: str = ""
    retry_time: Micros | None = None
    answer: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class DeadLetter:
    """A task that failed for good.

    Attributes:
        number: Its place in the order of deaths.
        task: The task as it was at its end; its last attempt says how that ended.
        time: When it was given up.
        reason: Why.
        answer: The beginning of the last answer's body.
    """

    number: int
    task: Task
    time: Micros
    reason: str
    answer: str


def is_sampled(number: int, ratio: float) -> bool:
    """Tell whether one of many is in the sample that a ratio makes of them."""
    return (number * _SPREAD % 2**32) / 2**32 < ratio


def dumps(attempt: AttemptRecord) -> str:
    """Return an attempt as text, to be kept."""
    return json.dumps(dataclasses.asdict(attempt))


def loads(text: str) -> AttemptRecord:
    """Return the attempt that a text keeps."""
    fields = [field.name for field in dataclasses.fields(AttemptRecord)]
    kept = json.loads(text)
    if isinstance(kept, list):  # written before the values had names
        kept = dict(zip(fields, kept, strict=False))
    known = {name: value for name, value in kept.items() if name in fields}
    return AttemptRecord(**known | {"code": Code(known["code"])})
