"""What a task delivers: HttpRequest and AppEngineHttpRequest, with their rules.

``complete_…`` checks a message in place and fills in the defaults that GetTask shows; the first
rule that is broken raises InvalidArgument.
"""

import re
from typing import Any

from drayman.core import delivery, errors, limits, names
from drayman.core.delivery import Kind
from drayman.core.limits import TaskLimits
from drayman.wire import rules

HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[^\s\x00-\x20\x7f/?#@\[\]\\:]+)"
"""A host name or an IPv6 address in brackets, as a regular expression."""
PORTS = range(65536)
_AUTHORITY = re.compile(
    rf"https?://(?:[^/?#@]*@)?{HOST}(?::(?P<port>[0-9]{{0,9}}))?(?=[/?#]|\Z)", re.IGNORECASE
)
_HTTP_WITH_BODY = delivery.METHODS_WITH_BODY[Kind.HTTP]
_HTTP_USER_AGENT = delivery.user_agent(Kind.HTTP)
_APP_ENGINE_WITH_BODY = delivery.METHODS_WITH_BODY[Kind.APP_ENGINE]
_APP_ENGINE_USER_AGENT = delivery.user_agent(Kind.APP_ENGINE)
_APP_ENGINE_ID = re.compile(r"[A-Za-z0-9-]{0,100}")


def complete_http(message: Any, allowed: TaskLimits) -> None:
    """Check the HttpRequest of a task and fill in its defaults."""
    token = rules.token_fields("HttpRequest", message)
    if token:  # its email is required, audience and scope are not (API text)
        rules.check_required(token[0].name, token[0].value)
    _check_url(message.url)
    if token and not allowed.allow_http_tokens:
        _check_https(message.url)
    rules.complete_method("HttpRequest", message, _HTTP_WITH_BODY)
    rules.check_headers("HttpRequest.headers", message.headers.items())
    for field in token:
        rules.check_length(*field)
    _set_header(message.headers, "User-Agent", _HTTP_USER_AGENT)


def complete_app_engine(message: Any, queue: str) -> None:
    """Check the AppEngineHttpRequest of a task in a queue and fill in its defaults."""
    message.relative_uri = message.relative_uri or "/"
    _check_relative_uri(message.relative_uri)
    rules.complete_method("AppEngineHttpRequest", message, _APP_ENGINE_WITH_BODY)
    rules.check_headers("AppEngineHttpRequest.headers", message.headers.items(), limit=None)
    _set_header(message.headers, "User-Agent", _APP_ENGINE_USER_AGENT)
    if message.body:
        _set_header(message.headers, "Content-Length", str(len(message.body)))
        if not any(name.lower() == "content-type" for name in message.headers):
            message.headers["Content-Type"] = "application/octet-stream"
    complete_routing(message.app_engine_routing, queue)


def complete_routing(message: Any, queue: str) -> None:
    """Check an AppEngineRouting and fill in its host, an output-only field.

    The host is [instance.][version.][service.]project.<region>.r.appspot.com (real service).
    """
    parts = {name: getattr(message, name) for name in ("service", "version", "instance")}
    for name, value in parts.items():
        if not _APP_ENGINE_ID.fullmatch(value):  # ours
            raise errors.invalid_field(
                f"AppEngineRouting.{name}",
                "can contain only letters, numbers or hyphens, 100 at most.",
            )
    _, project, _, region = names.location_of(queue).split("/")
    labels = [parts["instance"], parts["version"], parts["service"], project, region]
    message.host = ".".join([*filter(None, labels), "r.appspot.com"])


def _check_url(url: str) -> None:
    """Check the URL of an HTTP task (recorded; host and length are ours)."""
    rules.check_required("HttpRequest.url", url)
    if not url[:8].lower().startswith(("http://", "https://")):
        raise errors.invalid_field(
            "HttpTarget.url", "must start with 'http://' or 'https://'."
        )  # sic
    limit = limits.URL_LENGTH
    sent = url.partition("#")[0]
    if len(sent) <= limit:  # otherwise encoding it, which makes it no shorter, may take long
        _check_authority(url)
    # The limit is that of the encoded URL. A byte becomes three characters at most, so the URL
    # need not be encoded while three times its bytes fit.
    if len(sent) > limit or (
        3 * len(sent.encode()) > limit and len(delivery.encode_url(url)) > limit
    ):
        raise errors.invalid_field("HttpRequest.url", f"must be at most {limit} characters long.")


def _check_authority(url: str) -> None:
    authority = _AUTHORITY.match(url)
    if not authority or int(authority["port"] or 0) not in PORTS:
        raise errors.invalid_field("HttpRequest.url", "has no valid host and port.")


def _check_https(url: str) -> None:
    """Check that a token travels encrypted (recorded)."""
    if not url[:8].lower().startswith("https://"):
        raise errors.invalid_field(
            "HttpRequest.url",
            "must start with 'https://' for request with HttpRequest.authorization_header",
        )


def _check_relative_uri(uri: str) -> None:
    """Check the path of an App Engine task (API text)."""
    field = "AppEngineHttpRequest.relativeUri"
    if not uri.startswith("/") or " " in uri:
        raise errors.invalid_field(field, "must start with '/' and contain no spaces.")
    rules.check_length(field, uri, limits.URL_LENGTH)


def _set_header(headers: Any, name: str, value: str) -> None:
    """Set a header in place of any whose name differs in case alone."""
    lowered = name.lower()
    for other in [key for key in headers if key.lower() == lowered]:
        del headers[other]
    headers[name] = value
