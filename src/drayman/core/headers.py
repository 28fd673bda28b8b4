"""The headers of a task, from those that its creator sends to those that are stored.

No header is an error (recorded: headers of the task). A header is stored, stored with another
value, or dropped:

    name or value                                         stored
    --------------------------------------------------    ----------------------------
    a name in ``DROPPED`` or with a prefix of             no
    ``DROPPED_PREFIXES``, in any case
    a name with a character that is not visible ASCII,    no
    or with a colon; an empty name
    a value with NUL                                      the value before it
    a value with LF or CR                                 each of them as "_"
    a value with another control character but tab        no
    a value with a character that is not ASCII            no
    an empty value                                        no
    name and value longer than ``LINE_SIZE``              no

The rules are applied in this order: a value is judged as it would be stored.
"""

import functools
import re
from collections.abc import MutableMapping

DROPPED = frozenset({
    "accept-encoding", "connection", "content-length", "from", "host", "keep-alive",
    "proxy-authorization", "proxy-connection", "te", "transfer-encoding", "upgrade", "user-agent",
    "via", "x-forwarded-for",
})  # fmt: skip
"""Names that are dropped, in lower case."""
DROPPED_PREFIXES = ("x-google", "x-appengine")
"""Prefixes of names that are dropped, in lower case; ``X-Goog-…`` has none of them."""
LINE_SIZE = 8188
"""The most bytes of a name and its value: with ": " and CRLF, a line of 8 KB."""

_NAME = re.compile(r"[!-9;-~]+")
_VALUE = re.compile(r"[\t -~]+")
_LINE_BREAKS = str.maketrans("\r\n", "__")


def sanitize(headers: MutableMapping[str, str]) -> int:
    """Drop and change headers in place; return the bytes of the names and values that are left."""
    size = 0
    for name in list(headers):
        value = headers[name]
        clean = value if _VALUE.fullmatch(value) else _clean(value)
        length = len(name) + len(clean)
        if not clean or length > LINE_SIZE or _is_dropped(name):
            del headers[name]
            continue
        if clean != value:
            headers[name] = clean
        size += length
    return size


def is_dropped(name: str) -> bool:
    """Return whether a header is dropped because of its name."""
    lowered = name.lower()
    return (
        lowered in DROPPED or lowered.startswith(DROPPED_PREFIXES) or _NAME.fullmatch(name) is None
    )


_is_dropped = functools.lru_cache(maxsize=256)(is_dropped)
"""The same, cached, for names that are no longer than a line."""


def _clean(value: str) -> str:
    """Return a value as it is stored, "" if its header is dropped."""
    value = value.partition("\0")[0].translate(_LINE_BREAKS)
    return value if _VALUE.fullmatch(value) else ""
