"""Messages as JSON (ProtoJSON), with the error texts of the real service.

The reader is written by hand: docs/decisions/0020 compares it with ``json_format``.
"""

import json
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

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
        value = json.loads(
            body.decode(),
            parse_int=_parse_int,
            parse_float=_parse_float,
            parse_constant=_no_constant,
            object_pairs_hook=_unique,
        )
        if _SURROGATE.search(body):
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


def parse(value: Any, message: Any, where: str = "") -> None:
    """Merge a JSON value into a message.

    Args:
        value: The JSON value.
        message: The message that is filled in.
        where: The path of the message in the request; "" is the request itself.

    Raises:
        InvalidArgument: Some fields are unknown or have wrong values; the message has a line for
            each, the details its path.
    """
    reader = _Reader()
    reader.message(value, message, where)
    if reader.violations:
        raise reader.error()


def query(parameters: Mapping[str, list[str]], descriptor: Any) -> dict[str, Any]:
    """Return query parameters as the JSON value of a message; InvalidArgument if one is unknown."""
    value: dict[str, Any] = {}
    for name, texts in parameters.items():
        target, field = value, None
        *parents, last = name.split(".")
        kind = descriptor
        for part in parents:
            field = _field(kind, part) if kind else None
            if field is None or field.is_repeated or not field.message_type:
                raise _unbound(name)
            kind = field.message_type
            target = target.setdefault(field.json_name, {})
            if not isinstance(target, dict):  # another parameter sets the whole message
                raise _unbound(name)
        field = _field(kind, last)
        if field is None:
            raise _unbound(name)
        values = [_typed(field, text) for text in texts]
        target[field.json_name] = values if field.is_repeated else values[-1]
    return value


def render(message: Any, *, integers: bool = False) -> Any:
    """Return the JSON value of a message; enums are names, or numbers with ``integers``."""
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


def _field(descriptor: Any, name: str) -> Any:
    return descriptor.fields_by_camelcase_name.get(name) or descriptor.fields_by_name.get(name)


def _unbound(name: str) -> errors.InvalidArgument:
    text = (
        f'Unknown name "{name[:200]}": Cannot bind query parameter. '
        f"Field '{name[:200]}' could not be found in request message."
    )
    return errors.InvalidArgument(f"{_PREFIX} {text}", errors.BadRequest([("", text)]))


def _typed(field: Any, text: str) -> Any:
    if field.type == FieldDescriptor.TYPE_BOOL:
        return {"true": True, "false": False}.get(text, text)
    return text


class _Reader:
    """Reads JSON values into messages and records violations: unknown fields, wrong values."""

    def __init__(self) -> None:
        self.violations: list[tuple[str, str]] = []
        self._lines: list[str] = []

    def error(self) -> errors.InvalidArgument:
        """Return the error that names the violations."""
        return errors.InvalidArgument("\n".join(self._lines), errors.BadRequest(self.violations))

    def message(self, value: Any, message: Any, path: str) -> None:
        """Merge a JSON value into a message."""
        descriptor = message.DESCRIPTOR
        if special := json_values.SPECIAL.get(descriptor.full_name):
            try:
                special(value, message)
            except (ValueError, TypeError, ArithmeticError, json_format.ParseError):
                self._wrong(path, _type_name(descriptor), value)
            return
        if not isinstance(value, dict):
            self._wrong(path, _type_name(descriptor), value)
            return
        fields_set: dict[str, str] = {}
        for key, item in value.items():
            field = _field(descriptor, key)
            if field is None:
                self._record(
                    path, f'Unknown name "{key[:200]}"{_at(path)}: Cannot find field.', _PREFIX
                )
            elif item is not None and self._is_first(field, key, fields_set, path):
                self._field(field, item, message, f"{path}.{field.name}" if path else field.name)

    def _is_first(self, field: Any, key: str, fields_set: dict[str, str], path: str) -> bool:
        """Return whether neither the field nor its oneof was set before; record it otherwise."""
        oneof = field.containing_oneof
        place = oneof.name if oneof else field.name
        if place not in fields_set:
            fields_set[place] = field.name
            return True
        if fields_set[place] == field.name:
            self._record(path, f'Duplicate name "{key[:200]}"{_at(path)}.', _PREFIX)
        else:
            self._record(
                path,
                f"Invalid value{_at(path)} (oneof), oneof field '{place}' is already set. "
                f"Cannot set '{key[:200]}'",
            )
        return False

    def _field(self, field: Any, value: Any, message: Any, path: str) -> None:
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            self._map(kind.fields_by_name["value"], value, getattr(message, field.name), path)
        elif field.is_repeated:
            if not isinstance(value, list):
                self._wrong(path, "List", value)
                return
            items = getattr(message, field.name)
            for index, item in enumerate(value):
                place = f"{path}[{index}]"
                if kind is not None:
                    self.message(item, items.add(), place)
                elif (content := self._scalar(field, item, place)) is not None:
                    items.append(content)
        elif kind is not None:
            part = getattr(message, field.name)
            part.SetInParent()
            self.message(value, part, path)
        elif (content := self._scalar(field, value, path)) is not None:
            setattr(message, field.name, content)

    def _map(self, field: Any, value: Any, entries: Any, path: str) -> None:
        """Read a map from strings to scalars; the API has no other maps."""
        if not isinstance(value, dict):
            self._wrong(path, "Map", value)
            return
        for key, item in value.items():
            content = self._scalar(field, item, f"{path}[{_shown(key)}]")
            if content is not None:
                entries[key] = content

    def _scalar(self, field: Any, value: Any, path: str) -> Any:
        """Return the value of a field; None, with a violation recorded, if it has a wrong type."""
        if field.enum_type is not None:
            content = json_values.enum_number(field.enum_type, value)
            if content is None:
                self._wrong(path, _type_name(field.enum_type), value)
            return content
        name, read = json_values.SCALARS[field.type]
        content = read(value)
        if content is None:
            reason = "Base64 decoding failed for " if name == "TYPE_BYTES" else ""
            self._wrong(path, name, value, reason)
        return content

    def _wrong(self, path: str, kind: str, value: Any, reason: str = "") -> None:
        self._record(path, f"Invalid value{_at(path)} ({kind}), {reason}{_shown(value)}")

    def _record(self, path: str, text: str, prefix: str = "") -> None:
        self.violations.append((path, text))
        self._lines.append(f"{prefix} {text}" if prefix else text)
        if len(self.violations) == MAX_VIOLATIONS:
            raise self.error()


def _type_name(descriptor: Any) -> str:
    return f"type.googleapis.com/{google_descriptors.renamed(descriptor.full_name)}"


def _at(path: str) -> str:
    return f" at '{path}'" if path else ""


def _shown(value: Any) -> str:
    """Return the start of a value as JSON; the rest of a long value is not encoded."""
    if isinstance(value, str):
        text = json.dumps(value[: _SHOWN + 1])
    else:
        text = "".join(islice(_ENCODER.iterencode(value), _SHOWN + 1))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


_ENCODER = json.JSONEncoder()


def _undecodable(reason: str) -> errors.InvalidArgument:
    return errors.InvalidArgument(f"{_PREFIX} {reason}", errors.BadRequest([("", reason)]))


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
