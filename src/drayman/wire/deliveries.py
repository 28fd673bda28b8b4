"""Stored tasks, decoded for dispatch: target, retry policy and sampling ratio."""

import functools
from typing import Any, NamedTuple

from drayman.core import limits, routing
from drayman.core.delivery import Kind, OAuthToken, OidcToken, Target, Token
from drayman.core.queue import Queue, RetryConfig
from drayman.core.routing import HttpTarget, UriOverride
from drayman.core.task import Task
from drayman.tasks_v2 import types
from drayman.wire import retries, rules, targets, tasks, times

_Queue = types.Queue.pb()
_Uri: Any = types.UriOverride
_IF_NOT_EXISTS = int(_Uri.UriOverrideEnforceMode.IF_NOT_EXISTS)


MAX_CACHED_SIZE = 1024
"""The most bytes of a request without its body that is decoded once for several tasks."""


class Delivery(NamedTuple):
    """How a stored task is delivered.

    Attributes:
        target: Where and how it is delivered, with the queue's overrides applied.
        retry_config: Its retry policy: its own over its queue's.
        sampling_ratio: The share of its queue's operations that is logged, 0 to 1.
    """

    target: Target
    retry_config: RetryConfig
    sampling_ratio: float


class _Settings(NamedTuple):
    """The settings of a queue that change how its tasks are delivered."""

    http_target: HttpTarget | None
    sampling_ratio: float
    routing: tuple[str, str, str] | None


def open_(queue: Queue, task: Task) -> Delivery:
    """Decode a stored task and the settings of its queue."""
    message = tasks.Message.FromString(task.request)
    payload = tasks.payload(message)
    body = payload.body
    payload.ClearField("body")
    rest = message.SerializeToString()
    decode = _decode if len(rest) <= MAX_CACHED_SIZE else _decode.__wrapped__
    target, config, ratio = decode(rest, queue.settings)
    return Delivery(target._replace(body=body), config or queue.retry_config, ratio)


@functools.lru_cache(maxsize=1024)
def _decode(request: bytes, queue_settings: bytes) -> tuple[Target, RetryConfig | None, float]:
    """Return target, retry policy of its own and sampling ratio of a task without its body.

    Tasks of a queue often differ in nothing but their bodies.
    """
    message, settings = tasks.Message.FromString(request), _settings(queue_settings)
    config = retries.parse(message.retry_config) if message.HasField("retry_config") else None
    if not message.HasField("http_request"):
        return _app_engine(message, settings), config, settings.sampling_ratio
    target = _http(message)
    if settings.http_target is not None:
        target = routing.apply(settings.http_target, target)
    return target, config, settings.sampling_ratio


def sampling_ratio(queue: Queue) -> float:
    """Return the share of a queue's operations that is logged, 0 to 1."""
    return _settings(queue.settings).sampling_ratio


def placeholder(queue: Queue, retry_config: RetryConfig | None = None) -> Delivery:
    """Return a placeholder for a task that cannot be decoded, or decrypted."""
    target = Target(Kind.HTTP, "", "", {}, b"", limits.HTTP_DEADLINE_DEFAULT)
    return Delivery(target, retry_config or queue.retry_config, 0.0)


def url_of(queue: Queue) -> str:
    """Return the URL that a queue sets for tasks without one; "" if the queue sets no host."""
    target = _settings(queue.settings).http_target
    return routing.url(target.uri, "") if target and target.uri.host else ""


def _http(message: Any) -> Target:
    request = message.http_request
    return Target(
        kind=Kind.HTTP,
        method=rules.METHODS[request.http_method],
        url=request.url,
        headers=dict(request.headers),
        body=b"",
        deadline=_deadline(message, limits.HTTP_DEADLINE_DEFAULT),
        token=_token(request),
    )


def _app_engine(message: Any, settings: _Settings) -> Target:
    request = message.app_engine_http_request
    own = request.app_engine_routing
    # A queue's routing is used "no matter what the setting is" of the task (API text).
    chosen = settings.routing or (own.service, own.version, own.instance)
    return Target(
        kind=Kind.APP_ENGINE,
        method=rules.METHODS[request.http_method],
        url=request.relative_uri,
        headers=dict(request.headers),
        body=b"",
        deadline=_deadline(message, limits.APP_ENGINE_DEADLINE_DEFAULT),
        bases=tuple(routing.app_engine_bases(*chosen)),
    )


def _deadline(message: Any, default: int) -> int:
    if message.HasField("dispatch_deadline"):
        return times.span("Task.dispatchDeadline", message.dispatch_deadline)
    return default


@functools.lru_cache(maxsize=1024)
def _settings(settings: bytes) -> _Settings:
    message = _Queue.FromString(settings)
    override, services = message.app_engine_routing_override, None
    if message.HasField("app_engine_routing_override"):
        services = (override.service, override.version, override.instance)
    target = _http_target(message.http_target) if message.HasField("http_target") else None
    ratio = message.stackdriver_logging_config.sampling_ratio
    return _Settings(target, ratio, services)


def _http_target(message: Any) -> HttpTarget:
    headers = {each.header.key: each.header.value for each in message.header_overrides}
    return HttpTarget(
        uri=_uri(message.uri_override),
        method=rules.METHODS[message.http_method] if message.http_method else None,
        headers=headers,
        token=_token(message),
    )


def _uri(message: Any) -> UriOverride:
    return UriOverride(
        scheme=targets.SCHEMES.get(message.scheme),
        host=message.host or None,
        port=message.port if message.HasField("port") else None,
        path=message.path_override.path if message.HasField("path_override") else None,
        query=message.query_override.query_params if message.HasField("query_override") else None,
        always=message.uri_override_enforce_mode != _IF_NOT_EXISTS,
    )


def _token(message: Any) -> Token | None:
    match message.WhichOneof("authorization_header"):
        case "oidc_token":
            token = message.oidc_token
            return OidcToken(token.service_account_email, token.audience)
        case "oauth_token":
            token = message.oauth_token
            email = token.service_account_email
            return OAuthToken(email, token.scope) if token.scope else OAuthToken(email)
    return None
