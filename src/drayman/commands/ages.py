"""Times and durations as people read them: ``in 5m 3s``, ``2d 4h ago``."""

import datetime
from typing import Any

from drayman.commands import output
from drayman.core.clock import DAY, HOUR, MINUTE, SECOND, Micros, SystemClock

_UNITS = ((DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (SECOND, "s"))
_MICRO = datetime.timedelta(microseconds=1)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def parse(text: str) -> Micros:
    """Return the moment of a time in JSON."""
    return (datetime.datetime.fromisoformat(text) - _EPOCH) // _MICRO


def span(length: Micros) -> str:
    """Return a length of time in its two largest units, whole seconds at least."""
    parts = []
    for unit, name in _UNITS:
        count, length = divmod(length, unit)
        parts.append((count, name))
    start = next((index for index, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count}{name}" for count, name in parts[start : start + 2] if count) or "0s"


def relative(time: Micros, now: Micros) -> str:
    """Return a moment as it is from now: ``in 5m``, ``5m ago``, ``now`` within a second."""
    distance = time - now
    if abs(distance) < SECOND:
        return "now"
    return f"in {span(distance)}" if distance > 0 else f"{span(-distance)} ago"


def column(label: str, path: str) -> output.Column:
    """Return a column with the age of a field that is a time."""

    def text(row: Any) -> str:
        value = output.field(row, path)
        return relative(parse(value), SystemClock().now()) if value else ""

    return output.Column(label, text)
