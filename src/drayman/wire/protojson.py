"""Messages as JSON, by the rules of protobuf, in the words of the real service when refused."""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor

from drayman.core import errors
from drayman.wire import published

_PREFIX = "Invalid JSON payload received."
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
_CLOSED = ("google.protobuf.", "google.rpc.")
"""Packages whose messages have JSON forms of their own, which the library knows."""


def decode(body: bytes) -> Any:
    """Return the JSON value of a body; an empty one means ``{}``. InvalidArgument."""
    if not body.strip():
        return {}
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise errors.InvalidArgument(f"{_PREFIX} {error}.") from None


def parse(value: Any, message: Any, where: str = "") -> None:
    """Merge a JSON value into a message; InvalidArgument names every field that is wrong.

    ``where`` is the message's own place in the request.
    """
    violations: list[tuple[str, str]] = []
    _check(message.DESCRIPTOR, value, where, violations)
    if violations:
        raise errors.InvalidArgument(
            "\n".join(f"{_PREFIX} {text}" for _, text in violations), errors.BadRequest(violations)
        )
    try:
        json_format.ParseDict(value, message, descriptor_pool=published.POOL)
    except (
        json_format.ParseError,
        ValueError,
        TypeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        reason = published.renamed(str(error)).rstrip(". ")
        reason = re.sub(r"^(Failed to parse \w+ field: )+", "", reason)
        raise errors.InvalidArgument(f"{_PREFIX} {reason}.") from None


def query(parameters: Mapping[str, list[str]], descriptor: Any) -> dict[str, Any]:
    """Return query parameters as the JSON value of a message; InvalidArgument for unknown ones."""
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
        field = _field(kind, last)
        if field is None:
            raise _unbound(name)
        values = [_typed(field, text) for text in texts]
        target[field.json_name] = values if field.is_repeated else values[-1]
    return value


def render(message: Any, *, integers: bool = False) -> Any:
    """Return the JSON value of a message, its enums as integers on demand."""
    value = json_format.MessageToDict(
        message, use_integers_for_enums=integers, descriptor_pool=published.POOL
    )
    return _tidy(value)


def _tidy(value: Any) -> Any:
    """Write whole numbers without a fraction, as the real service does."""
    if isinstance(value, dict):
        return {key: _tidy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_tidy(item) for item in value]
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
    if field.message_type and field.message_type.full_name == "google.protobuf.FieldMask":
        return re.sub("_([a-z])", lambda match: match[1].upper(), text)  # both cases are taken
    return text


def _check(descriptor: Any, value: Any, path: str, found: list[tuple[str, str]]) -> None:
    """Note what of a JSON value has no place in a message."""
    if descriptor.full_name.startswith(_CLOSED):
        return
    if not isinstance(value, dict):
        name = published.renamed(descriptor.full_name)
        where = f" at '{path}'" if path else ""
        found.append((path, f"Invalid value{where} (type.googleapis.com/{name}), {_shown(value)}"))
        return
    for key, item in value.items():
        field = _field(descriptor, key)
        if field is None:
            where = f" at '{path}'" if path else ""
            found.append((path, f'Unknown name "{key[:200]}"{where}: Cannot find field.'))
        elif item is not None:
            _check_field(field, item, f"{path}.{field.name}" if path else field.name, found)


def _check_field(field: Any, value: Any, path: str, found: list[tuple[str, str]]) -> None:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        if not isinstance(value, dict):
            found.append((path, f"Invalid value at '{path}' (Map), {_shown(value)}"))
        elif kind.fields_by_name["value"].type == FieldDescriptor.TYPE_STRING:
            for key, item in value.items():
                if not isinstance(item, str):
                    place = f"{path}[{_shown(key)}]"
                    found.append(
                        (place, f"Invalid value at '{place}' (TYPE_STRING), {_shown(item)}")
                    )
    elif field.is_repeated:
        if not isinstance(value, list):
            found.append((path, f"Invalid value at '{path}' (List), {_shown(value)}"))
            return
        for index, item in enumerate(value):
            _check_one(field, item, f"{path}[{index}]", found)
    else:
        _check_one(field, value, path, found)


def _check_one(field: Any, value: Any, path: str, found: list[tuple[str, str]]) -> None:
    if field.message_type is not None:
        _check(field.message_type, value, path, found)
    elif field.type == FieldDescriptor.TYPE_BYTES and not is_base64(value):
        text = f"Invalid value at '{path}' (TYPE_BYTES), Base64 decoding failed for {_shown(value)}"
        found.append((path, text))
    elif field.type == FieldDescriptor.TYPE_STRING and not isinstance(value, str):
        found.append((path, f"Invalid value at '{path}' (TYPE_STRING), {_shown(value)}"))


def is_base64(value: Any) -> bool:
    """Tell whether a JSON value can be the content of a bytes field."""
    if not isinstance(value, str) or not _BASE64.fullmatch(value):
        return False
    text = value.rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
    try:
        base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return False
    return True


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else f"{text[:100]}…"  # noqa: PLR2004 - a line's worth


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a JSON value")
