"""The ``fields`` parameter: which parts of an answer a caller wants (partial responses).

    fields=name,retryConfig(maxAttempts,minBackoff),tasks/name

Commas between fields, ``/`` or parentheses for what lies below one, ``*`` for all of a level.
"""

import re
from collections.abc import Iterator
from typing import Any

from drayman.core import errors

Mask = dict[str, "Mask"]
"""The wanted fields of a level, each with those of the next; empty means everything."""

_TOKEN = re.compile(r"\s*([A-Za-z0-9_.*@$-]+|[,/()])")
_DEPTH = 32


def parse(text: str) -> Mask:
    """Return the mask that a ``fields`` parameter spells; InvalidArgument."""
    tokens = _tokens(text)
    mask: Mask = {}
    if _level(text, tokens, mask, 0) is not None:
        raise _malformed(text)
    return mask


def apply(mask: Mask, value: Any) -> Any:
    """Return the wanted parts of a JSON value; a mask reaches through lists."""
    if not mask:
        return value
    if isinstance(value, list):
        return [apply(mask, item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: apply(mask.get(key, mask.get("*", {})), item)
        for key, item in value.items()
        if key in mask or "*" in mask
    }


def _tokens(text: str) -> Iterator[str]:
    position, text = 0, text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            raise _malformed(text)
        position = match.end()
        yield match[1]


def _level(text: str, tokens: Iterator[str], mask: Mask, depth: int) -> str | None:
    """Read the fields of a level into ``mask``; return the token that ends it."""
    if depth > _DEPTH:
        raise _malformed(text)
    while True:
        below, end = _path(text, tokens, mask)
        if end == "(":
            end = _level(text, tokens, below, depth + 1)
            if end != ")":
                raise _malformed(text)
            end = next(tokens, None)
        if end != ",":
            return end


def _path(text: str, tokens: Iterator[str], mask: Mask) -> tuple[Mask, str | None]:
    while True:
        name = next(tokens, None)
        if name is None or name in ",/()":
            raise _malformed(text)
        mask = mask.setdefault(name, {})
        end = next(tokens, None)
        if end != "/":
            return mask, end


def _malformed(text: str) -> errors.InvalidArgument:
    return errors.field_error("fields", f'Invalid field selection: "{text[:200]}".')
