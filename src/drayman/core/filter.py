"""The filter of ListQueues: which queues a caller wants (API text; Cloud Logging's syntax).

    expression  = disjunction { ["AND"] disjunction }
    disjunction = factor { "OR" factor }              OR binds closer than AND, as in Logging
    factor      = ["NOT" | "-"] ( "(" expression ")" | comparison )
    comparison  = field operator value                operators: = != < <= > >= :
    field       = name { "." name }                   in either spelling, of a message Queue
    value       = word | "quoted string"

``:`` means "has": a text that contains the value, anything else that equals it; ``field:*`` any
field that is set. Texts are compared without regard to case. A field that is not set compares
as unequal to everything.
"""

import dataclasses
import datetime
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from drayman.core.errors import InvalidArgument

Predicate = Callable[[Mapping[str, Any]], bool]
"""Takes a queue as its JSON value; tells whether it is wanted."""

_TOKEN = re.compile(
    r"""\s*(?: "(?P<quoted>(?:[^"\\]|\\.)*)"
      | (?P<operator> <= | >= | != | [=<>:] )
      | (?P<mark> [()] | -(?=[A-Za-z_(]) )
      | (?P<word> [^\s()"=<>!:]+ ) )""",
    re.VERBOSE | re.DOTALL,
)
_DEPTH = 64
LENGTH = 2_000
"""The most characters of a filter: it is tried on every queue, while everybody else waits."""
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    ":": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_EQUALITY = ("=", ":", "!=")


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """A field that can be compared.

    Attributes:
        name: Its JSON name.
        kind: What it holds: "number", "text", "enum", "duration", "moment" or "message".
        members: The names of an enum's values.
        fields: The fields of a message, by both spellings of their names.
    """

    name: str
    kind: str
    members: tuple[str, ...] = ()
    fields: Mapping[str, "Field"] = dataclasses.field(default_factory=dict)


def parse(text: str, fields: Mapping[str, Field]) -> Predicate:
    """Return what a filter over fields means; InvalidArgument says where it is wrong."""
    if len(text) > LENGTH:
        raise InvalidArgument(f"Invalid filter: it has more than {LENGTH} characters.")
    parser = _Parser(text, fields)
    if parser.kind == "end":
        return lambda _: True
    found = parser.expression(0)
    if parser.kind != "end":
        raise parser.refusal("AND, OR or the end was expected")
    return found


class _Parser:
    """One token of look-ahead: its kind, its text and where it stands."""

    def __init__(self, text: str, fields: Mapping[str, Field]) -> None:
        self._source = text
        self._fields = fields
        self._tokens = self._split()
        self.kind, self.text, self._position = next(self._tokens)

    def expression(self, depth: int) -> Predicate:
        parts = [self._disjunction(depth)]
        while self._take("word", "AND") or self._starts_a_factor():
            parts.append(self._disjunction(depth))
        return parts[0] if len(parts) == 1 else lambda queue: all(part(queue) for part in parts)

    def _disjunction(self, depth: int) -> Predicate:
        parts = [self._factor(depth)]
        while self._take("word", "OR"):
            parts.append(self._factor(depth))
        return parts[0] if len(parts) == 1 else lambda queue: any(part(queue) for part in parts)

    def _factor(self, depth: int) -> Predicate:
        if depth > _DEPTH:
            raise self.refusal("this is nested too deeply")
        if self._take("word", "NOT") or self._take("mark", "-"):
            inner = self._factor(depth + 1)
            return lambda queue: not inner(queue)
        if self._take("mark", "("):
            inner = self.expression(depth + 1)
            if not self._take("mark", ")"):
                raise self.refusal('")" was expected')
            return inner
        return self._comparison()

    def _comparison(self) -> Predicate:
        if self.kind != "word" or self.text in {"AND", "OR"}:
            raise self.refusal("the name of a field was expected")
        path, field = self._field(self.text)
        self._advance()
        if self.kind != "operator":
            raise self.refusal("one of = != < <= > >= : was expected")
        symbol = self.text
        self._advance()
        if self.kind not in {"word", "quoted"}:
            raise self.refusal("a value was expected")
        if symbol == ":" and (self.kind, self.text) == ("word", "*"):
            test: Callable[[Any], bool] | None = None
        else:
            test = self._test(field, symbol)
        self._advance()
        if test is None:
            return lambda queue: bool(_values(queue, path))
        if symbol == "!=":
            return lambda queue: all(test(value) for value in _values(queue, path))
        return lambda queue: any(test(value) for value in _values(queue, path))

    def _field(self, name: str) -> tuple[list[str], Field]:
        found, fields, path = None, self._fields, []
        for part in name.split("."):
            found = fields.get(part)
            if found is None:
                raise self.refusal(f'a queue has no field "{name[:100]}"')
            path.append(found.name)
            fields = found.fields
        return path, found  # type: ignore[return-value] # split gives one part at least

    def _test(self, field: Field, symbol: str) -> Callable[[Any], bool]:
        """Return what the operator and the value at hand ask of a field's value."""
        if field.kind == "message":
            raise self.refusal(f'"{field.name}" can only be compared as {field.name}:*')
        if field.kind == "enum" and symbol not in _EQUALITY:
            raise self.refusal(f'"{field.name}" can be compared with = != : alone')
        if field.kind == "enum" and self.text.upper() not in field.members:
            raise self.refusal(f'"{field.name}" can be one of {", ".join(field.members)}')
        read = _READERS[field.kind]
        try:
            wanted = read(self.text)
        except ValueError:
            raise self.refusal(f'"{field.name}" is a {field.kind}') from None
        if field.kind == "text" and symbol == ":":
            return lambda value: wanted in read(value)
        compare = _ORDER[symbol]
        return lambda value: compare(read(value), wanted)

    def _take(self, kind: str, text: str) -> bool:
        taken = (self.kind, self.text) == (kind, text)
        if taken:
            self._advance()
        return taken

    def _starts_a_factor(self) -> bool:
        return (self.kind == "word" and self.text != "OR") or (
            self.kind == "mark" and self.text != ")"
        )

    def _advance(self) -> None:
        self.kind, self.text, self._position = next(self._tokens)

    def _split(self) -> Iterator[tuple[str, str, int]]:
        source, position = self._source.rstrip(), 0
        while position < len(source):
            match = _TOKEN.match(source, position)
            if not match:
                self._position = position
                raise self.refusal("this cannot be read")
            kind = str(match.lastgroup)
            text = match[kind]
            if kind == "quoted":
                text = re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
            yield kind, text, match.start(kind)
            position = match.end()
        while True:
            yield "end", "", len(source)

    def refusal(self, reason: str) -> InvalidArgument:
        near = self._source[self._position : self._position + 40] or "the end"
        return InvalidArgument(
            f"Invalid filter: {reason}, at position {self._position + 1} ({near})."
        )


def _values(value: Any, path: list[str]) -> list[Any]:
    """Return what stands at a path, each of many where something is repeated."""
    found = [value]
    for name in path:
        found = [item[name] for item in found if name in item]
        found = [item for each in found for item in (each if isinstance(each, list) else [each])]
    return found


def _seconds(value: Any) -> float:
    text = str(value)
    return float(text.removesuffix("s"))


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
