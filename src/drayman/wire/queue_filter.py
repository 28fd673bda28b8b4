"""The filter of ListQueues: which queues a caller asks for (recorded; Cloud Logging's syntax).

    expression  = disjunction { ["AND"] disjunction }
    disjunction = factor { "OR" factor }              OR binds closer than AND, as in Logging
    factor      = ["NOT" | "-"] ( "(" expression ")" | comparison )
    comparison  = field operator value                operators: = != < <= > >= :
    field       = name { "." name }                   in either spelling and any case
    value       = word | "quoted string"

``:`` means "has": a string that contains the value, any other type that equals it. ``field:*``
selects the queues in which the field is set. Strings and names of enum values compare without
regard to case, enums are ordered by number. A field that is not set compares as zero, unless it
is repeated or lies below a repeated field.

The parser is written by hand: docs/decisions/0021 compares it with grammar libraries.
"""

import dataclasses
import datetime
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from drayman.core.errors import InvalidArgument
from drayman.core.queue import Queue
from drayman.tasks_v2 import types
from drayman.wire import json_writer, queues

Predicate = Callable[[Mapping[str, Any]], bool]
"""Takes a queue as its JSON value; tells whether the filter selects it."""

MAX_LENGTH = 2_000
"""The most characters of a filter: it is evaluated for every queue on the event loop."""
_MAX_DEPTH = 64
_TOKEN = re.compile(
    r"""\s*(?: "(?P<quoted>(?:[^"\\]|\\.)*)"
      | (?P<operator> <= | >= | != | [=<>:] )
      | (?P<mark> [()] | -(?=[A-Za-z_(]) )
      | (?P<word> [^\s()"=<>!:]+ ) )""",
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    ":": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def parse(text: str) -> Predicate:
    """Return the predicate of a filter.

    Raises:
        InvalidArgument: The filter is malformed; the message names the reason and the position.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidArgument(f"Invalid filter: it has more than {MAX_LENGTH} characters.")
    parser = _Parser(text)
    if parser.kind == "end":
        return lambda _: True
    predicate = parser.expression(0)
    if parser.kind != "end":
        raise parser.error("AND, OR or the end was expected")
    return predicate


def matches(predicate: Predicate, queue: Queue) -> bool:
    """Return whether a filter selects a queue."""
    return predicate(json_writer.render(queues.encode(queue)))


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    """A field that a filter can name.

    Attributes:
        name: Its JSON name.
        kind: The type of its value: "number", "text", "enum", "duration", "moment" or "message".
        repeated: Whether it has any number of values.
        members: The numbers of an enum's values, by their names in lower case.
        fields: The fields of a message, by both spellings of their names in lower case.
    """

    name: str
    kind: str
    repeated: bool = False
    members: Mapping[str, int] = dataclasses.field(default_factory=dict)
    fields: Mapping[str, "_Field"] = dataclasses.field(default_factory=dict)

    @property
    def unset(self) -> Any:
        """The value that the field has for a comparison while it is not set, as JSON."""
        return next(iter(self.members)) if self.members else _UNSET[self.kind]

    def number(self, name: str) -> int:
        """Return the number of an enum value; ValueError."""
        if name.lower() not in self.members:
            raise ValueError(name)
        return self.members[name.lower()]


class _Parser:
    """A recursive-descent parser with one token of look-ahead.

    Attributes:
        kind: The kind of the current token: "quoted", "operator", "mark", "word" or "end".
        text: The text of the current token, without quotes and escapes.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = self._split()
        self.kind, self.text, self._position = next(self._tokens)

    def expression(self, depth: int) -> Predicate:
        parts = [self._disjunction(depth)]
        while self._take("word", "AND") or self._starts_factor():
            parts.append(self._disjunction(depth))
        return parts[0] if len(parts) == 1 else lambda queue: all(part(queue) for part in parts)

    def _disjunction(self, depth: int) -> Predicate:
        parts = [self._factor(depth)]
        while self._take("word", "OR"):
            parts.append(self._factor(depth))
        return parts[0] if len(parts) == 1 else lambda queue: any(part(queue) for part in parts)

    def _factor(self, depth: int) -> Predicate:
        if depth > _MAX_DEPTH:
            raise self.error("this is nested too deeply")
        if self._take("word", "NOT") or self._take("mark", "-"):
            inner = self._factor(depth + 1)
            return lambda queue: not inner(queue)
        if self._take("mark", "("):
            inner = self.expression(depth + 1)
            if not self._take("mark", ")"):
                raise self.error('")" was expected')
            return inner
        return self._comparison()

    def _comparison(self) -> Predicate:
        name, path = self.text, self._path()
        if self.kind != "operator":
            raise self.error("one of = != < <= > >= : was expected")
        symbol = self.text
        self._advance()
        if self.kind not in {"word", "quoted"}:
            raise self.error("a value was expected")
        predicate = self._predicate(name, path, symbol)
        self._advance()
        return predicate

    def _predicate(self, name: str, path: list[_Field], symbol: str) -> Predicate:
        """Return the comparison of a field with the current token."""
        if symbol == ":" and (self.kind, self.text) == ("word", "*"):
            return lambda queue: bool(_values(queue, path))
        test = self._test(name, path[-1], symbol)
        unset = [] if any(field.repeated for field in path) else [path[-1].unset]
        combine = all if symbol == "!=" else any
        return lambda queue: combine(map(test, _values(queue, path) or unset))

    def _path(self) -> list[_Field]:
        """Read the name of a field; return the fields from the queue's to the one it names."""
        if self.kind != "word" or self.text in {"AND", "OR"}:
            raise self.error("the name of a field was expected")
        fields, path = _QUEUE.fields, []
        for part in self.text.lower().split("."):
            if part not in fields:
                raise InvalidArgument(f"Field not found: '{self.text}'.")
            path.append(fields[part])
            fields = fields[part].fields
        self._advance()
        return path

    def _test(self, name: str, field: _Field, symbol: str) -> Callable[[Any], bool]:
        """Return the test of a field's value against the current token."""
        if field.kind == "message":
            raise InvalidArgument(
                f"Cannot match a nested type '{name}'. "
                "A member field of scalar or enum type must be provided."
            )
        read: Callable[[Any], Any] = field.number if field.members else _READERS[field.kind]
        try:
            operand = read(self.text)
        except ValueError:
            text = self.text.lower()
            raise InvalidArgument(f"The value '{text}' is of incorrect type.") from None
        if field.kind == "text" and symbol == ":":
            return lambda value: operand in read(value)
        compare = _COMPARE[symbol]
        return lambda value: compare(read(value), operand)

    def _take(self, kind: str, text: str) -> bool:
        """Advance past the current token if it is this one; tell whether it was."""
        taken = (self.kind, self.text) == (kind, text)
        if taken:
            self._advance()
        return taken

    def _starts_factor(self) -> bool:
        return (self.kind == "word" and self.text != "OR") or (
            self.kind == "mark" and self.text != ")"
        )

    def _advance(self) -> None:
        self.kind, self.text, self._position = next(self._tokens)

    def _split(self) -> Iterator[tuple[str, str, int]]:
        """Yield kind, text and position of each token, then "end" for ever."""
        source, position = self._source.rstrip(), 0
        while position < len(source):
            match = _TOKEN.match(source, position)
            if not match:
                self._position = position
                raise self.error("this cannot be read")
            kind = str(match.lastgroup)
            text = match[kind]
            if kind == "quoted":
                text = re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
            yield kind, text, match.start(kind)
            position = match.end()
        while True:
            yield "end", "", len(source)

    def error(self, reason: str) -> InvalidArgument:
        """Return the error for the current token."""
        near = self._source[self._position : self._position + 40] or "the end"
        return InvalidArgument(
            f"Invalid filter: {reason}, at position {self._position + 1} ({near})."
        )


def _values(queue: Any, path: list[_Field]) -> list[Any]:
    """Return the values at a path: none when unset, several below a repeated field."""
    values = [queue]
    for field in path:
        children = [item[field.name] for item in values if field.name in item]
        values = [
            item for each in children for item in (each if isinstance(each, list) else [each])
        ]
    return values


def _number(value: Any) -> float:
    if not _NUMBER.fullmatch(str(value)):
        raise ValueError(value)
    return float(value)


def _seconds(value: Any) -> float:
    """Return the seconds of a duration, which must have its unit."""
    number = str(value).removesuffix("s")
    if number == value:
        raise ValueError(value)
    return _number(number)


def _moment(value: Any) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _text(value: Any) -> str:
    return str(value).casefold()


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "number": _number,
    "text": _text,
    "duration": _seconds,
    "moment": _moment,
}
"""How a value is read for comparison, by the kind of its field; ValueError when it is no such."""

_UNSET: Mapping[str, Any] = {
    "number": 0,
    "text": "",
    "duration": "0s",
    "moment": "1970-01-01T00:00:00Z",
}
"""The zero values of the kinds, as JSON."""

_KINDS = {
    "google.protobuf.Duration": "duration",
    "google.protobuf.Timestamp": "moment",
}


def _message(name: str, descriptor: Any) -> _Field:
    fields = {}
    for each in descriptor.fields:
        fields[each.name] = fields[each.json_name.lower()] = _describe(each)
    return _Field(name, "message", fields=fields)


def _describe(field: Any) -> _Field:
    name, repeated = field.json_name, field.is_repeated
    if field.enum_type is not None:
        members = {each.name.lower(): each.number for each in field.enum_type.values}
        return _Field(name, "enum", members=members)
    if field.message_type is None:
        return _Field(name, "text" if field.type == FieldDescriptor.TYPE_STRING else "number")
    if kind := _KINDS.get(field.message_type.full_name):
        return _Field(name, kind)
    return dataclasses.replace(_message(name, field.message_type), repeated=repeated)


_QUEUE = _message("queue", types.Queue.pb().DESCRIPTOR)
