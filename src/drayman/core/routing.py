"""How a queue changes where its tasks are delivered: its HTTP target and App Engine routing.

Both apply at each dispatch, thus also to tasks that were created before they were set (API text,
Queue.http_target).
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
        port: The port; 0 removes the port.
        path: The path; empty removes it.
        query: The query without its "?"; empty removes it.
        always: Whether the parts replace those of the task's URL; if not, they only fill in
            parts that it lacks.
    """

    scheme: str | None = None
    host: str | None = None
    port: int | None = None
    path: str | None = None
    query: str | None = None
    always: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class HttpTarget:
    """The overrides of a queue for the HTTP requests of its tasks.

    Attributes:
        uri: Parts of the URL.
        method: The HTTP method; None leaves the task's.
        headers: Headers that replace the task's headers of the same name, or are added.
        token: The token that replaces the task's token and any Authorization header.
    """

    uri: UriOverride = UriOverride()
    method: str | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    token: Token | None = None


def apply(override: HttpTarget, target: Target) -> Target:
    """Return the target of a task with the overrides of its queue applied."""
    method = override.method or target.method
    overridden = {name.lower() for name in override.headers}
    headers = {
        name: value for name, value in target.headers.items() if name.lower() not in overridden
    }
    has_body = override.method is None or method in METHODS_WITH_BODY[Kind.HTTP]
    return dataclasses.replace(
        target,
        url=url(override.uri, target.url),
        method=method,
        # The body is ignored when the method allows none (API text).
        body=target.body if has_body else b"",
        headers=headers | dict(override.headers),
        token=override.token or target.token,
    )


def url(override: UriOverride, task_url: str) -> str:
    """Return the URL of a task with the parts that its queue sets."""
    match = _URI.fullmatch(task_url)
    scheme, authority, path, query = match.groups() if match else ("", "", "", None)
    host, port = _split(authority)

    def pick(new: str | None, old: str | None) -> str | None:
        return old if new is None or (old and not override.always) else new

    scheme = pick(override.scheme, scheme) or "https"
    host = pick(override.host, host) or ""
    port = pick(None if override.port is None else str(override.port), port)
    path = pick(override.path, "" if path == "/" and not override.always else path) or ""
    query = pick(override.query, query)
    authority = host if port in {None, "", "0"} else f"{host}:{port}"
    path = path.replace("?", "%3F").replace(
        "#", "%23"
    )  # part of the path, not the start of the next part
    query = query and query.replace("#", "%23")
    path = path if not path or path.startswith("/") else f"/{path}"
    return f"{scheme}://{authority}{path}{f'?{query}' if query else ''}"


def app_engine_bases(service: str, version: str, instance: str) -> Iterator[str]:
    """Yield the names under which the base URL of an App Engine service may be configured.

    The most specific comes first: ``instance.version.service``, ``version.service``, ``service``,
    then the empty name, which stands for all others.
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
