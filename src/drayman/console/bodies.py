"""Bodies of tasks and responses as text that people can read, within bounds."""

import base64
import json
import re
from typing import NamedTuple

SHOWN = 32 << 10
"""The most bytes of a body that a page shows as text: decoding them takes milliseconds."""
HEX_SHOWN = 4 << 10
"""The most bytes that a page shows in hex, which takes five times the room."""
_PRETTY = 4 * SHOWN
"""The most characters of indented JSON: deep nesting would make more of them than of the body."""
_ROW = 16
_OPENING, _CLOSING = frozenset("{["), frozenset("}]")
_SYMBOL = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_HIDDEN = str.maketrans(
    {
        code: f"\\u{code:04x}"
        for first, last in (
            (0x00, 0x08), (0x0B, 0x1F), (0x7F, 0x9F), (0x61C, 0x61C), (0x200B, 0x200F),
            (0x2028, 0x202E), (0x2060, 0x206F), (0xFEFF, 0xFEFF),
        )
        for code in range(first, last + 1)
    }
)  # fmt: skip
"""Characters that do not show, or that change the order in which others show."""


class BodyText(NamedTuple):
    """A body, decoded.

    Attributes:
        kind: ``JSON``, ``text`` or ``hex``; empty for an empty body.
        text: What a page shows.
        size: The bytes of the whole body.
        shown: The bytes that the text stands for.
    """

    kind: str
    text: str
    size: int
    shown: int

    @property
    def is_cut(self) -> bool:
        """Whether the page shows less than the body."""
        return self.shown < self.size


def decode_base64(body: str) -> BodyText:
    """Return a body as text, from the base64 in which JSON messages have it."""
    return decode(base64.b64decode(body))


def decode(body: bytes) -> BodyText:
    """Return a body as text: JSON is indented, other text as it is, and everything else in hex."""
    size, start = len(body), body[:SHOWN]
    if not body:
        return BodyText("", "", 0, 0)
    text = _utf8(start, is_cut=size > SHOWN)
    if text is None:
        return BodyText("hex", _hex(body[:HEX_SHOWN]), size, min(size, HEX_SHOWN))
    indented = _indent(text) if size <= SHOWN else None
    kind = "text" if indented is None else "JSON"
    return BodyText(kind, visible(text if indented is None else indented), size, len(start))


def visible(text: str) -> str:
    r"""Return a text whose hidden characters are written as escapes, such as ``\u202e``."""
    return text.replace("\r\n", "\n").translate(_HIDDEN)


def _utf8(start: bytes, *, is_cut: bool) -> str | None:
    """Return the text of bytes, None if they are not text; a cut may be within a character."""
    for missing in range(4 if is_cut else 1):
        try:
            text = start[: len(start) - missing].decode()
        except UnicodeDecodeError:
            continue
        return None if "\0" in text else text
    return None


def _indent(text: str) -> str | None:
    """Return JSON with line breaks, None if the text is no object or list.

    Only space is changed: numbers, escapes and repeated keys stay as they were sent.
    """
    if text.lstrip()[:1] not in {"{", "["}:
        return None
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    return _join(_SYMBOL.findall(text))


def _join(symbols: list[str]) -> str | None:
    """Return JSON with line breaks; None if it would be much longer than without."""
    parts: list[str] = []
    depth = size = 0
    for before, symbol, after in zip(["", *symbols], symbols, [*symbols[1:], ""], strict=False):
        opens, closes = symbol in _OPENING, symbol in _CLOSING
        depth += opens - closes
        if closes and before not in _OPENING:
            parts.append(_line(depth))
        parts.append(": " if symbol == ":" else symbol)
        if symbol == "," or (opens and after not in _CLOSING):
            parts.append(_line(depth))
        size += 2 * depth
        if size > _PRETTY:
            return None
    return "".join(parts)


def _line(depth: int) -> str:
    return "\n" + "  " * depth


def _hex(body: bytes) -> str:
    rows = (body[start : start + _ROW] for start in range(0, len(body), _ROW))
    return "\n".join(f"{number * _ROW:06x}  {_hex_row(row)}" for number, row in enumerate(rows))


def _hex_row(row: bytes) -> str:
    characters = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)  # noqa: PLR2004
    return f"{row.hex(' '):<{3 * _ROW}} {characters}"
