"""What a queue changes of its tasks' deliveries: its HTTP target and its App Engine routing.

It is applied at each dispatch, so that it holds for tasks that were queued before it was set
(API text, Queue.http_target).
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping

from drayman.core.delivery import METHODS_WITH_BODY, Kind, Target, Token

_URI = re.compile(r"(?:([^:/?#]+)://)?([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.DOTALL)
_AUTHORITY = re.compile(r"(.*?)(?::(\d*))?", re.DOTALL)


@dataclasses.dataclass(frozen=True, slots=True)
class UriOverride:
    """Parts of a URL that a queue sets; None leaves a part alone.

    Attributes:
        scheme: "http" or "https".
        host: The host name.
        port: The port; 0 takes the port away.
        path: The path; empty takes it away.
        query: The query without its "?"; empty takes it away.
        always: Whether parts that the task's URL has are replaced; if not, only those that it
            lacks are filled in.
    """

    scheme: str | None = None
    host: str | None = None
    port: int | None = None
    path: str | None = None
    query: str | None = None
    always: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class HttpTarget:
    """What a queue sets for the HTTP requests of its tasks.

    Attributes:
        uri: Parts of the URL.
        method: The method, None for the task's own.
        headers: Headers that replace those of the same name, or are added.
        token: The token that replaces the task's and any Authorization header.
    """

    uri: UriOverride = UriOverride()
    method: str | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    token: Token | None = None


def apply(override: HttpTarget, target: Target) -> Target:
    """Return where a task goes in a queue with an HTTP target."""
    method = override.method or target.method
    changed = {name.lower() for name in override.headers}
    kept = {name: value for name, value in target.headers.items() if name.lower() not in changed}
    keeps_body = override.method is None or method in METHODS_WITH_BODY[Kind.HTTP]
    return dataclasses.replace(
        target,
        url=url(override.uri, target.url),
        method=method,
        # A method that carries no body makes the task's body go unused (API text).
        body=target.body if keeps_body else b"",
        headers=kept | dict(override.headers),
        token=override.token or target.token,
    )


def url(override: UriOverride, of_task: str) -> str:
    """Return a task's URL with the parts that a queue sets."""
    match = _URI.fullmatch(of_task)
    scheme, authority, path, query = match.groups() if match else ("", "", "", None)
    host, port = _split(authority)

    def pick(given: str | None, own: str | None) -> str | None:
        if given is None or (own and not override.always):
            return own
        return given

    scheme = pick(override.scheme, scheme) or "https"
    host = pick(override.host, host) or ""
    port = pick(None if override.port is None else str(override.port), port)
    path = pick(override.path, "" if path == "/" and not override.always else path) or ""
    query = pick(override.query, query)
    authority = host if port in {None, "", "0"} else f"{host}:{port}"
    path = path.replace("?", "%3F").replace("#", "%23")  # what a queue sets is a path throughout
    query = query and query.replace("#", "%23")
    path = path if not path or path.startswith("/") else f"/{path}"
    return f"{scheme}://{authority}{path}{f'?{query}' if query else ''}"


def app_engine_bases(service: str, version: str, instance: str) -> Iterator[str]:
    """Yield the names under which the place of an App Engine target may be configured.

    The most exact first: ``instance.version.service``, ``version.service``, ``service``, and
    the empty name for all others.
    """
    parts = [instance, version, service or "default"]
    for start in range(len(parts)):
        if parts[start]:
            yield ".".join(filter(None, parts[start:]))
    yield ""


def _split(authority: str) -> tuple[str, str | None]:
    if authority.endswith("]"):  # an IPv6 address without a port
        return authority, None
    match = _AUTHORITY.fullmatch(authority)
    return (match[1], match[2]) if match else (authority, None)
