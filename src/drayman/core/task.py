"""A task as the rest of the server sees it, and the rules of its times."""

import dataclasses
import datetime

from drayman.core import errors, limits
from drayman.core.clock import HOUR, SECOND, Micros
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


def check_schedule_time(wanted: Micros | None, now: Micros, horizon: Micros) -> Micros:
    """Return when a task is due: absent or past means now; too far ahead is InvalidArgument."""
    if wanted is None or wanted < now:
        return now
    if wanted > now + horizon:
        raise errors.InvalidArgument(
            f"The Task.scheduleTime, {_in_words(wanted)}, is too far in the future. Schedule "
            f"time must be no more than {horizon // HOUR}h in the future."
        )
    return wanted


def check_deadline(
    deadline: Micros | None, allowed: tuple[Micros, Micros], default: Micros | None
) -> Micros | None:
    """Return how long an attempt may take, in whole milliseconds; absent or 0 is the default."""
    if not deadline:
        return default
    low, high = allowed
    if not low <= deadline <= high:
        shown = "[15s, 30m]" if allowed == limits.HTTP_DEADLINE_RANGE else "[15s, 24h15s]"
        raise errors.InvalidArgument(f"Task.dispatchDeadline must be between {shown}.")
    return deadline // 1000 * 1000


def _in_words(moment: Micros) -> str:
    # As the real service prints it: in US Pacific time.
    try:
        when = datetime.datetime.fromtimestamp(moment // SECOND, tz=datetime.UTC)
        return when.astimezone(_pacific(when)).isoformat()
    except (OverflowError, ValueError, OSError):
        return f"{moment // SECOND} s after 1970"


def _pacific(when: datetime.datetime) -> datetime.timezone:
    """Return the zone of US Pacific time: the rules since 2007, which need no database."""
    summer = _sunday(when.year, 3, 8, 10) <= when < _sunday(when.year, 11, 1, 9)
    return datetime.timezone(datetime.timedelta(hours=-7 if summer else -8))


def _sunday(year: int, month: int, earliest: int, hour: int) -> datetime.datetime:
    day = datetime.datetime(year, month, earliest, hour, tzinfo=datetime.UTC)
    return day + datetime.timedelta(days=6 - day.weekday())
