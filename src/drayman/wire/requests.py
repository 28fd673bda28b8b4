"""What a task delivers: HttpRequest and AppEngineHttpRequest, with their rules.

``complete_…`` checks a message in place and fills in the defaults that GetTask shows; the first
rule that is broken raises InvalidArgument.
"""

import functools
import re
from typing import Any

from drayman.core import delivery, errors, headers, limits, names
from drayman.core.delivery import Kind
from drayman.core.limits import TaskLimits
from drayman.wire import rules

HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[^\s\x00-\x20\x7f/?#@\[\]\\:]+)"
"""A host name or an IPv6 address in brackets, as a regular expression."""
PORTS = range(65536)
_AUTHORITY = re.compile(
    rf"https?://(?:[^/?#@]*@)?(?P<host>{HOST})(?::(?P<port>[0-9]{{0,9}}))?(?=[/?#]|\Z)",
    re.IGNORECASE,
)
_HTTP_WITH_BODY = delivery.METHODS_WITH_BODY[Kind.HTTP]
_HTTP_USER_AGENT = delivery.user_agent(Kind.HTTP)
_APP_ENGINE_WITH_BODY = delivery.METHODS_WITH_BODY[Kind.APP_ENGINE]
_APP_ENGINE_USER_AGENT = delivery.user_agent(Kind.APP_ENGINE)
_APP_ENGINE_ID = re.compile(r"[A-Za-z0-9-]{0,100}")


def complete_http(message: Any, allowed: TaskLimits) -> None:
    """Check the HttpRequest of a task and fill in its defaults."""
    token = rules.token_fields("HttpRequest", message)
    if token:
        rules.check_email(token[0].value)
    host = _check_url(message.url)
    if token:
        _check_token_url(message, host, http_allowed=allowed.allow_http_tokens)
    rules.complete_method("HttpRequest", message, _HTTP_WITH_BODY)
    rules.check_headers_size("HttpRequest.headers", headers.sanitize(message.headers))
    if token:
        for field in token:
            rules.check_length(*field)
        _complete_token(message)
    message.headers["User-Agent"] = _HTTP_USER_AGENT


def complete_app_engine(message: Any, queue: str) -> None:
    """Check the AppEngineHttpRequest of a task in a queue and fill in its defaults."""
    message.relative_uri = message.relative_uri or "/"
    _check_relative_uri(message.relative_uri)
    rules.complete_method("AppEngineHttpRequest", message, _APP_ENGINE_WITH_BODY)
    headers.sanitize(message.headers)
    message.headers["User-Agent"] = _APP_ENGINE_USER_AGENT
    if message.body:
        message.headers["Content-Length"] = str(len(message.body))
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


_CACHED_LENGTH = 256
"""The most characters of a URL whose check is remembered."""


def _check_url(url: str) -> str:
    """Check the URL of an HTTP task (recorded; host and length are ours); return its host.

    Most tasks of a queue have one of few URLs, or the same one.
    """
    return _checked_url(url) if len(url) <= _CACHED_LENGTH else _check_new_url(url)


def _check_new_url(url: str) -> str:
    rules.check_required("HttpRequest.url", url)
    if not url[:8].lower().startswith(("http://", "https://")):
        raise errors.invalid_field(
            "HttpTarget.url", "must start with 'http://' or 'https://'."
        )  # sic
    limit = limits.URL_LENGTH
    sent = url.partition("#")[0]
    # Encoding makes a URL no shorter, and takes long for a long one.
    host = _check_authority(url) if len(sent) <= limit else ""
    # The limit is that of the encoded URL. A byte becomes three characters at most, so the URL
    # need not be encoded while three times its bytes fit.
    if len(sent) > limit or (
        3 * len(sent.encode()) > limit and len(delivery.encode_url(url)) > limit
    ):
        raise errors.invalid_field("HttpRequest.url", f"must be at most {limit} characters long.")
    return host


def _check_authority(url: str) -> str:
    authority = _AUTHORITY.match(url)
    if not authority or int(authority["port"] or 0) not in PORTS:
        raise errors.invalid_field("HttpRequest.url", "has no valid host and port.")
    return authority["host"]


_checked_url = functools.lru_cache(maxsize=1024)(_check_new_url)


def _check_token_url(message: Any, host: str, *, http_allowed: bool) -> None:
    """Check that a token travels encrypted, and an OAuth token to Google only (recorded).

    Neither holds for ``http://`` URLs where these are allowed, because they are for local use.
    """
    if not message.url[:8].lower().startswith("https://"):
        if http_allowed:
            return
        raise errors.invalid_field(
            "HttpRequest.url",
            "must start with 'https://' for request with HttpRequest.authorization_header",
        )
    if message.HasField("oauth_token") and not host.lower().endswith(".googleapis.com"):
        raise errors.InvalidArgument(
            "Invalid url for HttpRequest.oauth_token. The hostname in the url must end with "
            '".googleapis.com"'
        )


def _complete_token(message: Any) -> None:
    """Fill in the audience or the scope of a token (recorded: tokens of a task)."""
    match message.WhichOneof("authorization_header"):
        case "oidc_token" if not message.oidc_token.audience:
            message.oidc_token.audience = delivery.default_audience(message.url)
        case "oauth_token" if not message.oauth_token.scope:
            message.oauth_token.scope = delivery.DEFAULT_SCOPE


def _check_relative_uri(uri: str) -> None:
    """Check the path of an App Engine task (API text)."""
    field = "AppEngineHttpRequest.relativeUri"
    if not uri.startswith("/") or " " in uri:
        raise errors.invalid_field(field, "must start with '/' and contain no spaces.")
    rules.check_length(field, uri, limits.URL_LENGTH)
