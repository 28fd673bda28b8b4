"""Formats of log lines: text for people, JSON for collectors. Times are in UTC."""

import datetime
import enum
import json
import logging
from collections.abc import Iterator
from typing import Any

from drayman.core.clock import SECOND
from drayman.core.lifecycle import AttemptResult, Claim

_DURATIONS = frozenset({"duration", "uptime"})
"""Fields of events that are durations; other microseconds are moments."""


class TextFormatter(logging.Formatter):
    """Formats a record as its time, its level and its message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - a method of the base class
        """Return the time of a record."""
        return _time(record)


class JsonFormatter(logging.Formatter):
    """Formats a record as a JSON object on one line.

    It has ``time``, ``severity`` and ``message``; for an event also ``event``, with its ``type``
    and its fields.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line: dict[str, Any] = {
            "time": _time(record),
            "severity": record.levelname,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        event = getattr(record, "event", None)
        if event is not None:
            line["event"] = {"type": type(event).__name__, **dict(_fields(event))}
        return json.dumps(line, ensure_ascii=False)


FORMATS = {"text": TextFormatter, "json": JsonFormatter}
"""The formatter of each value of ``--log-format``."""


def _time(record: logging.LogRecord) -> str:
    time = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(event: Any) -> Iterator[tuple[str, Any]]:
    """Yield the fields of an event that JSON can show; its time is that of the line."""
    for name in type(event).__annotations__:
        value = getattr(event, name)
        match value:
            case AttemptResult():
                yield from _attempt(value.claim)
                yield "verdict", value.verdict.value
                yield "code", value.outcome.code.name
            case Claim():
                yield from _attempt(value)
            case enum.Enum():
                yield name, value.value if isinstance(value.value, str) else value.name
            case int() if name in _DURATIONS:
                yield f"{name}_seconds", value / SECOND
            case str() | int() | float() if name != "time":
                yield name, value
            case [*items] if all(isinstance(item, str) for item in items):
                yield name, items


def _attempt(claim: Claim) -> Iterator[tuple[str, Any]]:
    yield "task", claim.task.name
    yield "attempt", claim.task.dispatch_count
