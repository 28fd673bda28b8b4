"""The types of values that settings have: from text to value, and which texts are allowed."""

import dataclasses
import math
import re
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from drayman.core import errors, names
from drayman.core.clock import DAY, HOUR, MILLISECOND, MINUTE, SECOND, Micros

T_co = TypeVar("T_co", covariant=True)


@dataclasses.dataclass(frozen=True, slots=True)
class ValueType(Generic[T_co]):
    """A type of value.

    Attributes:
        metavar: What stands for a value in the help.
        allowed: Which texts are allowed.
        parse: Text to value; ValueError if the text is not allowed.
        render: Value to text, to show a default.
    """

    metavar: str
    allowed: str
    parse: Callable[[str], T_co]
    render: Callable[[Any], str] = str


_UNITS = {"ms": MILLISECOND, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_AUTH_METHODS = frozenset({"keys", "oidc"})
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})


def _duration(text: str) -> Micros:
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)?", text)
    if not match:
        raise ValueError(text)
    return round(float(match[1]) * _UNITS[match[2] or "s"])


def _render_duration(duration: Micros) -> str:
    unit = next(unit for unit in reversed(_UNITS) if duration % _UNITS[unit] == 0)
    return f"{duration // _UNITS[unit]}{unit}"


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 < rate < math.inf:
        raise ValueError(text)
    return rate


def _boolean(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError(text)
    return text.lower() in _TRUE


def _location(text: str) -> str:
    if not names.is_location_id(text):
        raise ValueError(text)
    return text


def _store(text: str) -> str:
    if text != "memory" and not re.match(r"sqlite:.|postgres(ql)?://", text):
        raise ValueError(text)
    return text


def _queue(text: str) -> str:
    try:
        return names.queue(text)
    except errors.InvalidArgument:
        raise ValueError(text) from None


def _host_pattern(text: str) -> str:
    if not re.fullmatch(r"\*|(\*\.)?[\w-]+(\.[\w-]+)*", text):
        raise ValueError(text)
    return text


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", text):
        raise ValueError(text)
    return text


def _target(text: str) -> tuple[str, str]:
    service, url = "", text
    if match := re.match(r"([A-Za-z0-9.-]+)=", text):
        service, url = match[1], text[match.end() :]
    return ("" if service == "default" else service), _url(url)


def _whole(metavar: str, allowed: str, low: int, high: float = math.inf) -> ValueType[int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or not low <= int(text) <= high:
            raise ValueError(text)
        return int(text)

    return ValueType(metavar, allowed, parse)


def _one_of(metavar: str, allowed: str, *values: str) -> ValueType[str]:
    def parse(text: str) -> str:
        if text not in values:
            raise ValueError(text)
        return text

    return ValueType(metavar, allowed, parse)


def _auth(text: str) -> str:
    methods = {method.strip() for method in text.split(",")}
    if text != "none" and not methods <= _AUTH_METHODS:
        raise ValueError(text)
    return ",".join(sorted(methods))


DURATION = ValueType(
    "DURATION", "a duration such as 500ms, 30s, 5m, 24h or 3d", _duration, _render_duration
)
CALL_DEADLINE = dataclasses.replace(DURATION, allowed=f"{DURATION.allowed}; 0 for any")
BOOLEAN = ValueType(
    "BOOLEAN",
    "true or false (or 1, yes, on and 0, no, off)",
    _boolean,
    lambda value: str(value).lower(),
)
COUNT = _whole("N", "a whole number from 1", 1)
PORT = _whole("PORT", "a port number, 0 to 65535", 0, 65535)
RATE = ValueType("RATE", "a number above 0", _rate, "{:g}".format)
HOST = ValueType("HOST", "a host name or address", str)
HOST_PATTERN = ValueType("HOST", "a host name without a port, *.DOMAIN, or *", _host_pattern)
FILE = ValueType("FILE", "the name of a file", str)
URL = ValueType("URL", "a URL starting with http:// or https://", _url)
TARGETS = ValueType("any|public|FILE", "any, public or the name of a file", str)
STORE = ValueType("STORE", "sqlite:PATH, postgresql://HOST/DATABASE or memory", _store)
DURABILITY = _one_of("LEVEL", "safe or relaxed", "safe", "relaxed")
AUTH = ValueType("METHODS", "none, keys, oidc or keys,oidc", _auth)
CONSOLE = _one_of("MODE", "off, read-only or full", "off", "read-only", "full")
ROLE = _one_of("ROLE", "all, api or dispatch", "all", "api", "dispatch")
METRICS = _one_of("WHO", "protected, open or off", "protected", "open", "off")
LOG_FORMAT = _one_of("FORMAT", "text or json", "text", "json")
LOG_LEVEL = _one_of("LEVEL", "debug, info, warning, error", "debug", "info", "warning", "error")
QUEUE = ValueType("NAME", f"a full name, {errors.QUEUE_FORM}", _queue)
LOCATION = ValueType("ID", "letters, digits and hyphens", _location)
TARGET = ValueType(
    "[SERVICE=]URL",
    "URL or SERVICE=URL, the URL starting with http:// or https://",
    _target,
)
