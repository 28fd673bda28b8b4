"""The ``fields`` parameter of REST: which parts of a response a caller asks for.

    fields=name,retryConfig(maxAttempts,minBackoff),tasks/name

Commas separate fields, ``/`` or parentheses select below a field, ``*`` selects every field of a
level (Google APIs, partial responses).
"""

import re
from collections.abc import Iterator
from typing import Any

from drayman.core import errors

Selection = dict[str, "Selection"]
"""The selected fields of a level, each with its own selection; empty selects everything."""

_TOKEN = re.compile(r"\s*([A-Za-z0-9_.*@$-]+|[,/()])")
_MAX_DEPTH = 32


def parse(text: str) -> Selection:
    """Return the selection that a ``fields`` parameter spells; InvalidArgument if malformed."""
    selection: Selection = {}
    if _parse_level(text, _split(text), selection, 0) is not None:
        raise _malformed(text)
    return selection


def apply(selection: Selection, value: Any) -> Any:
    """Return the selected parts of a JSON value; a list is selected from item by item."""
    if not selection:
        return value
    if isinstance(value, list):
        return [apply(selection, item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: apply(selection.get(key, selection.get("*", {})), item)
        for key, item in value.items()
        if key in selection or "*" in selection
    }


def _split(text: str) -> Iterator[str]:
    position, text = 0, text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            raise _malformed(text)
        position = match.end()
        yield match[1]


def _parse_level(text: str, tokens: Iterator[str], selection: Selection, depth: int) -> str | None:
    """Add the fields of a level to ``selection``; return the token after it, None at the end."""
    if depth > _MAX_DEPTH:
        raise _malformed(text)
    while True:
        below, after = _parse_path(text, tokens, selection)
        if after == "(":
            if _parse_level(text, tokens, below, depth + 1) != ")":
                raise _malformed(text)
            after = next(tokens, None)
        if after != ",":
            return after


def _parse_path(
    text: str, tokens: Iterator[str], selection: Selection
) -> tuple[Selection, str | None]:
    """Add a path ``a/b/c``; return the selection below its end, and the token after it."""
    while True:
        name = next(tokens, None)
        if name is None or name in ",/()":
            raise _malformed(text)
        selection = selection.setdefault(name, {})
        after = next(tokens, None)
        if after != "/":
            return selection, after


def _malformed(text: str) -> errors.InvalidArgument:
    return errors.InvalidArgument(f'Invalid field selection: "{text[:200]}".')
