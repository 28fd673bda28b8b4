"""A task as the rest of the server sees it."""

import dataclasses

from drayman.core.clock import Micros
from drayman.core.status import Code


@dataclasses.dataclass(frozen=True, slots=True)
class NewTask:
    """A task that is to be created.

    Attributes:
        id: The id its creator gave it, or None for a generated one.
        schedule_time: When to try it first.
        request: The message that says what to deliver; only ``wire`` opens it.
    """

    id: str | None
    schedule_time: Micros
    request: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt, as far as it got.

    Attributes:
        schedule_time: When it was due.
        dispatch_time: When it was handed to a dispatcher.
        response_time: When it ended, None before that.
        code: How it ended.
        message: The same in words.
    """

    schedule_time: Micros
    dispatch_time: Micros
    response_time: Micros | None = None
    code: Code = Code.OK
    message: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """A task that is kept.

    Attributes:
        name: Its full name.
        create_time: When it was created.
        schedule_time: When it is due, or was for the attempt in flight.
        dispatch_count: Attempts begun.
        response_count: Attempts that got an answer.
        execution_count: Attempts whose answer was not 5xx: what HTTP targets are told.
        previous_response: What targets are told of the last failed attempt: its HTTP status,
            or a number in its place when there was no answer; None before the first failure.
        first_dispatch_time: When the first attempt began.
        last_attempt: The last attempt.
        request: The message that says what to deliver; only ``wire`` opens it.
    """

    name: str
    create_time: Micros
    schedule_time: Micros
    request: bytes
    dispatch_count: int = 0
    response_count: int = 0
    execution_count: int = 0
    previous_response: int | None = None
    first_dispatch_time: Micros | None = None
    last_attempt: Attempt | None = None
