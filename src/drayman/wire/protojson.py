"""Messages as JSON (ProtoJSON), with the error texts of the real service.

The reader is written by hand: docs/decisions/0020 compares it with ``json_format``.
"""

import functools
import json
import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, NamedTuple

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor

from drayman.core import errors
from drayman.wire import google_descriptors, json_values, value_count

MAX_VIOLATIONS = 20
"""The most wrong fields that an error names: a response must not grow with the request."""

_PREFIX = "Invalid JSON payload received."
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SHOWN = 100
_DIGITS = 400
"""The most characters of a number; the largest double has 309 digits. The time to parse an integer
grows with the square of its digits."""


def decode(body: bytes) -> Any:
    """Return the JSON value of a body; an empty body means ``{}``.

    InvalidArgument if it is malformed or has too many values.
    """
    if not body.strip():
        return {}
    value_count.check_json(body)
    try:
        value = _DECODER.decode(body.decode())
        if b"\\u" in body and _SURROGATE.search(body):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError:
        raise _undecodable("It is not UTF-8.") from None
    except UnicodeEncodeError:
        raise _undecodable("It contains half of a surrogate pair.") from None
    except json.JSONDecodeError as error:
        raise _undecodable(f"Syntax error at line {error.lineno}, column {error.colno}.") from None
    except ValueError:
        raise _undecodable("It contains a number of too many digits.") from None
    except RecursionError:
        raise _undecodable("It is nested too deeply.") from None
    return value


def parse(value: Any, message: Any) -> None:
    """Merge the JSON value of a request into its message.

    Raises:
        InvalidArgument: Some fields are unknown or have wrong values; the message has a line for
            each, the details its path.
    """
    reader = _Reader()
    reader.message(value, message, "")
    if reader.violations:
        reader.check()


def parse_query(parameters: Mapping[str, list[str]], message: Any) -> None:
    """Merge query parameters into the message of a request; raises as ``parse`` does."""
    reader = _Reader()
    value: dict[str, Any] = {}
    for name, texts in parameters.items():
        fields = _fields(message.DESCRIPTOR, name)
        if not fields or not _set(value, fields, texts):
            reader.unbound(name)
    reader.message(value, message, "")
    reader.check()


def _fields(descriptor: Any, name: str) -> list[Any]:
    """Return the fields on the path of a query parameter; none if it names no field."""
    fields = []
    for part in name.split("."):
        field = _field(descriptor, part) if descriptor else None
        if field is None:
            return []
        fields.append(field)
        descriptor = None if field.is_repeated else field.message_type
    return fields


def _set(value: dict[str, Any], fields: list[Any], texts: list[str]) -> bool:
    """Set a field of a JSON value; return False if another parameter sets a message around it."""
    *parents, last = fields
    place: Any = value
    for parent in parents:
        place = place.setdefault(parent.json_name, {})
        if not isinstance(place, dict):
            return False
    values = [_typed(last, text) for text in texts]
    place[last.json_name] = values if last.is_repeated else values[-1]
    return True


def _field(descriptor: Any, name: str) -> Any:
    return descriptor.fields_by_camelcase_name.get(name) or descriptor.fields_by_name.get(name)


def _typed(field: Any, text: str) -> Any:
    if field.type == FieldDescriptor.TYPE_BOOL:
        return {"true": True, "false": False}.get(text, text)
    return text


class _Reader:
    """Reads JSON values into messages and records violations: unknown fields, wrong values."""

    def __init__(self) -> None:
        self.violations: list[tuple[str, str]] = []

    def check(self) -> None:
        """Raise InvalidArgument, which names the violations, if there are any."""
        if self.violations:
            text = "\n".join(description for _, description in self.violations)
            raise errors.InvalidArgument(text, errors.BadRequest(self.violations))

    def unbound(self, name: str) -> None:
        """Record that a query parameter names no field."""
        reason = (
            f"Cannot bind query parameter. Field '{name[:200]}' could not be found in request "
            "message."
        )
        self._unknown("", name, reason)

    def message(self, value: Any, message: Any, path: str) -> None:
        """Merge a JSON value into a message."""
        kind = _type(message.DESCRIPTOR)
        if kind.special is not None:
            try:
                kind.special(value, message)
            except (ValueError, TypeError, ArithmeticError, json_format.ParseError):
                self.wrong(path, kind.name, value)
            return
        if not isinstance(value, dict):
            if path:
                self.wrong(path, kind.name, value)
            else:
                self._unknown(path, "", "Root element must be a message.")
            return
        fields, used = kind.fields, dict[str, str]()
        for key, item in value.items():
            field = fields.get(key)
            if field is None:
                self._unknown(path, key, "Cannot find field.")
            elif item is not None:
                if field.place in used:
                    self._taken(field, key, used[field.place], path)
                else:
                    used[field.place] = field.name
                    field.read(self, item, message, path)

    def _taken(self, field: "_Field", key: str, before: str, path: str) -> None:
        """Record that a field, or another one of its oneof, was set before."""
        if before == field.name:
            self._record(path, f'{_PREFIX} Duplicate name "{key[:200]}"{_at(path)}.')
        else:
            self._record(
                path,
                f"Invalid value{_at(path)} (oneof), oneof field '{field.place}' is already set. "
                f"Cannot set '{key[:200]}'",
            )

    def not_repeated(self, name: str, path: str) -> None:
        """Record a list for a field that has one value."""
        self._unknown(path, name, "Proto field is not repeating, cannot start list.")

    def wrong(self, path: str, kind: str, value: Any) -> None:
        """Record a value that a field of this kind cannot have."""
        self._record(path, f"Invalid value{_at(path)} ({kind}), {_reason(kind, value)}")

    def _unknown(self, path: str, name: str, reason: str) -> None:
        self._record(path, f'{_PREFIX} Unknown name "{name[:200]}"{_at(path)}: {reason}')

    def _record(self, path: str, text: str) -> None:
        self.violations.append((path, text))
        if len(self.violations) == MAX_VIOLATIONS:
            self.check()


class _Field(NamedTuple):
    """How a field is read.

    Attributes:
        name: Its name.
        place: That of its oneof, or its own: a request sets each place once.
        read: Takes the reader, the JSON value, the message and the message's path.
    """

    name: str
    place: str
    read: Callable[[_Reader, Any, Any, str], None]


class _Type(NamedTuple):
    """How a message is read.

    Attributes:
        name: Its name in errors.
        special: Reads a message that has a JSON form of its own; None for others.
        fields: Its fields, by both their names.
    """

    name: str
    special: Callable[[Any, Any], None] | None
    fields: Mapping[str, _Field]


@functools.lru_cache(maxsize=256)
def _type(descriptor: Any) -> _Type:
    fields = {}
    for field in descriptor.fields:
        oneof = field.containing_oneof
        row = _Field(field.name, oneof.name if oneof else field.name, _reader(field))
        fields[field.name] = fields[field.camelcase_name] = row
    special = json_values.SPECIAL.get(descriptor.full_name)
    return _Type(_type_name(descriptor), special, fields)


def _reader(field: Any) -> Callable[[_Reader, Any, Any, str], None]:
    kind, name = field.message_type, field.name
    if kind is not None and kind.GetOptions().map_entry:
        return _map_reader(name, *_scalar(kind.fields_by_name["value"]))
    if kind is not None:
        return _messages_reader(name) if field.is_repeated else _message_reader(name)
    scalar = _scalar(field)
    return _scalars_reader(name, *scalar) if field.is_repeated else _scalar_reader(name, *scalar)


def _scalar(field: Any) -> tuple[str, Callable[[Any], Any]]:
    """Return the type of a field in errors, and what returns its value, None for a wrong one."""
    if field.enum_type is not None:
        read = functools.partial(json_values.enum_number, field.enum_type)
        return _type_name(field.enum_type), read
    return json_values.SCALARS[field.type]


def _scalar_reader(
    name: str, kind: str, convert: Callable[[Any], Any]
) -> Callable[[_Reader, Any, Any, str], None]:
    def read(reader: _Reader, value: Any, message: Any, parent: str) -> None:
        if isinstance(value, list):
            reader.not_repeated(name, parent)
        elif (content := convert(value)) is not None:
            setattr(message, name, content)
        else:
            reader.wrong(_join(parent, name), kind, value)

    return read


def _scalars_reader(
    name: str, kind: str, convert: Callable[[Any], Any]
) -> Callable[[_Reader, Any, Any, str], None]:
    def read(reader: _Reader, value: Any, message: Any, parent: str) -> None:
        path = _join(parent, name)
        if not isinstance(value, list):
            reader.wrong(path, "List", value)
            return
        items = getattr(message, name)
        for index, item in enumerate(value):
            if (content := convert(item)) is not None:
                items.append(content)
            else:
                reader.wrong(f"{path}[{index}]", kind, item)

    return read


def _message_reader(name: str) -> Callable[[_Reader, Any, Any, str], None]:
    def read(reader: _Reader, value: Any, message: Any, parent: str) -> None:
        if isinstance(value, list):
            reader.not_repeated(name, parent)
            return
        part = getattr(message, name)
        part.SetInParent()
        reader.message(value, part, _join(parent, name))

    return read


def _messages_reader(name: str) -> Callable[[_Reader, Any, Any, str], None]:
    def read(reader: _Reader, value: Any, message: Any, parent: str) -> None:
        path = _join(parent, name)
        if not isinstance(value, list):
            reader.wrong(path, "List", value)
            return
        items = getattr(message, name)
        for index, item in enumerate(value):
            reader.message(item, items.add(), f"{path}[{index}]")

    return read


def _map_reader(
    name: str, kind: str, convert: Callable[[Any], Any]
) -> Callable[[_Reader, Any, Any, str], None]:
    """Return the reader of a map from strings to scalars; the API has no other maps.

    The path of a value is that of an entry of the field (the protobuf library's converter).
    """

    def read(reader: _Reader, value: Any, message: Any, parent: str) -> None:
        path = _join(parent, name)
        if not isinstance(value, dict):
            reader.wrong(path, "Map", value)
            return
        entries = getattr(message, name)
        for index, (key, item) in enumerate(value.items()):
            if (content := convert(item)) is not None:
                entries[key] = content
            else:
                reader.wrong(f"{path}[{index}].value", kind, item)

    return read


def _join(parent: str, name: str) -> str:
    return f"{parent}.{name}" if parent else name


def _type_name(descriptor: Any) -> str:
    return f"type.googleapis.com/{google_descriptors.renamed(descriptor.full_name)}"


def _at(path: str) -> str:
    return f" at '{path}'" if path else ""


def _reason(kind: str, value: Any) -> str:
    """Return what is wrong with a value (the texts of the protobuf library's converter)."""
    if kind == "TYPE_BYTES" and isinstance(value, str):
        return f"Base64 decoding failed for {_shown(value)}"
    if isinstance(value, dict) and kind.startswith("TYPE_"):
        return "Starting an object on a scalar field"
    return _shown(value)


def _shown(value: Any) -> str:
    """Return the start of a value as JSON; the rest of a long value is not encoded."""
    if isinstance(value, str):
        text = json.dumps(value[: _SHOWN + 1])
    else:
        text = "".join(islice(_ENCODER.iterencode(value), _SHOWN + 1))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


_ENCODER = json.JSONEncoder()


def _undecodable(reason: str) -> errors.InvalidArgument:
    return errors.InvalidArgument(f"{_PREFIX} {reason}")


def _parse_int(text: str) -> int:
    return int(_limit_digits(text))


def _parse_float(text: str) -> float:
    return float(_limit_digits(text))


def _limit_digits(text: str) -> str:
    if len(text) > _DIGITS:
        raise ValueError(text)
    return text


def _no_constant(text: str) -> Any:
    raise _undecodable(f"{text} is not a JSON value.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _undecodable(f"Duplicate name {_shown(key)}.")
            seen.add(key)
    return value


_DECODER = json.JSONDecoder(
    parse_int=_parse_int,
    parse_float=_parse_float,
    parse_constant=_no_constant,
    object_pairs_hook=_unique,
)
