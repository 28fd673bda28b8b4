"""Timestamps and durations, to and from microseconds."""

import datetime
import functools
import re

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from drayman.core import errors
from drayman.core.clock import SECOND, Micros

NANOS = 1_000
"""Nanoseconds of a microsecond."""
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - all times here are UTC
_EPOCH_DAY = _EPOCH.toordinal()
_SECONDS_OF_DAY = 24 * 3600
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])"
    r"(?:\.([0-9]{1,9}))?(?:Z|([+-])([0-9]{2}):([0-9]{2}))"
)
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
    seconds, micros = divmod(value, SECOND)
    return rfc3339(seconds, micros * NANOS)


def rfc3339(seconds: int, nanos: int) -> str:
    """Return a time since 1970 as text, with 0, 3, 6 or 9 digits of a second (ProtoJSON).

    ValueError outside the years 1 to 9999.
    """
    text = _whole_second(seconds)
    if not nanos:
        return f"{text}Z"
    digits = f"{nanos:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{text}.{digits}Z"


@functools.lru_cache(maxsize=64)
def _whole_second(seconds: int) -> str:
    try:
        return (_EPOCH + datetime.timedelta(seconds=seconds)).isoformat()
    except OverflowError:
        raise ValueError(f"{seconds} s since 1970 are not in the years 1 to 9999") from None


def parse_rfc3339(text: str) -> tuple[int, int]:
    """Return the seconds and nanoseconds since 1970 of a time; ValueError.

    The time has at most nine digits of a second, and an offset or ``Z`` (ProtoJSON).
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"{text} is not a time in the form of RFC 3339")
    date, hour, minute, second, fraction, sign, hours, minutes = match.groups()
    seconds = _start_of_day(date) + int(hour) * 3600 + int(minute) * 60 + int(second)
    if sign:
        offset = int(hours) * 3600 + int(minutes) * 60
        seconds -= -offset if sign == "-" else offset
    if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
        raise ValueError(f"{text} is not in the years 1 to 9999")
    return seconds, int(fraction.ljust(9, "0")) if fraction else 0


@functools.lru_cache(maxsize=64)
def _start_of_day(date: str) -> int:
    return (datetime.date.fromisoformat(date).toordinal() - _EPOCH_DAY) * _SECONDS_OF_DAY


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
