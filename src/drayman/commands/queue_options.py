"""The settings of a queue as options of gcloud, a row each: option, JSON field, type.

Update has ``--clear-…`` for each, as gcloud has: the field returns to its default.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import click

from drayman import value_types
from drayman.core.clock import SECOND

_UNLIMITED = -1


def _attempts(text: str) -> int:
    if text in {"unlimited", str(_UNLIMITED)}:
        return _UNLIMITED
    if not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise click.BadParameter("must be a whole number from 1, or unlimited")
    return int(text)


def duration(text: str) -> str:
    """Return the JSON of a duration; BadParameter."""
    try:
        seconds = value_types.DURATION.parse(text) / SECOND
    except ValueError:
        raise click.BadParameter(f"must be {value_types.DURATION.allowed}") from None
    return f"{seconds:f}s"


def header(text: str) -> tuple[str, str]:
    """Return the name and the value of a header, ``NAME: VALUE``; BadParameter."""
    match = re.fullmatch(r"([^\s:]+):\s*(.*)", text)
    if not match:
        raise click.BadParameter('must be "NAME: VALUE"')
    return match[1], match[2]


def routing(text: str) -> dict[str, str]:
    """Return an App Engine route, ``KEY:VALUE,…``; BadParameter."""
    return _pairs(text, "service", "version", "instance")


def _pairs(text: str, *keys: str) -> dict[str, str]:
    pairs = [each.partition(":")[::2] for each in text.split(",")]
    if not all(key in keys and value for key, value in pairs):
        raise click.BadParameter(f"must be KEY:VALUE,… with keys of {', '.join(keys)}")
    return dict(pairs)


METHOD = click.Choice(
    ["POST", "GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"], case_sensitive=False
)


def _uri_override(text: str) -> Any:
    pairs = _pairs(text, "scheme", "host", "port", "path", "query", "mode")
    built: dict[str, Any] = {key: pairs[key] for key in ("host", "port") if key in pairs}
    if "scheme" in pairs:
        built["scheme"] = pairs["scheme"].upper()
    if "path" in pairs:
        built["pathOverride"] = {"path": pairs["path"]}
    if "query" in pairs:
        built["queryOverride"] = {"queryParams": pairs["query"]}
    if "mode" in pairs:
        built["uriOverrideEnforceMode"] = pairs["mode"].upper()
    return built


class Setting(NamedTuple):
    """A setting of a queue.

    Attributes:
        flag: Its option.
        field: Its field in the JSON of a queue.
        type: The type of its value.
        help: What it is.
        metavar: What stands for the value in the help.
        repeatable: Whether the option may be given several times.
    """

    flag: str
    field: str
    type: Any
    help: str
    metavar: str
    repeatable: bool = False

    @property
    def name(self) -> str:
        """The parameter of the callback."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def mask(self) -> str:
        """Its path in an update mask."""
        return re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", self.field)


SETTINGS = (
    Setting("--max-dispatches-per-second", "rateLimits.maxDispatchesPerSecond", click.FLOAT,
            "Highest rate of attempts.", "RATE"),
    Setting("--max-concurrent-dispatches", "rateLimits.maxConcurrentDispatches", click.INT,
            "Most attempts in flight.", "N"),
    Setting("--max-attempts", "retryConfig.maxAttempts", _attempts,
            "Most attempts of a task, or unlimited.", "N"),
    Setting("--max-retry-duration", "retryConfig.maxRetryDuration", duration,
            "How long after its first attempt a task is retried; 0s for no limit.", "DURATION"),
    Setting("--max-doublings", "retryConfig.maxDoublings", click.INT,
            "How often the time between attempts doubles.", "N"),
    Setting("--min-backoff", "retryConfig.minBackoff", duration,
            "Least time between attempts of a task.", "DURATION"),
    Setting("--max-backoff", "retryConfig.maxBackoff", duration,
            "Most time between attempts of a task.", "DURATION"),
    Setting("--log-sampling-ratio", "stackdriverLoggingConfig.samplingRatio", click.FLOAT,
            "Fraction of successful attempts that are recorded, from 0 to 1.", "RATIO"),
    Setting("--routing-override", "appEngineRoutingOverride", routing,
            "Route of all App Engine tasks; keys service, version, instance.", "KEY:VALUE,…"),
    Setting("--http-uri-override", "httpTarget.uriOverride",
            _uri_override,
            "URL of all HTTP tasks; keys scheme, host, port, path, query, mode (ALWAYS or "
            "IF_NOT_EXISTS).", "KEY:VALUE,…"),
    Setting("--http-method-override", "httpTarget.httpMethod", METHOD,
            "Method of all HTTP tasks.", "METHOD"),
    Setting("--http-header-override", "httpTarget.headerOverrides", header,
            "Header of all HTTP tasks. May be repeated.", "NAME: VALUE", repeatable=True),
    Setting("--http-oidc-service-account-email-override",
            "httpTarget.oidcToken.serviceAccountEmail", click.STRING,
            "Service account whose OIDC token all HTTP tasks carry.", "EMAIL"),
    Setting("--http-oidc-token-audience-override", "httpTarget.oidcToken.audience", click.STRING,
            "Audience of that token.", "AUDIENCE"),
    Setting("--http-oauth-service-account-email-override",
            "httpTarget.oauthToken.serviceAccountEmail", click.STRING,
            "Service account whose OAuth token all HTTP tasks carry.", "EMAIL"),
    Setting("--http-oauth-token-scope-override", "httpTarget.oauthToken.scope", click.STRING,
            "Scope of that token.", "SCOPE"),
)  # fmt: skip


def for_create(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command an option for each setting."""
    for setting in reversed(SETTINGS):
        function = click.option(
            setting.flag, type=setting.type, help=setting.help, metavar=setting.metavar,
            multiple=setting.repeatable, default=None,
        )(function)  # fmt: skip
    return function


def for_update(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command an option for each setting, and one that clears it."""
    for setting in reversed(SETTINGS):
        flag = setting.flag.replace("--", "--clear-", 1)
        function = click.option(flag, is_flag=True, help=f"Clear what {setting.flag} sets.")(
            function
        )
    return for_create(function)


def queue_value(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON value of a queue with the settings that the options of a command have."""
    queue: dict[str, Any] = {}
    for setting in SETTINGS:
        if _has_value(params[setting.name]):
            _insert(queue, setting, params[setting.name])
    return queue


def update_mask(params: Mapping[str, Any]) -> list[str]:
    """Return the update mask of options; UsageError without any, or if two exclude each other."""
    mask = []
    for setting in SETTINGS:
        is_set, is_cleared = _has_value(params[setting.name]), params[f"clear_{setting.name}"]
        if is_set and is_cleared:
            clear = setting.flag.replace("--", "--clear-", 1)
            raise click.UsageError(f"give {setting.flag} or {clear}, not both")
        if is_set or is_cleared:
            mask.append(setting.mask)
    if not mask:
        raise click.UsageError("Must specify at least one field to update.")
    return mask


def _has_value(value: Any) -> bool:
    return value is not None and value != ()


def _insert(queue: dict[str, Any], setting: Setting, value: Any) -> None:
    *parents, last = setting.field.split(".")
    target = queue
    for parent in parents:
        target = target.setdefault(parent, {})
    if setting.repeatable:
        value = [{"header": {"key": key, "value": text}} for key, text in dict(value).items()]
    target[last] = value
