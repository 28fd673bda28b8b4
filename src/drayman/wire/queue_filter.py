"""The filter of ListQueues: which queues a caller asks for (API text; Cloud Logging's syntax).

    expression  = disjunction { ["AND"] disjunction }
    disjunction = factor { "OR" factor }              OR binds closer than AND, as in Logging
    factor      = ["NOT" | "-"] ( "(" expression ")" | comparison )
    comparison  = field operator value                operators: = != < <= > >= :
    field       = name { "." name }                   in either spelling, of a message Queue
    value       = word | "quoted string"

``:`` means "has": a string that contains the value, any other type that equals it. ``field:*``
selects the queues in which the field is set. Strings compare without regard to case. A field that
is not set is unequal to every value.

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
from drayman.wire import protojson, queues

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
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    ":": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_EQUALITY = ("=", ":", "!=")


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
    return predicate(protojson.render(queues.encode(queue)))


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    """A field that a filter can name.

    Attributes:
        name: Its JSON name.
        kind: The type of its value: "number", "text", "enum", "duration", "moment" or "message".
        members: The value names of an enum.
        fields: The fields of a message, by both spellings of their names.
    """

    name: str
    kind: str
    members: tuple[str, ...] = ()
    fields: Mapping[str, "_Field"] = dataclasses.field(default_factory=dict)


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
        path, field = self._field()
        if self.kind != "operator":
            raise self.error("one of = != < <= > >= : was expected")
        symbol = self.text
        self._advance()
        if self.kind not in {"word", "quoted"}:
            raise self.error("a value was expected")
        predicate = self._predicate(path, field, symbol)
        self._advance()
        return predicate

    def _predicate(self, path: list[str], field: _Field, symbol: str) -> Predicate:
        """Return the comparison of a field with the current token."""
        if symbol == ":" and (self.kind, self.text) == ("word", "*"):
            return lambda queue: bool(_values(queue, path))
        test = self._test(field, symbol)
        if symbol == "!=":
            return lambda queue: all(map(test, _values(queue, path)))
        return lambda queue: any(map(test, _values(queue, path)))

    def _field(self) -> tuple[list[str], _Field]:
        """Read the name of a field; return its path in JSON and the field."""
        if self.kind != "word" or self.text in {"AND", "OR"}:
            raise self.error("the name of a field was expected")
        field, path = _QUEUE, []
        for part in self.text.split("."):
            if part not in field.fields:
                raise self.error(f'a queue has no field "{self.text[:100]}"')
            field = field.fields[part]
            path.append(field.name)
        self._advance()
        return path, field

    def _test(self, field: _Field, symbol: str) -> Callable[[Any], bool]:
        """Return the test of a field's value against the current token."""
        if field.kind == "message":
            raise self.error(f'"{field.name}" can only be compared as {field.name}:*')
        if field.kind == "enum" and symbol not in _EQUALITY:
            raise self.error(f'"{field.name}" can be compared with = != : alone')
        if field.kind == "enum" and self.text.upper() not in field.members:
            raise self.error(f'"{field.name}" can be one of {", ".join(field.members)}')
        read = _READERS[field.kind]
        try:
            operand = read(self.text)
        except ValueError:
            raise self.error(f'"{field.name}" is a {field.kind}') from None
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


def _values(value: Any, path: list[str]) -> list[Any]:
    """Return the values at a path: none when unset, several below a repeated field."""
    values = [value]
    for name in path:
        children = [item[name] for item in values if name in item]
        values = [
            item for each in children for item in (each if isinstance(each, list) else [each])
        ]
    return values


def _seconds(value: Any) -> float:
    return float(str(value).removesuffix("s"))


def _moment(value: Any) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _text(value: Any) -> str:
    return str(value).casefold()


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "number": float,
    "text": _text,
    "enum": _text,
    "duration": _seconds,
    "moment": _moment,
}
"""How a value is read for comparison, by the kind of its field; ValueError when it is no such."""

_KINDS = {
    "google.protobuf.Duration": "duration",
    "google.protobuf.Timestamp": "moment",
}


def _message(name: str, descriptor: Any) -> _Field:
    fields = {}
    for each in descriptor.fields:
        fields[each.name] = fields[each.json_name] = _describe(each)
    return _Field(name, "message", fields=fields)


def _describe(field: Any) -> _Field:
    if field.type == FieldDescriptor.TYPE_STRING:
        return _Field(field.json_name, "text")
    if field.enum_type is not None:
        return _Field(field.json_name, "enum", tuple(field.enum_type.values_by_name))
    if field.message_type is None:
        return _Field(field.json_name, "number")
    if kind := _KINDS.get(field.message_type.full_name):
        return _Field(field.json_name, kind)
    return _message(field.json_name, field.message_type)


_QUEUE = _message("queue", types.Queue.pb().DESCRIPTOR)
