"""Timestamps and durations, to and from microseconds."""

import datetime

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from drayman.core import errors
from drayman.core.clock import SECOND, Micros

NANOS = 1_000
"""Nanoseconds of a microsecond."""
_DURATION_LIMIT = 315_576_000_000


def moment(message: Timestamp) -> Micros:
    """Return the moment of a timestamp, truncated; any seconds and nanos are added up."""
    return message.seconds * SECOND + message.nanos // NANOS


def span(field: str, message: Duration) -> Micros:
    """Return the length of a duration, truncated; InvalidArgument if out of range."""
    seconds, nanos = message.seconds, message.nanos
    fits = abs(seconds) <= _DURATION_LIMIT and abs(nanos) < SECOND * NANOS
    if not fits or (seconds and nanos and (seconds < 0) != (nanos < 0)):
        raise errors.invalid_field(field, "is not a valid duration.")
    return seconds * SECOND + int(nanos / NANOS)


def set_moment(message: Timestamp, value: Micros) -> None:
    """Write a moment into a timestamp."""
    message.seconds, micros = divmod(value, SECOND)
    message.nanos = micros * NANOS


def set_span(message: Duration, value: Micros) -> None:
    """Write a length, at least 0, into a duration."""
    message.seconds, micros = divmod(value, SECOND)
    message.nanos = micros * NANOS


def text(value: Micros) -> str:
    """Return a moment as the JSON of a timestamp."""
    message = Timestamp()
    set_moment(message, value)
    return message.ToJsonString()


def pacific(moment: Micros) -> str:
    """Return a moment in US Pacific time, as error messages of the real service show it."""
    try:
        when = datetime.datetime.fromtimestamp(moment // SECOND, tz=datetime.UTC)
        return when.astimezone(_pacific_zone(when)).isoformat()
    except (OverflowError, ValueError, OSError):
        return f"{moment // SECOND} s after 1970"


def _pacific_zone(when: datetime.datetime) -> datetime.timezone:
    """Return the offset of US Pacific time: the rules since 2007, which need no database."""
    summer = _sunday(when.year, 3, 8, 10) <= when < _sunday(when.year, 11, 1, 9)
    return datetime.timezone(datetime.timedelta(hours=-7 if summer else -8))


def _sunday(year: int, month: int, earliest: int, hour: int) -> datetime.datetime:
    day = datetime.datetime(year, month, earliest, hour, tzinfo=datetime.UTC)
    return day + datetime.timedelta(days=6 - day.weekday())
