"""Messages as JSON (ProtoJSON), written: the reader is ``protojson``.

What ``json_format.MessageToDict`` returns, in a third of its time: the fields of each type are
looked up once (docs/decisions/0029). ``Any`` and other types with a form of their own are left to
it.
"""

import base64
import functools
import json
import math
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring
from typing import Any, NamedTuple

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor

from drayman.wire import google_descriptors, times

_Write = Callable[[Any, bool], Any]
"""Takes a value and whether enums are numbers; returns its JSON value."""
_INT64 = frozenset({
    FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64
})  # fmt: skip
_FLOATS = frozenset({FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT})


class _Field(NamedTuple):
    """How a field is written.

    Attributes:
        name: Its JSON name.
        write: Writes its value.
    """

    name: str
    write: _Write


def render(message: Any, *, integers: bool = False) -> Any:
    """Return the JSON value of a message; enums are names, or numbers with ``integers``."""
    return _message(message, integers)


def pretty(value: Any, indent: str = "\n") -> str:
    """Return a JSON value with line breaks and indentation.

    That is ``json.dumps`` with ``indent=2``, which is slow: it is not in C. ``indent`` begins each
    line of the value that contains this one.
    """
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if not value or kind not in {dict, list}:
        return json.dumps(value)
    inner = indent + "  "
    if kind is list:
        return f"[{inner}{f',{inner}'.join([pretty(item, inner) for item in value])}{indent}]"
    lines = [f"{encode_basestring(key)}: {pretty(item, inner)}" for key, item in value.items()]
    return f"{{{inner}{f',{inner}'.join(lines)}{indent}}}"


def _message(message: Any, integers: bool) -> Any:
    special, fields = _type(message.DESCRIPTOR)
    if special is not None:
        return special(message, integers)
    content = {}
    for descriptor, value in message.ListFields():
        field = fields[descriptor.number]
        content[field.name] = field.write(value, integers)
    return content


@functools.lru_cache(maxsize=256)
def _type(descriptor: Any) -> tuple[_Write | None, Mapping[int, _Field]]:
    """Return the writer of a type with a JSON form of its own, and the fields of any other."""
    name = descriptor.full_name
    if name.startswith("google.protobuf.") and name != "google.protobuf.Empty":
        return _SPECIAL.get(name, _by_library), {}
    fields = {field.number: _Field(field.json_name, _writer(field)) for field in descriptor.fields}
    return None, fields


def _writer(field: Any) -> _Write:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        return _map(_scalar(kind.fields_by_name["value"]))
    write = _message if kind is not None else _scalar(field)
    return _list(write) if field.is_repeated else write


def _scalar(field: Any) -> _Write:
    if field.enum_type is not None:
        names = {value.number: value.name for value in field.enum_type.values}
        return lambda value, integers: value if integers else names.get(value, value)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value, _: base64.b64encode(value).decode()
    if field.cpp_type in _INT64:
        return lambda value, _: str(value)
    return _number if field.cpp_type in _FLOATS else _plain


def _plain(value: Any, integers: bool) -> Any:  # noqa: ARG001 - the form of _Write
    return value


def _number(value: float, integers: bool) -> Any:  # noqa: ARG001 - the form of _Write
    """Return a number; a whole one without a fraction, as the real service writes it."""
    if math.isfinite(value):
        return int(value) if value.is_integer() else value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _map(write: _Write) -> _Write:
    return lambda entries, integers: {key: write(value, integers) for key, value in entries.items()}


def _list(write: _Write) -> _Write:
    return lambda items, integers: [write(item, integers) for item in items]


def _timestamp(message: Any, integers: bool) -> str:  # noqa: ARG001 - the form of _Write
    return times.rfc3339(message.seconds, message.nanos)


def _duration(message: Any, integers: bool) -> str:  # noqa: ARG001 - the form of _Write
    return str(message.ToJsonString()) if message.nanos else f"{message.seconds}s"


def _by_library(message: Any, integers: bool) -> Any:
    value = json_format.MessageToDict(
        message, use_integers_for_enums=integers, descriptor_pool=google_descriptors.POOL
    )
    return _without_fractions(value)


def _without_fractions(value: Any) -> Any:
    """Return a value with whole numbers as integers, as the real service writes them."""
    if isinstance(value, dict):
        return {key: _without_fractions(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_fractions(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


_SPECIAL: Mapping[str, _Write] = {
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Duration": _duration,
}
