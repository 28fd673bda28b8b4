"""Proxies by the convention of the environment: ``HTTP_PROXY``, ``HTTPS_PROXY``, ``NO_PROXY``.

An ``http://`` target is requested from its proxy by its whole URL, an ``https://`` target through
a tunnel that CONNECT opens (RFC 9110, section 9.3.6). The proxy itself is spoken to in plain HTTP.
"""

import asyncio
import base64
import re
import socket
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import NamedTuple

from drayman.core.delivery import NoResponse
from drayman.dispatch.http import failures, request
from drayman.dispatch.http.request import Origin

MAX_CONNECT_HEAD_SIZE = 16 * 1024
"""The most bytes of a proxy's response to CONNECT."""
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r\n]")
_BLANK_LINE = b"\r\n\r\n"


class Proxy(NamedTuple):
    """A proxy.

    Attributes:
        origin: Its origin.
        authorization: The value of the Proxy-Authorization header, empty for none.
    """

    origin: Origin
    authorization: str


class Proxies:
    """Chooses the proxy of an origin."""

    def __init__(self, by_scheme: Mapping[str, str]) -> None:
        """Take proxies as ``urllib.request.getproxies`` returns them; InvalidUrlError.

        ``all`` stands for schemes that are not named, ``no`` for hosts without a proxy.
        """
        self._bypass = {"no": by_scheme.get("no", "")}
        self._by_scheme = {
            scheme: _parse(by_scheme[scheme]) for scheme in ("http", "https", "all")
            if by_scheme.get(scheme)
        }  # fmt: skip

    def choose(self, origin: Origin) -> Proxy | None:
        """Return the proxy to an origin, None for a direct connection."""
        scheme = "https" if origin.tls else "http"
        proxy = self._by_scheme.get(scheme) or self._by_scheme.get("all")
        if proxy is None or self._is_bypassed(origin):
            return None
        return proxy

    def _is_bypassed(self, origin: Origin) -> bool:
        bypass = urllib.request.proxy_bypass_environment  # type: ignore[attr-defined]
        return bool(bypass(f"{origin.host}:{origin.port}", self._bypass))


def _parse(url: str) -> Proxy:
    if "://" not in url:
        url = "http://" + url
    scheme, _, rest = url.partition("://")
    user, _, authority = rest.partition("/")[0].rpartition("@")
    origin = request.parse_origin(scheme, authority)
    if origin.tls:
        raise request.InvalidUrlError("a proxy that is spoken to over TLS is not supported")
    credentials = base64.b64encode(urllib.parse.unquote_to_bytes(user)).decode()
    return Proxy(origin, f"Basic {credentials}" if user else "")


async def open_tunnel(sock: socket.socket, proxy: Proxy, origin: Origin) -> NoResponse | None:
    """Have a proxy connect ``sock`` to an origin; return the failure if it does not."""
    authority = f"[{origin.host}]" if ":" in origin.host else origin.host
    try:
        head = await _connect(sock, proxy, f"{authority}:{origin.port}")
    except OSError as error:
        return failures.connecting(error)
    status = _STATUS.match(head)
    if status is None or not head.endswith(_BLANK_LINE):
        return failures.failure(failures.UNREACHABLE, "the proxy's answer is not HTTP")
    if not status[1].startswith(b"2"):
        reason = f"the proxy answered with the HTTP status code {status[1].decode()}"
        return failures.failure(failures.UNREACHABLE, reason)
    return None


async def _connect(sock: socket.socket, proxy: Proxy, authority: str) -> bytes:
    """Send CONNECT; return the head of the response, and whatever has come with it."""
    loop = asyncio.get_running_loop()
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    await loop.sock_sendall(sock, "\r\n".join([*lines, "", ""]).encode())
    head = b""
    while _BLANK_LINE not in head and len(head) < MAX_CONNECT_HEAD_SIZE:
        data = await loop.sock_recv(sock, 4096)
        if not data:
            break
        head += data
    return head
