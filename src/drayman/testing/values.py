"""What tests see: pending tasks, deliveries and the replies of targets."""

import dataclasses
import datetime
import enum
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from drayman.core.clock import Micros

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


class NoReply(enum.Enum):
    """A target that gives no response."""

    TIMEOUT = "no response within the deadline"
    CONNECTION_ERROR = "connection refused"


TIMEOUT = NoReply.TIMEOUT
"""The target does not respond; the attempt ends at its deadline."""
CONNECTION_ERROR = NoReply.CONNECTION_ERROR
"""The target cannot be reached."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """The response of a target.

    Attributes:
        status: The status code.
        headers: The headers.
        body: The body.
    """

    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PendingTask:
    """A task that the server holds.

    Attributes:
        name: Its full name.
        queue: The full name of its queue.
        url: The URL; for an App Engine task the path and query.
        method: The HTTP method.
        headers: The headers that its creator set.
        body: The body.
        schedule_time: When its next attempt is due.
        dispatch_count: The number of its attempts so far.
    """

    name: str
    queue: str
    url: str
    method: str
    headers: Mapping[str, str]
    body: bytes
    schedule_time: datetime.datetime
    dispatch_count: int

    @property
    def json(self) -> Any:
        """The body as a JSON value. ValueError."""
        return json.loads(self.body)


@dataclasses.dataclass(slots=True, kw_only=True)
class Delivery:
    """A request that was sent to a target.

    Attributes:
        task: The id of its task.
        queue: The id of its queue.
        url: The URL.
        method: The HTTP method.
        headers: All headers but Host and Content-Length, also those that describe the task.
        body: The body.
        time: When it was sent, by the server's clock.
        retry_count: The number of attempts of the task before this one.
        status: The status code of the response, None without a response.
        error: Why there is no response, or the exception of the handler; an OSError for a failure
            of HTTP.
    """

    task: str
    queue: str
    url: str
    method: str
    headers: Mapping[str, str]
    body: bytes
    time: datetime.datetime
    retry_count: int
    status: int | None = None
    error: BaseException | NoReply | None = None

    @property
    def unanswered(self) -> bool:
        """Whether its target has neither responded nor failed."""
        return self.status is None and self.error is None

    @property
    def json(self) -> Any:
        """The body as a JSON value. ValueError."""
        return json.loads(self.body)


Answer = int | Reply | NoReply
"""How a target responds: a status code, a whole response, or not at all."""
Handler = Callable[[Delivery], Answer | Awaitable[Answer | None] | None]
"""A function in place of a target; None stands for 200."""


STATUSES = range(200, 600)
"""The status codes that a response may have."""


def check_answer(answer: object) -> None:
    """Check that a target can respond so. TypeError, or ValueError for a status out of range."""
    if not callable(answer):
        _check_response(answer, "a status, a Reply, TIMEOUT, CONNECTION_ERROR or a function")


def check_result(result: object) -> None:
    """Check what a function in place of a target has returned. TypeError, ValueError."""
    if result is not None:
        _check_response(result, "a status, a Reply, TIMEOUT, CONNECTION_ERROR or None")


def _check_response(answer: object, allowed: str) -> None:
    if isinstance(answer, Reply):
        _check_reply(answer)
    elif isinstance(answer, int) and not isinstance(answer, bool):
        _check_status(answer)
    elif not isinstance(answer, NoReply):
        raise TypeError(f"{answer!r} is no answer of a target: {allowed}")


def _check_reply(reply: Reply) -> None:
    if not isinstance(reply.status, int) or isinstance(reply.status, bool):
        raise TypeError(f"the status of a Reply is a number, not {reply.status!r}")
    _check_status(reply.status)
    headers: object = reply.headers
    if not (
        isinstance(headers, Mapping)
        and all(isinstance(text, str) for item in headers.items() for text in item)
    ):
        raise TypeError(f"the headers of a Reply are a mapping of str to str, not {headers!r}")
    if not isinstance(reply.body, bytes):
        raise TypeError(f"the body of a Reply is bytes, not {type(reply.body).__name__}")


def _check_status(status: int) -> None:
    if status not in STATUSES:
        raise ValueError(f"{status} is no status of a response: 200 to 599")


def check_answers(answers: object) -> None:
    """Check that a target can respond so: with one answer, or with a sequence.

    TypeError, or ValueError for a status out of range.
    """
    is_sequence = isinstance(answers, Sequence) and not isinstance(answers, str)
    for answer in answers if is_sequence else [answers]:  # type: ignore[attr-defined] # a sequence
        check_answer(answer)


def to_datetime(moment: Micros) -> datetime.datetime:
    """Return a moment as a datetime in UTC."""
    return _EPOCH + moment * _MICROSECOND


def truncate(when: datetime.datetime) -> datetime.datetime:
    """Return a datetime of the client library as a plain one, without its nanoseconds."""
    return to_datetime(to_micros(when))


def to_micros(when: datetime.datetime) -> Micros:
    """Return a datetime as a moment; one without a zone is UTC. TypeError for another value."""
    if not isinstance(when, datetime.datetime):
        raise TypeError(f"{when!r} is not a datetime")
    aware = when if when.tzinfo else when.replace(tzinfo=datetime.UTC)
    return (aware - _EPOCH) // _MICROSECOND


def duration(delta: datetime.timedelta) -> Micros:
    """Return a timedelta as a duration."""
    return delta // _MICROSECOND
