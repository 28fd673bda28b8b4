"""Timestamps and durations, to and from microseconds."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from drayman.core import errors
from drayman.core.clock import SECOND, Micros

_NANOS = 1_000
_TIMESTAMP_RANGE = range(-62_135_596_800, 253_402_300_800)  # years 1 to 9999
_DURATION_LIMIT = 315_576_000_000


def moment(field: str, message: Timestamp) -> Micros:
    """Return a timestamp's moment, truncated; InvalidArgument when it is none."""
    if message.seconds not in _TIMESTAMP_RANGE or not 0 <= message.nanos < SECOND * _NANOS:
        raise errors.invalid_field(field, "is not a valid timestamp.")
    return message.seconds * SECOND + message.nanos // _NANOS


def span(field: str, message: Duration) -> Micros:
    """Return a duration's length, truncated; InvalidArgument when it is none."""
    seconds, nanos = message.seconds, message.nanos
    fits = abs(seconds) <= _DURATION_LIMIT and abs(nanos) < SECOND * _NANOS
    if not fits or (seconds and nanos and (seconds < 0) != (nanos < 0)):
        raise errors.invalid_field(field, "is not a valid duration.")
    return seconds * SECOND + int(nanos / _NANOS)


def set_moment(message: Timestamp, value: Micros) -> None:
    """Write a moment into a timestamp."""
    message.seconds, micros = divmod(value, SECOND)
    message.nanos = micros * _NANOS


def set_span(message: Duration, value: Micros) -> None:
    """Write a length, not negative, into a duration."""
    message.seconds, micros = divmod(value, SECOND)
    message.nanos = micros * _NANOS


def text(value: Micros) -> str:
    """Return a moment as the JSON of a timestamp."""
    message = Timestamp()
    set_moment(message, value)
    return message.ToJsonString()
