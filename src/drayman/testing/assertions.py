"""The assertions of a test, and what they report when they fail."""

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from drayman.testing import targets
from drayman.testing.values import Delivery, PendingTask, to_datetime, to_micros

_Message = TypeVar("_Message", PendingTask, Delivery)

ANY: Any = object()
"""In place of a JSON value: any body. None is a value."""
TOLERANCE = datetime.timedelta(seconds=1)
"""How far a time may be off: code that enqueues reads a clock of its own."""
SHOWN = 20
"""The most messages that a failure shows."""
MAX_SHOWN = 1_000
"""The most characters of a value that a failure shows."""


class Criteria(NamedTuple):
    """What a message must be like; None is for no matter what, ``ANY`` for the JSON value."""

    queue: str | None = None
    url: str | None = None
    method: str | None = None
    json: Any = ANY
    body: bytes | str | None = None
    headers: Mapping[str, str] | None = None
    at: datetime.datetime | None = None
    status: int | None = None


class _Difference(NamedTuple):
    """A property of a message that is not as expected."""

    name: str
    actual: object
    expected: object

    def __str__(self) -> str:
        return f"{self.name} is {_show(self.actual)}, not {_show(self.expected)}"


def is_queue(expected: str | None, name: str) -> bool:
    """Return whether a queue's full name or id is the expected full name or id."""
    if expected is None or expected == name:
        return True
    return not ("/" in expected and "/" in name) and _id(expected) == _id(name) != ""


def select_queues(expected: str | None, names: Sequence[str]) -> list[str]:
    """Return the names of queues that have the expected full name or id; all for None."""
    return [name for name in names if is_queue(expected, name)]


def check_queue(expected: str, names: Sequence[str]) -> None:
    """Check that there is a queue with the expected full name or id. LookupError."""
    __tracebackhide__ = True
    if not select_queues(expected, names):
        shown = ", ".join(names[:SHOWN]) or "none at all"
        raise LookupError(f"there is no queue {expected!r}; the server has: {shown}")


def check(
    criteria: Criteria, messages: Sequence[_Message], count: int | None, noun: str, hint: str = ""
) -> list[_Message]:
    """Return the messages that meet the criteria. AssertionError if they are not as many.

    The ``hint`` stands in its message if there are no messages at all.
    """
    __tracebackhide__ = True
    matching = [each for each in messages if not any(_differences(criteria, each))]
    if len(matching) == count or (count is None and matching):
        return matching
    raise AssertionError("\n".join(_failure(criteria, messages, matching, count, noun, hint)))


def check_empty(pending: Sequence[PendingTask]) -> None:
    """Check that there are no tasks. AssertionError."""
    __tracebackhide__ = True
    if pending:
        lines = [f"{count_of(len(pending), 'pending task')}, not none", *_listing(pending)]
        raise AssertionError("\n".join(lines))


def _failure(
    criteria: Criteria,
    messages: Sequence[_Message],
    matching: Sequence[_Message],
    count: int | None,
    noun: str,
    hint: str,
) -> Iterator[str]:
    expected = f", not {count}" if count is not None else ""
    verb = "matches" if len(matching) in (0, 1) else "match"
    yield f"{count_of(len(matching), noun)} {verb}{expected}: {_show_criteria(criteria)}"
    if not messages:
        yield f"There is no {noun} at all{hint}."
    for message in messages[:SHOWN]:
        yield f"  {_summary(message)}"
        yield from (f"    {each}" for each in _differences(criteria, message))
    if len(messages) > SHOWN:
        yield f"  … and {len(messages) - SHOWN} more"


def _differences(criteria: Criteria, message: PendingTask | Delivery) -> Iterator[_Difference]:
    if not is_queue(criteria.queue, message.queue):
        yield _Difference("queue", message.queue, criteria.queue)
    if criteria.url and not targets.compile_pattern(criteria.url).fullmatch(message.url):
        yield _Difference("url", message.url, criteria.url)
    if criteria.method and criteria.method.upper() != message.method:
        yield _Difference("method", message.method, criteria.method)
    if criteria.json is not ANY and not _same(_json_of(message), criteria.json):
        yield _Difference("json", _json_of(message), criteria.json)
    if criteria.body is not None and message.body != _encoded(criteria.body):
        yield _Difference("body", message.body, criteria.body)
    if criteria.status is not None and _status(message) != criteria.status:
        yield _Difference("status", _status(message), criteria.status)
    yield from _differing_headers(criteria.headers or {}, message)
    if criteria.at is not None and abs(_time(message) - _utc(criteria.at)) > TOLERANCE:
        yield _Difference("at", _time(message), _utc(criteria.at))


def _differing_headers(
    expected: Mapping[str, str], message: PendingTask | Delivery
) -> Iterator[_Difference]:
    headers = {name.lower(): value for name, value in message.headers.items()}
    for name, value in expected.items():
        if headers.get(name.lower()) != value:
            yield _Difference(f"header {name}", headers.get(name.lower()), value)


class _NotJson:
    def __repr__(self) -> str:
        return "no JSON"


_NOT_JSON = _NotJson()


def _json_of(message: PendingTask | Delivery) -> object:
    try:
        return message.json
    except ValueError:
        return _NOT_JSON


def _same(actual: object, expected: object) -> bool:
    """Compare as JSON: a tuple is a list, but True is not 1."""
    if isinstance(actual, _NotJson):
        return False
    try:
        text = json.dumps(expected, sort_keys=True)
    except TypeError:  # an object that compares itself, such as a matcher
        return bool(expected == actual)
    return json.dumps(actual, sort_keys=True) == text


def _encoded(body: bytes | str) -> bytes:
    return body.encode() if isinstance(body, str) else body


def _status(message: PendingTask | Delivery) -> int | None:
    return message.status if isinstance(message, Delivery) else None


def _time(message: PendingTask | Delivery) -> datetime.datetime:
    return message.time if isinstance(message, Delivery) else message.schedule_time


def _utc(when: datetime.datetime) -> datetime.datetime:
    return to_datetime(to_micros(when))


def _id(queue: str) -> str:
    return queue.rpartition("/")[2]


def _listing(messages: Sequence[PendingTask]) -> Iterator[str]:
    yield from (f"  {_summary(message)}" for message in messages[:SHOWN])
    if len(messages) > SHOWN:
        yield f"  … and {len(messages) - SHOWN} more"


def _summary(message: PendingTask | Delivery) -> str:
    state = _result(message) if isinstance(message, Delivery) else "due"
    return (
        f"{message.method} {message.url} in queue {_id(message.queue)}, "
        f"{state} {_show(_time(message))}: {_show(_short(message))}"
    )


def _result(delivery: Delivery) -> str:
    if delivery.error is not None:
        return f"failed ({_show(delivery.error)})"
    return f"status {delivery.status}" if delivery.status else "unanswered"


def _short(message: PendingTask | Delivery) -> object:
    value = _json_of(message)
    return message.body[:200] if value is _NOT_JSON else value


def _show_criteria(criteria: Criteria) -> str:
    shown = {
        name: value
        for name, value in criteria._asdict().items()
        if value is not None and value is not ANY
    }
    if criteria.json is None:
        shown["json"] = None
    return ", ".join(f"{name}={_show(value)}" for name, value in shown.items()) or "any"


def _show(value: object) -> str:
    if isinstance(value, datetime.datetime):
        return f"{_utc(value):%Y-%m-%d %H:%M:%S}Z"
    return _shorten(repr(value))


def _shorten(text: str) -> str:
    if len(text) <= MAX_SHOWN:
        return text
    return f"{text[:MAX_SHOWN]}… ({len(text):,} characters)"


def count_of(number: int, noun: str) -> str:
    """Return a number of things in words."""
    plural = noun[:-1] + "ies" if noun.endswith("y") else f"{noun}s"
    return f"{number or 'no'} {noun if number in (0, 1) else plural}"
