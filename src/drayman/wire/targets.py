"""The HttpTarget of a queue, which changes the HTTP requests of its tasks, with its rules."""

import re
from typing import Any

from drayman.core import errors, limits
from drayman.tasks_v2 import types
from drayman.wire import requests, rules

_Uri: Any = types.UriOverride
SCHEMES = {int(_Uri.Scheme.HTTP): "http", int(_Uri.Scheme.HTTPS): "https"}
"""The schemes of URLs by their numbers."""
_ANY_SCHEME = frozenset(map(int, _Uri.Scheme))
_MODES = frozenset(map(int, _Uri.UriOverrideEnforceMode))
_HOST = re.compile(requests.HOST)


def check(message: Any) -> None:
    """Check the HttpTarget of a request (recorded, unless marked).

    The first field that breaks its rule raises InvalidArgument.
    """
    _check_enums(message)
    uri = message.uri_override
    if uri.HasField("host") and not _is_host(uri.host):
        raise _error("Invalid Host.")
    if uri.port < 0:  # 0 and numbers that are no port are accepted
        raise _error("Port number should be a positive integer.")
    check_override(message)
    where, path = "HttpTarget.uriOverride", uri.path_override.path
    rules.check_length(f"{where}.pathOverride.path", path, limits.URL_LENGTH)
    query = uri.query_override.query_params
    rules.check_length(f"{where}.queryOverride.queryParams", query, limits.URL_LENGTH)
    _check_token(message)
    headers = [(each.header.key, each.header.value) for each in message.header_overrides]
    rules.check_headers("HttpTarget.headerOverrides", headers)  # ours


def check_override(message: Any) -> None:
    """Check that the UriOverride of an HttpTarget, if there is one, sets something.

    Of the fields of an HttpTarget, this one is checked again after an update is merged.
    """
    if message.HasField("uri_override") and not message.uri_override.ListFields():
        raise _error("Invalid uri_override.")


def _check_enums(message: Any) -> None:
    uri = message.uri_override
    for value, known in (
        (uri.scheme, _ANY_SCHEME),
        (uri.uri_override_enforce_mode, _MODES),
        (message.http_method, rules.METHODS),
    ):
        if value not in known:
            raise _error("")


def _check_token(message: Any) -> None:
    """Check the token; audience and scope may be empty, unlike the email (recorded)."""
    token = rules.token_fields("HttpTarget", message)
    if token:
        rules.check_email(token[0].value)
    for field in token:
        rules.check_length(*field)


def _is_host(host: str) -> bool:
    return len(host) <= limits.URL_LENGTH and _HOST.fullmatch(host) is not None


def _error(reason: str) -> errors.InvalidArgument:
    info = errors.ErrorInfo(
        "INVALID_INPUT_ON_HTTP_TARGET_OVERRIDE",
        "cloudtasks.googleapis.com",
        {"invalid_field": reason},
    )
    return errors.InvalidArgument(f"Error in parsing HttpTarget. {reason}", info)
