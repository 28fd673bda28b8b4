"""Single values in JSON (ProtoJSON): scalars, enums, and the messages with a form of their own."""

import binascii
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor

from drayman.wire import google_descriptors, times

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_PADDING = 2
_PART = 1 << 20
"""The characters of base64 that are decoded at once; a multiple of four."""
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_DOUBLE = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?|NaN|-?Infinity")
_MASK_LENGTH = 10_000
"""The most characters of a field mask: all fields of a queue have 1,500."""
_DURATION = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,9})?s")


def _integer(bits: int) -> Callable[[Any], int | None]:
    allowed = range(-(1 << bits - 1), 1 << bits - 1)

    def read(value: Any) -> int | None:
        whole = (
            (isinstance(value, str) and _INTEGER.fullmatch(value))
            or (isinstance(value, int) and not isinstance(value, bool))
            or (isinstance(value, float) and value.is_integer())
        )
        return number if whole and (number := int(value)) in allowed else None

    return read


def _double(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number and not (isinstance(value, str) and _DOUBLE.fullmatch(value)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    by_name = isinstance(value, str) and value[-1].isalpha()
    return number if by_name or math.isfinite(number) else None


def enum_number(kind: Any, value: Any) -> int | None:
    """Return the number of an enum value, from its name or number; None if it is neither.

    A number without a name passes here, as it does over gRPC: the rule of the field refuses it.
    """
    if isinstance(value, str) and value in kind.values_by_name:
        return int(kind.values_by_name[value].number)
    return _int32(value)


def _bytes(value: Any) -> bytes | None:
    if not isinstance(value, str):
        return None
    try:
        if len(value) <= _PART:
            return binascii.a2b_base64(value, strict_mode=True)  # padded: nearly always
    except ValueError:
        pass  # perhaps the other alphabet
    return from_base64(value) if is_base64(value) else None


_int32 = _integer(32)
SCALARS: Mapping[int, tuple[str, Callable[[Any], Any]]] = {
    FieldDescriptor.TYPE_INT32: ("TYPE_INT32", _int32),
    FieldDescriptor.TYPE_INT64: ("TYPE_INT64", _integer(64)),
    FieldDescriptor.TYPE_DOUBLE: ("TYPE_DOUBLE", _double),
    FieldDescriptor.TYPE_BOOL: (
        "TYPE_BOOL",
        lambda value: value if isinstance(value, bool) else None,
    ),
    FieldDescriptor.TYPE_STRING: (
        "TYPE_STRING",
        lambda value: value if isinstance(value, str) else None,
    ),
    FieldDescriptor.TYPE_BYTES: ("TYPE_BYTES", _bytes),
}
"""How the value of a scalar field is read, by its type; requests have no other types.

A reader returns None for a value that is wrong.
"""


def _text(form: re.Pattern[str]) -> Callable[[Any, Any], None]:
    """Return the reader of a message whose JSON is a string of this form."""

    def read(value: Any, message: Any) -> None:
        if not isinstance(value, str) or not form.fullmatch(value):
            raise ValueError(value)
        message.FromJsonString(value)

    return read


def _timestamp(value: Any, message: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(value)
    message.seconds, message.nanos = times.parse_rfc3339(value)


def _mask(value: Any, message: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(value)
    if len(value) > _MASK_LENGTH:
        raise ValueError(value)
    paths = value.split(",") if value else []
    # Both spellings are accepted.
    message.paths.extend(
        re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", path) for path in paths
    )


def _any(value: Any, message: Any) -> None:
    json_format.ParseDict(value, message, descriptor_pool=google_descriptors.POOL)


SPECIAL: Mapping[str, Callable[[Any, Any], None]] = {
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Duration": _text(_DURATION),
    "google.protobuf.FieldMask": _mask,
    "google.protobuf.Any": _any,
}
"""Readers of messages with a JSON form of their own; ValueError or TypeError if it is wrong."""


def is_base64(value: Any) -> bool:
    """Return whether a JSON value is a base64 string, in either alphabet, padded or not."""
    if not isinstance(value, str) or not value.isascii():
        return False
    text = value.encode()
    digits = text.rstrip(b"=")
    return (
        len(text) - len(digits) <= _PADDING
        and len(digits) % 4 != 1
        and not digits.translate(None, _ALPHABET)
    )


def from_base64(text: str) -> bytes:
    """Return the bytes of a string that ``is_base64``."""
    # In parts: decoding holds the interpreter's lock, and a body may have megabytes.
    digits = text.rstrip("=").replace("-", "+").replace("_", "/").encode()
    digits += b"=" * (-len(digits) % 4)
    parts = range(0, len(digits), _PART)
    return b"".join(binascii.a2b_base64(digits[start : start + _PART]) for start in parts)
