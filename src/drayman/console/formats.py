"""Numbers, sizes and times as pages show them: the filters of the templates."""

from typing import Any

from drayman.core.clock import DAY, HOUR, MINUTE, SECOND, Micros
from drayman.wire import times

_UNITS = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"))
_MOST_OF_A_UNIT = 2
"""A length is in the largest unit of which it has so many."""
_KIB = 1024
_RATE_DIGITS = 10
_LEAST_RATE = 0.1


def number(value: float, at_least: bool = False) -> str:
    """Return a count with separators; ``at_least`` marks one that is not counted to its end."""
    text = f"{value:,.0f}" if value == int(value) else f"{value:,g}"
    return f"{text}+" if at_least else text


def rate(value: float) -> str:
    """Return a rate per second, with a digit after the point below ten."""
    if 0 < value < _LEAST_RATE:
        return f"<{_LEAST_RATE}"
    return f"{value:,.0f}" if value >= _RATE_DIGITS or not value else f"{value:.1f}"


def size(count: int) -> str:
    """Return a number of bytes in a fitting unit."""
    if count == 1:
        return "1 byte"
    for unit in ("bytes", "KiB", "MiB"):
        if count < _KIB or unit == "MiB":
            return f"{count:,.1f} {unit}" if isinstance(count, float) else f"{count} {unit}"
        count = count / _KIB  # type: ignore[assignment]
    raise AssertionError


def duration(value: Micros) -> str:
    """Return a length of time in one unit: ``350 ms``, ``42 s``, ``3 min``."""
    for unit, name in _UNITS:
        if value >= (_MOST_OF_A_UNIT * unit if unit > SECOND else unit):
            return f"{value // unit} {name}"
    return f"{value // 1000} ms"


def moment(text: str) -> Micros:
    """Return the moment of a timestamp of JSON."""
    seconds, nanos = times.parse_rfc3339(text)
    return seconds * SECOND + nanos // 1000


def relative(text: str, now: Micros) -> str:
    """Return how far a timestamp is from now: ``in 5 s``, ``3 min ago``, ``now``."""
    distance = moment(text) - now
    if abs(distance) < SECOND:
        return "now"
    return f"in {duration(distance)}" if distance > 0 else f"{duration(-distance)} ago"


def exact(text: str) -> str:
    """Return a timestamp in full, for people."""
    return text.replace("T", " ").replace("Z", " UTC")


def field(message: Any, path: str, default: Any = "") -> Any:
    """Return the field of a JSON message at a path such as ``retryConfig.maxAttempts``."""
    for name in path.split("."):
        if not isinstance(message, dict) or name not in message:
            return default
        message = message[name]
    return message
