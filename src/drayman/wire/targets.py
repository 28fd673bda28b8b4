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
    """Check an HttpTarget; the first field that breaks its rule raises InvalidArgument."""
    uri, where = message.uri_override, "HttpTarget.uriOverride"
    rules.check_enum(f"{where}.scheme", uri.scheme, _ANY_SCHEME)
    rules.check_enum(f"{where}.uriOverrideEnforceMode", uri.uri_override_enforce_mode, _MODES)
    rules.check_enum("HttpTarget.httpMethod", message.http_method, rules.METHODS)
    if uri.HasField("host"):
        _check_host(f"{where}.host", uri.host)
    if uri.HasField("port") and uri.port not in requests.PORTS:  # ours
        raise errors.invalid_field(f"{where}.port", "must be a port number, or 0 for none.")
    path, query = uri.path_override.path, uri.query_override.query_params
    rules.check_length(f"{where}.pathOverride.path", path, limits.URL_LENGTH)
    rules.check_length(f"{where}.queryOverride.queryParams", query, limits.URL_LENGTH)
    token = rules.token_fields("HttpTarget", message)
    for field in token:
        rules.check_length(*field)
    headers = [(each.header.key, each.header.value) for each in message.header_overrides]
    rules.check_headers("HttpTarget.headerOverrides", headers)
    for field in token:  # audience and scope, too, are required of a queue's token (API text)
        rules.check_required(field.name, field.value)


def _check_host(field: str, host: str) -> None:
    """Check the host that replaces a URL's (API text; the form is ours)."""
    if not host:
        raise errors.invalid_field(field, "cannot be empty.")
    if len(host) > limits.URL_LENGTH or not _HOST.fullmatch(host):
        raise errors.invalid_field(field, "must be a host name.")
