"""Requests that web pages make browsers send: which of them are refused.

A page of any site can make the browser of its reader send requests to addresses that only the
reader can reach. Two things mark such a request, and other clients send neither:

* ``Origin`` and ``Sec-Fetch-Site``, which no page can forge, tell of which site the page is;
* ``Host`` has the name in the URL. A page whose own name resolves to this server (DNS rebinding)
  counts as a page of this server, but the name is not one of this server.

No response has CORS header fields, so pages of other sites cannot read any either.
"""

import dataclasses
import functools
import ipaddress
import re
import urllib.parse
from collections.abc import Iterable, Mapping

from drayman.core import errors

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_BUFFER_TASK = ":buffer"
"""The end of the path of BufferTask, which creates a task by a GET, too."""
_OWN_SITES = frozenset({b"same-origin", b"none"})
"""Values of ``Sec-Fetch-Site`` for pages of this server, and for what the user has typed in."""
_SIMPLE_TYPES = frozenset(
    {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data"}
)
"""The content types that a page may send to another site without asking first (Fetch, CORS)."""
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:]*)(?::[0-9]*)?")
_LOCAL = ("localhost", "*.localhost", "host.docker.internal", "host.containers.internal")
"""Names of this machine, the last two for its containers. No site can have one of them."""

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
)
"""Header fields of all responses: a browser neither runs nor embeds one, nor names it elsewhere."""


class Hosts:
    """Names of hosts.

    Args:
        patterns: Names, ``*.DOMAIN`` for all names below a domain, or ``*`` for all.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._patterns = frozenset(pattern.lower() for pattern in patterns)

    def include(self, name: str) -> bool:
        """Return whether a name is one of these."""
        labels = name.split(".")
        domains = (".".join(["*", *labels[start:]]) for start in range(1, len(labels)))
        patterns = self._patterns
        return "*" in patterns or name in patterns or not patterns.isdisjoint(domains)


@dataclasses.dataclass(frozen=True, slots=True)
class BrowserPolicy:
    """What a server accepts.

    Attributes:
        hosts: The names of the server, besides addresses; None for any.
        origins: The hosts whose pages may call the server, besides its own pages.
    """

    hosts: Hosts | None = None
    origins: Hosts = dataclasses.field(default_factory=Hosts)


def policy(host: str, allowed: Iterable[str], issuer: str | None, *, local: bool) -> BrowserPolicy:
    """Return the policy of a server.

    Args:
        host: The host that it listens on.
        allowed: The names that its settings allow.
        issuer: The URL at which verifiers of its tokens reach it, if it is set.
        local: Whether only this machine can reach it. Otherwise any name is accepted unless some
            are allowed: a server for other machines may have any.
    """
    allowed = tuple(allowed)
    issuers = (urllib.parse.urlsplit(issuer).hostname or "",) if issuer else ()
    if not local and not allowed:
        return BrowserPolicy(None, Hosts(issuers))
    return BrowserPolicy(Hosts((*_LOCAL, host, *allowed, *issuers)), Hosts((*allowed, *issuers)))


def check(
    policy: BrowserPolicy,
    method: str,
    headers: Mapping[bytes, bytes],
    path: str = "",
    *,
    takes_forms: bool = False,
) -> None:
    """Refuse a request that a page of another site has caused, or may have: PermissionDenied.

    ``takes_forms`` allows the content types of forms, on paths that check forms by a token.
    """
    _check_host(policy, headers.get(b"host", b"").decode("latin-1").lower())
    if b"origin" not in headers and b"sec-fetch-site" not in headers:
        return
    safe = method in _SAFE and not path.endswith(_BUFFER_TASK)
    if not (_is_own(policy, headers) or (safe and _is_navigation(method, headers))):
        raise _foreign_page(headers)
    if not safe and not takes_forms:
        _check_content_type(headers.get(b"content-type", b"").decode("latin-1"))


def _check_host(policy: BrowserPolicy, host: str) -> None:
    if policy.hosts is not None and not _is_own_host(policy.hosts, host):
        raise errors.PermissionDenied(
            f'The Host "{host[:100]}" is not a name of this server. If it should be, start the '
            "server with --allow-host."
        )


@functools.lru_cache(maxsize=1024)
def _is_own_host(hosts: Hosts, host: str) -> bool:
    match = _HOST.fullmatch(host)
    name = match[1].removesuffix(".") if match else host
    return not host or hosts.include(name) or _is_address(name)


def _is_address(name: str) -> bool:
    """Return whether a name is an IP address: no site can have the address of another as name."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _is_own(policy: BrowserPolicy, headers: Mapping[bytes, bytes]) -> bool:
    """Return whether a browser's request comes from a page of this server, or an allowed one.

    Where both header fields are there, ``Sec-Fetch-Site`` decides: it is right even behind a proxy
    that changes ``Host``.
    """
    url, site = _split_origin(headers), headers.get(b"sec-fetch-site")
    if url.hostname and policy.origins.include(url.hostname):
        return True
    if site is None:
        return bool(url.netloc) and url.netloc == headers.get(b"host", b"").decode("latin-1")
    return site in _OWN_SITES


def _split_origin(headers: Mapping[bytes, bytes]) -> urllib.parse.SplitResult:
    """Return the origin of a request, empty if it is not a URL."""
    try:
        return urllib.parse.urlsplit(headers.get(b"origin", b"").decode("latin-1"))
    except ValueError:
        return urllib.parse.urlsplit("")


def _is_navigation(method: str, headers: Mapping[bytes, bytes]) -> bool:
    """Return whether a link is followed: to what changes nothing, it may be from everywhere."""
    is_link = headers.get(b"sec-fetch-mode") == b"navigate" and b"sec-fetch-site" in headers
    return method == "GET" and is_link


def _foreign_page(headers: Mapping[bytes, bytes]) -> errors.PermissionDenied:
    origin = headers.get(b"origin", b"").decode("latin-1")[:100]
    page = f'of the origin "{origin}"' if origin else "of other sites"
    return errors.PermissionDenied(
        f"Requests of web pages {page} are refused. If a page there should call this server, "
        "start it with --allow-host and the host of the page."
    )


def _check_content_type(content_type: str) -> None:
    kind = content_type.partition(";")[0].strip().lower()
    if kind in _SIMPLE_TYPES:
        raise errors.PermissionDenied(
            f'The content type "{kind}" is refused in requests of web pages. Send application/json.'
        )
