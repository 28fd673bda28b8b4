"""Where tasks are delivered: HTTP requests, HTTP targets of queues, App Engine routing."""

from typing import Any

from drayman.core import delivery, errors, limits, names, request
from drayman.core.delivery import Kind
from drayman.core.limits import Limits
from drayman.tasks_v2 import types

_Method: Any = types.HttpMethod
_Uri: Any = types.UriOverride
METHODS = {int(method): method.name for method in _Method}
_POST = int(_Method.POST)
_SCHEMES = frozenset(map(int, _Uri.Scheme))
_ROUTING = ("service", "version", "instance")
_MODES = frozenset(map(int, _Uri.UriOverrideEnforceMode))


def accept_http(message: Any, allowed: Limits) -> None:
    """Check the HttpRequest of a task and fill in its defaults; InvalidArgument."""
    token = _check_token("HttpRequest", message, both=False)
    request.check_url(message.url, token=token, allow_http_tokens=allowed.http_tokens)
    _accept_method("HttpRequest", Kind.HTTP, message)
    request.check_headers("HttpRequest.headers", message.headers.items(), limits.HEADERS_SIZE)
    _check_token_lengths("HttpRequest", message)
    _set_header(message.headers, "User-Agent", delivery.user_agent(Kind.HTTP))


def accept_app_engine(message: Any, parent: str) -> None:
    """Check an AppEngineHttpRequest in a queue and fill in its defaults; InvalidArgument."""
    message.relative_uri = message.relative_uri or "/"
    request.check_relative_uri(message.relative_uri)
    _accept_method("AppEngineHttpRequest", Kind.APP_ENGINE, message)
    request.check_headers("AppEngineHttpRequest.headers", message.headers.items(), None)
    _set_header(message.headers, "User-Agent", delivery.user_agent(Kind.APP_ENGINE))
    if message.body:
        _set_header(message.headers, "Content-Length", str(len(message.body)))
        if not any(name.lower() == "content-type" for name in message.headers):
            message.headers["Content-Type"] = "application/octet-stream"
    accept_routing(message.app_engine_routing, parent)


def accept_routing(message: Any, queue: str) -> None:
    """Check an AppEngineRouting and fill in its host, which only the server may set."""
    request.check_routing({name: getattr(message, name) for name in _ROUTING})
    message.host = request.app_engine_host(
        names.location_of(queue), message.service, message.version, message.instance
    )


def accept_target(message: Any) -> None:
    """Check the HttpTarget of a queue; InvalidArgument names the field that is wrong."""
    uri = message.uri_override
    _check_enum("HttpTarget.uriOverride.scheme", uri.scheme, _SCHEMES)
    _check_enum(
        "HttpTarget.uriOverride.uriOverrideEnforceMode", uri.uri_override_enforce_mode, _MODES
    )
    _check_enum("HttpTarget.httpMethod", message.http_method, METHODS)
    request.check_override(
        uri.host if uri.HasField("host") else None, uri.port if uri.HasField("port") else None
    )
    request.check_lengths(
        "HttpTarget.uriOverride",
        {
            "pathOverride.path": (uri.path_override.path, limits.URL_LENGTH),
            "queryOverride.queryParams": (uri.query_override.query_params, limits.URL_LENGTH),
        },
    )
    _check_token_lengths("HttpTarget", message)
    headers = [(each.header.key, each.header.value) for each in message.header_overrides]
    request.check_headers("HttpTarget.headerOverrides", headers, limits.HEADERS_SIZE)
    _check_token("HttpTarget", message, both=True)


def _accept_method(field: str, kind: Kind, message: Any) -> None:
    _check_enum(f"{field}.httpMethod", message.http_method, METHODS)
    message.http_method = message.http_method or _POST
    if message.body:
        request.check_body(field, kind, METHODS[message.http_method])


def _check_enum(field: str, value: int, known: Any) -> None:
    if value not in known:
        raise errors.invalid_field(field, f"has the unknown value {value}.")


def _check_token(field: str, message: Any, *, both: bool) -> bool:
    """Tell whether a message has a token; of a queue's, ``both`` of its values are required."""
    which = message.WhichOneof("authorization_header")
    if which == "oidc_token":
        values, name = {"audience": message.oidc_token.audience}, "oidcToken"
    elif which == "oauth_token":
        values, name = {"scope": message.oauth_token.scope}, "oauthToken"
    else:
        return False
    email = getattr(message, which).service_account_email
    required = {"serviceAccountEmail": email} | (values if both else {})
    request.check_token(f"{field}.{name}", required)
    return True


def _check_token_lengths(field: str, message: Any) -> None:
    oidc, oauth = message.oidc_token, message.oauth_token
    request.check_lengths(
        field,
        {
            "oidcToken.serviceAccountEmail": (oidc.service_account_email, limits.EMAIL_LENGTH),
            "oidcToken.audience": (oidc.audience, limits.URL_LENGTH),
            "oauthToken.serviceAccountEmail": (oauth.service_account_email, limits.EMAIL_LENGTH),
            "oauthToken.scope": (oauth.scope, limits.URL_LENGTH),
        },
    )


def _set_header(headers: Any, name: str, value: str) -> None:
    for other in [key for key in headers if key.lower() == name.lower()]:
        del headers[other]
    headers[name] = value
