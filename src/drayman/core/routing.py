"""Overrides by the queue of where its tasks are delivered: HTTP target and App Engine routing.

They apply at each dispatch, so also to tasks that were created before they were set (API text,
Queue.http_target).
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping

from drayman.core.delivery import Target, Token

_URI = re.compile(r"(?:([^:/?#]+)://)?([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.DOTALL)
_AUTHORITY = re.compile(r"(.*?)(?::(\d*))?", re.DOTALL)


@dataclasses.dataclass(frozen=True, slots=True)
class UriOverride:
    """Parts of a URL that a queue overrides; None leaves a part unchanged.

    Attributes:
        scheme: "http" or "https".
        host: The host name.
        port: The port; 0 removes the port.
        path: The path; empty removes it.
        query: The query without its "?"; empty removes it.
        always: Whether the parts replace those of the task's URL; otherwise they apply only to a
            task without a URL.
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
        uri: The parts of the URL.
        method: The HTTP method; None for the task's.
        headers: Headers to set; they replace those of the same name.
        token: The token to send instead of the task's token and any Authorization header.
    """

    uri: UriOverride = UriOverride()
    method: str | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    token: Token | None = None


def apply(override: HttpTarget, target: Target) -> Target:
    """Return the target of a task with the overrides of its queue applied."""
    overridden = {name.lower() for name in override.headers}
    headers = {
        name: value for name, value in target.headers.items() if name.lower() not in overridden
    }
    return target._replace(
        url=url(override.uri, target.url),
        method=override.method or target.method,
        headers=headers | dict(override.headers),
        token=override.token or target.token,
    )


def url(override: UriOverride, task_url: str) -> str:
    """Return the URL of a task with the overrides of its queue applied.

    With IF_NOT_EXISTS a URL is complete as it is, even without a path or query (recorded: a
    queue's http_target at dispatch).
    """
    if task_url and not override.always:
        return task_url
    match = _URI.fullmatch(task_url)
    scheme, authority, path, query = match.groups() if match else ("", "", "", None)
    host, port = _split_authority(authority)
    scheme = override.scheme or scheme or "https"
    host = override.host or host
    port = port if override.port is None else str(override.port)
    path = path if override.path is None else override.path
    query = query if override.query is None else override.query
    authority = host if port in {None, "", "0"} else f"{host}:{port}"
    # In these parts, "?" and "#" are data and do not start the next part.
    path = path.replace("?", "%3F").replace("#", "%23")
    query = query and query.replace("#", "%23")
    path = path if not path or path.startswith("/") else f"/{path}"
    return f"{scheme}://{authority}{path}{f'?{query}' if query else ''}"


def app_engine_bases(service: str, version: str, instance: str) -> Iterator[str]:
    """Yield the names under which the base URL of an App Engine service may be configured.

    The most specific comes first: ``instance.version.service``, ``version.service``, ``service``,
    then the empty name, which is the default.
    """
    parts = [instance, version, service or "default"]
    for start in range(len(parts)):
        if parts[start]:
            yield ".".join(filter(None, parts[start:]))
    yield ""


def _split_authority(authority: str) -> tuple[str, str | None]:
    if authority.endswith("]"):  # an IPv6 address without a port
        return authority, None
    match = _AUTHORITY.fullmatch(authority)
    return (match[1], match[2]) if match else (authority, None)
