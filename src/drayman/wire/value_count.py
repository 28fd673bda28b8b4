"""How many values a request has, counted before it is parsed.

A parser holds the interpreter's lock, and a request of 16 MB may have eight million values: an
empty message is two bytes of protobuf and three of JSON.
"""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.message import DecodeError

from drayman.core import errors
from drayman.core.limits import REQUEST_VALUES

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}
_PIECE = 1 << 20
_CONTINUED = 0x80
_LONGEST_VARINT = 10


class _Schema:
    """The fields of a message that are messages, by number; their own are found when needed."""

    def __init__(self, descriptor: Any) -> None:
        self._descriptors = {
            field.number: field.message_type
            for field in descriptor.fields
            if field.message_type is not None
        }

    @functools.cached_property
    def children(self) -> Mapping[int, "_Schema"]:
        """The schemas of the fields that are messages."""
        return {number: _schema(each) for number, each in self._descriptors.items()}


@functools.cache
def _schema(descriptor: Any) -> _Schema:
    return _Schema(descriptor)


def check_protobuf(body: bytes, descriptor: Any, limit: int = REQUEST_VALUES) -> None:
    """Check that a serialized message has at most ``limit`` fields, those of its parts included.

    Raises:
        InvalidArgument: It has more.
        DecodeError: It is malformed, or contains groups, which the API does not have.
    """
    position, end, schema = 0, len(body), _schema(descriptor)
    outer: list[tuple[int, _Schema]] = []
    for _ in range(limit + 1):
        while position >= end:
            if not outer:
                return
            end, schema = outer.pop()
        tag, position = _varint(body, position)
        number, kind = tag >> 3, tag & 7
        if kind == _LENGTH:
            length, position = _varint(body, position)
            if position + length > end:
                raise DecodeError("A field is longer than its message.")
            part = schema.children.get(number)
            if part is None:
                position += length
            else:
                outer.append((end, schema))
                end, schema = position + length, part
        elif kind == _VARINT:
            _, position = _varint(body, position)
        elif kind in _FIXED_SIZES:
            position += _FIXED_SIZES[kind]
        else:
            raise DecodeError("A field has an unsupported type.")
        if position > end:
            raise DecodeError("A field is longer than its message.")
    raise _too_many(limit)


def _varint(body: bytes, position: int) -> tuple[int, int]:
    """Return a number of variable length and the position after it. DecodeError."""
    if position < len(body) and body[position] < _CONTINUED:  # nearly always
        return body[position], position + 1
    value = 0
    for index, byte in enumerate(body[position : position + _LONGEST_VARINT]):
        value |= (byte & ~_CONTINUED) << 7 * index
        if byte < _CONTINUED:
            return value, position + index + 1
    raise DecodeError("A number does not end.")


def check_json(body: bytes, limit: int = REQUEST_VALUES) -> None:
    """Check that a JSON text has at most ``limit`` commas, objects and lists outside of strings.

    So an object in a list counts twice, any other value once, and the last of a list never.

    InvalidArgument if it has more.
    """
    if _separators(body) > limit and _separators(_without_strings(body, limit)) > limit:
        raise _too_many(limit)


def _separators(text: bytes) -> int:
    """Return the number of commas, objects and lists of a text, those in strings included."""
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def _without_strings(text: bytes, limit: int) -> bytes:
    """Return a JSON text without its strings. InvalidArgument if there are very many."""
    text = b"".join(map(_without_escapes, _pieces(text)))
    if text.count(b'"') > 4 * limit:  # a value has two strings at most, its name and itself
        raise _too_many(limit)
    return b"".join(text.split(b'"')[::2])


def _without_escapes(text: bytes) -> bytes:
    return text.replace(rb"\\", b"").replace(rb"\"", b"")


def _pieces(text: bytes) -> Iterator[bytes]:
    """Cut a JSON text between escapes: to replace all at once may take long."""
    start = 0
    while start < len(text):
        piece = text[start : start + _PIECE]
        backslashes = len(piece) - len(piece.rstrip(b"\\"))
        end = start + len(piece) + backslashes % 2
        yield text[start:end]
        start = end


def _too_many(limit: int) -> errors.InvalidArgument:
    return errors.InvalidArgument(f"The request has more than {limit} values.")
