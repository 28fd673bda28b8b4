"""A request as bytes: the origin of its URL, its path and its head.

Everything that ends up in a head is checked here, so that no header or URL can add a line to it.
"""

import functools
import ipaddress
import re
import socket
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from drayman.core.delivery import Request

_URL = re.compile(r"([^:/?#]*)://([^/?#]*)([^#]*)")
# A name has no "%": it was not encoded for the DNS, and decoded elsewhere it is another host.
_AUTHORITY = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(?:%[\w.~%-]+)?)\]|(?P<name>[\w.~!$&'()*+,;=-]+))"
    r"(?::(?P<port>[0-9]{0,5}))?",
    re.ASCII,
)
_PATH = re.compile(r"[\x21-\x7e]*")
_TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_DIGITS_AND_DOTS = re.compile(r"[0-9.]+")
_PORTS = {"http": 80, "https": 443}
_MAX_PORT = 65_535
_METHODS_WITHOUT_BODY = ("GET", "HEAD", "OPTIONS", "TRACE")


class Origin(NamedTuple):
    """Where a URL points.

    Attributes:
        tls: Whether it is an ``https://`` URL.
        host: The host in lower case, an IPv6 address without brackets.
        port: The port.
        authority: Host and port as the Host header has them, the default port omitted.
        is_address: Whether the host is an IP address.
    """

    tls: bool
    host: str
    port: int
    authority: str
    is_address: bool


class InvalidRequestError(ValueError):
    """A request that cannot be written as HTTP; the message says why."""


class InvalidUrlError(InvalidRequestError):
    """A URL that names no place to send to; the message says why."""


@functools.lru_cache(maxsize=1024)
def split_url(url: str) -> tuple[Origin, str]:
    """Return the origin of a URL, and its path with the query; InvalidUrlError."""
    match = _URL.match(url)
    if match is None:
        raise InvalidUrlError("it has no scheme and host")
    scheme, authority, path = match.groups()
    if not _PATH.fullmatch(path):
        raise InvalidUrlError("its path has characters that are not percent-encoded")
    return parse_origin(scheme, authority), path if path.startswith("/") else "/" + path


@functools.lru_cache(maxsize=1024)
def parse_origin(scheme: str, authority: str) -> Origin:
    """Return the origin of a scheme and an authority without a user name; InvalidUrlError."""
    scheme, match = scheme.lower(), _AUTHORITY.fullmatch(authority)
    if scheme not in _PORTS:
        raise InvalidUrlError("its scheme is neither http nor https")
    if match is None:
        raise InvalidUrlError("its host or port is invalid")
    default = _PORTS[scheme]
    port = int(match["port"] or default)
    if port > _MAX_PORT:
        raise InvalidUrlError("its port is out of range")
    name = (match["ipv6"] or match["name"]).lower()
    host = name.replace("%25", "%", 1) if match["ipv6"] else name
    bracketed = f"[{name}]" if match["ipv6"] else name
    return Origin(
        tls=scheme == "https",
        host=host,
        port=port,
        authority=bracketed if port == default else f"{bracketed}:{port}",
        is_address=_is_address(host),
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if ":" in host or _stands_for_ipv4(host.rstrip(".")):
            raise InvalidUrlError(f"{host} - is not a canonical IP address") from None
        return False
    return True


def _stands_for_ipv4(host: str) -> bool:
    """Return whether getaddrinfo takes a host for an IPv4 address: 127.1, 2130706433, 0x7f.1."""
    try:
        socket.inet_aton(host)
    except OSError:
        return _DIGITS_AND_DOTS.fullmatch(host) is not None  # no name either
    return True


def render_head(
    request: Request, authority: str, target: str, proxy_authorization: str = ""
) -> bytes:
    """Return the request line and the headers; InvalidRequestError.

    Of headers whose names differ in case alone, the last counts.

    Args:
        request: The request.
        authority: The value of the Host header.
        target: The path, or the whole URL for a proxy.
        proxy_authorization: The value of a Proxy-Authorization header, empty for none.
    """
    if not _is_token(request.method):
        raise InvalidRequestError("the method has characters that HTTP does not allow")
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {authority}"]
    lines += _fields(request.headers)
    if proxy_authorization:
        lines.append(f"Proxy-Authorization: {proxy_authorization}")
    if request.body or request.method not in _METHODS_WITHOUT_BODY:
        lines.append(f"Content-Length: {len(request.body)}")
    return "\r\n".join([*lines, "", ""]).encode()


def _fields(headers: Mapping[str, str]) -> list[str]:
    values = "".join(headers.values())
    if not values.isprintable() and not _VALUE.fullmatch(values):
        raise InvalidRequestError("the value of a header has characters that HTTP does not allow")
    last = _last_of_each(tuple(headers))
    return [f"{name}: {headers[name]}" for name in last]


@functools.lru_cache(maxsize=128)
def _last_of_each(names: tuple[str, ...]) -> Sequence[str]:
    """Return valid names of headers; of those that differ in case alone, the last."""
    if not all(_is_token(name) for name in names):
        raise InvalidRequestError("the name of a header has characters that HTTP does not allow")
    return list({name.lower(): name for name in names}.values())


@functools.lru_cache(maxsize=128)
def _is_token(name: str) -> bool:
    """Return whether a method or the name of a header is one (RFC 9110, section 5.6.2)."""
    return _TOKEN.fullmatch(name) is not None
