"""What a task's request, or a queue's HTTP target, may ask for (API text; recorded errors).

``field`` is the message's name in the words of the API: ``HttpRequest``, ``HttpTarget``.
"""

import re
from collections.abc import Iterable, Mapping

from drayman.core import delivery, limits
from drayman.core.delivery import Kind
from drayman.core.errors import invalid_field

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_HOST_FORM = r"(?:\[[0-9A-Fa-f:.]+\]|[^\s\x00-\x20\x7f/?#@\[\]\\:]+)"
_HOST = re.compile(_HOST_FORM)
_PORTS = range(65536)
_AUTHORITY = re.compile(
    rf"https?://(?:[^/?#@]*@)?{_HOST_FORM}(?::(?P<port>[0-9]{{0,9}}))?(?=[/?#]|\Z)", re.IGNORECASE
)
_APP_ENGINE_ID = re.compile(r"[A-Za-z0-9-]{0,100}")


def check_url(url: str, *, token: bool, allow_http_tokens: bool) -> None:
    """Check the URL of an HTTP task, which may carry a token."""
    if not url:
        raise invalid_field("HttpRequest.url", "is required.")
    lowered = url[:8].lower()
    if not lowered.startswith(("http://", "https://")):
        raise invalid_field("HttpTarget.url", "must start with 'http://' or 'https://'.")  # sic
    authority = _AUTHORITY.match(url)
    if not authority or int(authority["port"] or 0) not in _PORTS:
        raise invalid_field("HttpRequest.url", "has no valid host and port.")
    # Encoding makes three characters of a byte at most: short URLs need not be encoded to know.
    if 3 * len(url.encode()) > limits.URL_LENGTH < len(delivery.encoded(url)):
        raise invalid_field(
            "HttpRequest.url", f"must be at most {limits.URL_LENGTH} characters long."
        )
    if token and not allow_http_tokens and not lowered.startswith("https://"):
        raise invalid_field(
            "HttpRequest.url",
            "must start with 'https://' for request with HttpRequest.authorization_header",
        )


def check_relative_uri(uri: str) -> None:
    """Check the path of an App Engine task."""
    field = "AppEngineHttpRequest.relativeUri"
    if not uri.startswith("/") or " " in uri:
        raise invalid_field(field, "must start with '/' and contain no spaces.")
    if len(uri) > limits.URL_LENGTH:
        raise invalid_field(field, f"must be at most {limits.URL_LENGTH} characters long.")


def check_body(field: str, kind: Kind, method: str) -> None:
    """Check that a method may carry a body."""
    allowed = delivery.METHODS_WITH_BODY[kind]
    if method not in allowed:
        raise invalid_field(
            f"{field}.body",
            f"is allowed only for the methods {', '.join(allowed)}, not for {method}.",
        )


def check_headers(field: str, headers: Iterable[tuple[str, str]], limit: int | None) -> None:
    """Check names, values and total size of headers; no limit means that of the task alone."""
    size = 0
    for name, value in headers:
        if not _HEADER_NAME.fullmatch(name):
            raise invalid_field(field, f"has the invalid name {name[:100]!r}.")
        if not _HEADER_VALUE.fullmatch(value):
            raise invalid_field(
                f'{field}["{name[:100]}"]', "contains a line break or another control character."
            )
        size += len(name.encode()) + len(value.encode())
    if limit is not None and size >= limit:
        raise invalid_field(field, f"must be less than {limit // 1024} KB in total.")


def check_token(field: str, values: Mapping[str, str]) -> None:
    """Check that a token has all that it needs: none of the given values may be empty."""
    for name, value in values.items():
        if not value:
            raise invalid_field(f"{field}.{name}", "is required.")


def check_lengths(field: str, values: Mapping[str, tuple[str, int]]) -> None:
    """Check that texts are at most so many characters long."""
    for name, (value, limit) in values.items():
        if len(value) > limit:
            raise invalid_field(f"{field}.{name}", f"must be at most {limit} characters long.")


def check_override(host: str | None, port: int | None) -> None:
    """Check what a queue puts in place of a URL's host and port; None leaves them alone."""
    field = "HttpTarget.uriOverride"
    if host is not None and not host:
        raise invalid_field(f"{field}.host", "cannot be empty.")
    if host is not None and (len(host) > limits.URL_LENGTH or not _HOST.fullmatch(host)):
        raise invalid_field(f"{field}.host", "must be a host name.")
    if port is not None and port not in _PORTS:
        raise invalid_field(f"{field}.port", "must be a port number, or 0 for none.")


def check_routing(values: Mapping[str, str]) -> None:
    """Check the ids of an App Engine service, version and instance, which may be empty."""
    for name, value in values.items():
        if not _APP_ENGINE_ID.fullmatch(value):
            raise invalid_field(
                f"AppEngineRouting.{name}",
                "can contain only letters, numbers or hyphens, 100 at most.",
            )


def app_engine_host(location: str, service: str, version: str, instance: str) -> str:
    """Return the host of App Engine tasks of a location.

    Seen on the real service: [service.]project.<region>.r.appspot.com, without a scheme.
    """
    _, project, _, region = location.split("/")
    parts = filter(None, (instance, version, service, project, region))
    return ".".join([*parts, "r.appspot.com"])
