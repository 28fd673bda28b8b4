"""Tasks."""

from typing import NamedTuple

from drayman.core.clock import Micros
from drayman.core.status import Code


class NewTask(NamedTuple):
    """A task to create.

    Attributes:
        id: The id that the caller chose, None to generate one.
        schedule_time: When the first attempt is due.
        request: The request to deliver, as a serialized message that only ``wire`` parses.
        seq: The seq that was reserved for it in the outbox, None to reserve one.
    """

    id: str | None
    schedule_time: Micros
    request: bytes
    seq: int | None = None


class Attempt(NamedTuple):
    """The latest attempt of a task.

    Attributes:
        schedule_time: When it was due.
        dispatch_time: When it was claimed.
        response_time: When it ended, None while it is in flight.
        code: The status code of its outcome.
        message: The description of its outcome.
    """

    schedule_time: Micros
    dispatch_time: Micros
    response_time: Micros | None = None
    code: Code = Code.OK
    message: str = ""


class Task(NamedTuple):
    """A stored task.

    Attributes:
        name: Its full name.
        create_time: When it was created.
        schedule_time: When its next attempt is due, or when the one in flight was.
        request: The request to deliver, as a serialized message that only ``wire`` parses.
        dispatch_count: The number of attempts that were started.
        response_count: The number of attempts with a response below 500 (recorded).
        execution_count: The number of attempts with a response, for HTTP targets of those with
            one below 500, which requests carry in a header.
        previous_response: The TaskPreviousResponse header of the next attempt: the HTTP status of
            the last failure, or a number for a failure without a response; None before the first
            failure.
        first_dispatch_time: When the first attempt was claimed.
        last_attempt: The latest attempt, None before the first.
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
