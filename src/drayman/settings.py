"""The settings of a server: a setting is one field of ``Settings``.

Its option, environment variable, key in the file, row of the reference page and typed value follow
from the field: ``http_port`` is ``--http-port``, ``DRAYMAN_HTTP_PORT`` and ``http-port``. The
command line wins over the environment, the environment over the file.
"""

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from drayman import value_types
from drayman.core.clock import SECOND, Micros
from drayman.core.limits import Limits, QueueLimits, Retention, TaskLimits
from drayman.value_types import ValueType

T = TypeVar("T")

PREFIX = "DRAYMAN_"
CONFIG_VARIABLE = "DRAYMAN_CONFIG"
"""The environment variable that names the file of settings, as ``--config`` does."""


class SettingsError(Exception):
    """Settings that cannot be used; an argument, and a line, for each problem.

    A line names the setting, its value and what is allowed.
    """

    def __str__(self) -> str:
        return "\n".join(map(str, self.args))


@dataclasses.dataclass(frozen=True, slots=True)
class Option:
    """A setting as its users see it.

    Attributes:
        field: The field of ``Settings`` with its value.
        name: Its name on the command line, without the dashes.
        type: What its value may be.
        default: Its value when no source has it; None or () for none.
        metavar: What stands for the value in the help.
        help: What it is for.
        repeatable: Whether it has any number of values.
    """

    field: str
    name: str
    type: ValueType[Any]
    default: Any
    metavar: str
    help: str
    repeatable: bool

    @property
    def flag(self) -> str:
        """Its name on the command line."""
        return f"--{self.name}"

    @property
    def key(self) -> str:
        """Its name among the values of the command line and the file, with underscores."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return f"{PREFIX}{self.key.upper()}"

    @property
    def switch(self) -> bool:
        """Whether it takes no value on the command line, where its presence means true."""
        return self.type is value_types.BOOLEAN

    @property
    def default_text(self) -> str:
        """Its default as a source would write it, "" for none."""
        return "" if self.default in (None, ()) else self.type.render(self.default)


class _Declaration(NamedTuple):
    type: ValueType[Any]
    help: str
    name: str
    metavar: str
    repeatable: bool


def setting(default: T, type_: ValueType[T], help_: str, *, name: str = "", metavar: str = "") -> T:
    """Declare a setting with one value; its name is the field's unless another is given."""
    declaration = _Declaration(type_, help_, name, metavar, repeatable=False)
    return dataclasses.field(default=default, metadata={"setting": declaration})


def repeated(type_: ValueType[T], help_: str, *, name: str, metavar: str = "") -> tuple[T, ...]:
    """Declare a setting with any number of values."""
    declaration = _Declaration(type_, help_, name, metavar, repeatable=True)
    return dataclasses.field(default=(), metadata={"setting": declaration})


_LIMITS = Limits()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a server.

    The default of a limit is that of ``core.limits``.
    """

    host: str = setting(
        "127.0.0.1",
        value_types.HOST,
        "Address or name to listen on, with all addresses of the name.",
    )
    port: int = setting(
        8123, value_types.PORT, "Port of gRPC, REST and health checks; 0 picks a free one."
    )
    http_port: int | None = setting(
        None, value_types.PORT, "Second port, of REST and health checks alone; 0 picks a free one."
    )
    tls_cert: str | None = setting(
        None, value_types.FILE,
        "PEM file with the server's certificate, and those of intermediate authorities after it: "
        "both ports speak TLS. SIGHUP loads it again.",
    )  # fmt: skip
    tls_key: str | None = setting(
        None, value_types.FILE,
        "PEM file with the unencrypted private key of --tls-cert; by default the same file.",
    )  # fmt: skip
    tls_client_ca: str | None = setting(
        None, value_types.FILE,
        "PEM file with the authorities that sign client certificates: every client needs one "
        "(mutual TLS).",
    )  # fmt: skip
    allow_hosts: tuple[str, ...] = repeated(
        value_types.HOST_PATTERN,
        "Name by which clients reach the server, *.DOMAIN, or * for any; browsers may also call "
        "it from pages of such a host. Over HTTP/1.1, other names are refused, but not addresses. "
        "By default any name, and on the loopback interface those of this machine.",
        name="allow-host",
    )
    auth: str = setting(
        "none", value_types.AUTH,
        "How callers prove who they are: by API keys (drayman keys), by tokens of OpenID Connect, "
        "by either, or not at all, which is for this machine alone.",
    )  # fmt: skip
    insecure: bool = setting(
        False, value_types.BOOLEAN,
        "Let every caller that reaches --host do everything, although --auth is none.",
    )  # fmt: skip
    access_file: str | None = setting(
        None, value_types.FILE,
        "YAML file with the roles of callers and the issuers of their tokens.",
    )  # fmt: skip
    console: str = setting(
        "full", value_types.CONSOLE,
        "Pages for browsers below /console/, for callers as --auth knows them: full, read-only, or "
        "off.",
    )  # fmt: skip
    store: str = setting(
        "sqlite:drayman.db", value_types.STORE,
        "Where tasks are stored: sqlite:PATH, postgresql://HOST/DATABASE, or memory, which loses "
        "them at exit.",
    )  # fmt: skip
    durability: str = setting(
        "safe", value_types.DURABILITY,
        "safe: a call returns when its effect is on disk. relaxed: faster, but a power cut may "
        "undo the last calls.",
    )  # fmt: skip
    queues: tuple[str, ...] = repeated(
        value_types.QUEUE, "Queue to create at start if absent.", name="queue"
    )
    queue_file: str | None = setting(
        None, value_types.FILE,
        "YAML file with queues and their settings, created or updated at start.",
    )  # fmt: skip
    app_engine_targets: tuple[tuple[str, str], ...] = repeated(
        value_types.TARGET,
        "Base URL of App Engine tasks: of all, or of those of one service (of one version: "
        "VERSION.SERVICE=URL).",
        name="app-engine-target",
    )
    targets: str = setting(
        "any", value_types.TARGETS,
        "Where tasks may be sent: any (also to private networks), public (public addresses only), "
        "or a TOML file with rules. Metadata servers and the server's own ports are refused unless "
        "a rule allows them.",
    )  # fmt: skip
    target_ca: str | None = setting(
        None, value_types.FILE,
        "PEM file with authorities that sign certificates of targets, beside those of the system.",
    )  # fmt: skip
    proxy_from_environment: bool = setting(
        False, value_types.BOOLEAN,
        "Send to targets through the proxies of HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY.",
    )  # fmt: skip
    issuer: str | None = setting(
        None, value_types.URL,
        "Issuer of bearer tokens: the URL at which verifiers reach the server. By default "
        "its own address.",
    )  # fmt: skip
    signing_key: str | None = setting(
        None, value_types.FILE,
        "PEM file with the RSA private key that signs bearer tokens; by default keys are "
        "generated, saved in the store and replaced after 90 days.",
    )  # fmt: skip
    google_credentials: str | None = setting(
        None, value_types.FILE,
        "Use Google's bearer tokens, by impersonation with the credentials of this file, or of "
        "the environment with the word default.",
    )  # fmt: skip
    dead_letters: Micros = setting(
        _LIMITS.retention.dead_letters, value_types.DURATION,
        "How long tasks that failed for good are kept as dead letters; 0 keeps none.",
    )  # fmt: skip
    activity_log: bool = setting(
        False, value_types.BOOLEAN,
        "Write the creations, attempts and deletions that a queue's sampling ratio selects to "
        "standard output, as lines of JSON in the shape of Google's TaskActivityLog.",
    )  # fmt: skip
    mask_queries: bool = setting(
        _LIMITS.mask_queries, value_types.BOOLEAN,
        "Leave the queries of target URLs out of recorded attempts and of the activity log.",
    )  # fmt: skip
    ramp_up: bool = setting(
        _LIMITS.ramp_up, value_types.BOOLEAN,
        "Start new, idle and resumed queues slowly, at 10 attempts a second.",
    )  # fmt: skip
    role: str = setting(
        "all", value_types.ROLE,
        "What this server does for a store on PostgreSQL that others share: api takes calls, "
        "dispatch makes attempts, all does both.",
    )  # fmt: skip
    no_dispatch: bool = setting(
        False, value_types.BOOLEAN,
        "Deliver nothing, and delete nothing that has expired: to inspect a store, such as one "
        "that was restored from a backup.",
    )  # fmt: skip
    max_in_flight: int = setting(
        4000, value_types.COUNT,
        "Most attempts in flight on this server, over all queues; one queue gets less than half.",
    )  # fmt: skip
    task_tombstone: Micros = setting(
        _LIMITS.retention.task_tombstone, value_types.DURATION,
        "How long the name of a finished task is reserved.",
    )  # fmt: skip
    queue_tombstone: Micros = setting(
        _LIMITS.retention.queue_tombstone, value_types.DURATION,
        "How long the name of a deleted queue is reserved.",
    )  # fmt: skip
    max_dispatches_per_second: float = setting(
        _LIMITS.queue.max_dispatches_per_second,
        value_types.RATE,
        "Highest rate that a queue may have.",
    )
    max_concurrent_dispatches: int = setting(
        _LIMITS.queue.max_concurrent_dispatches, value_types.COUNT,
        "Most attempts in flight that a queue may have.",
    )  # fmt: skip
    task_size: int = setting(
        _LIMITS.task.task_size, value_types.COUNT, "Largest task, as it is stored.", metavar="BYTES"
    )
    schedule_horizon: Micros = setting(
        _LIMITS.task.schedule_horizon,
        value_types.DURATION,
        "How far ahead a task may be scheduled.",
    )
    task_retention: Micros = setting(
        _LIMITS.retention.task_retention, value_types.DURATION,
        "How old a task may get before it fails for good.",
        name="retention",
    )  # fmt: skip
    call_deadline: Micros = setting(
        _LIMITS.call_deadline, value_types.CALL_DEADLINE,
        "How far ahead the deadline of a gRPC call may be, 0 for any; Google allows 30s.",
    )  # fmt: skip
    locations: tuple[str, ...] = repeated(
        value_types.LOCATION,
        "Location that queues may be in; by default any is valid.",
        name="location",
    )
    key_file: str | None = setting(
        None, value_types.FILE,
        "YAML file with encryption keys: names of KMS keys, each with its key in base64.",
    )  # fmt: skip
    allow_http_tokens: bool = setting(
        _LIMITS.task.allow_http_tokens, value_types.BOOLEAN,
        "Accept tasks that carry a token, OIDC or OAuth, to an http:// URL of any host, for local "
        "use.",
    )  # fmt: skip
    grace: Micros = setting(
        30 * SECOND, value_types.DURATION,
        "How long attempts in flight may go on after SIGTERM or SIGINT; a second signal stops "
        "the server at once.",
    )  # fmt: skip
    test_endpoints: bool = setting(
        False, value_types.BOOLEAN,
        "Serve calls for tests below /drayman/v1/testing: delete everything, and wait until queues "
        "are idle.",
    )  # fmt: skip
    manual_clock: bool = setting(
        False, value_types.BOOLEAN,
        "Let the time of queues and tasks, and so all attempts, wait for calls below "
        "/drayman/v1/testing; with --store memory.",
    )  # fmt: skip
    metrics: str = setting(
        "protected", value_types.METRICS,
        "Who may read /metrics: with protected whoever has the permission drayman.metrics.get, "
        "with open everyone, with off nobody.",
    )  # fmt: skip
    tracing: bool = setting(
        False, value_types.BOOLEAN,
        "Export a span of each call and of each attempt over OTLP, as the variables OTEL_… of "
        "OpenTelemetry say; needs the extra tracing.",
    )  # fmt: skip
    log_level: str = setting(
        "info", value_types.LOG_LEVEL, "Least severity of the log lines on standard error."
    )
    log_format: str = setting(
        "text", value_types.LOG_FORMAT,
        "Format of the log lines: text, or json for an object on each line.",
    )  # fmt: skip

    @property
    def serves_tests(self) -> bool:
        """Whether there are test endpoints."""
        return self.test_endpoints or self.manual_clock

    @property
    def limits(self) -> Limits:
        """The limits that these settings set."""
        return Limits(
            queue=self._part(QueueLimits),
            task=self._part(TaskLimits),
            retention=self._part(Retention),
            call_deadline=self.call_deadline,
            locations=tuple(sorted(self.locations)),
            ramp_up=self.ramp_up,
            mask_queries=self.mask_queries,
        )

    def _part(self, limits: Callable[..., T]) -> T:
        """Return a part of the limits, whose fields have the names of settings."""
        fields = dataclasses.fields(limits)  # type: ignore[arg-type] # a dataclass
        return limits(**{field.name: getattr(self, field.name) for field in fields})


def _option(field: "dataclasses.Field[Any]") -> Option:
    type_, help_, name, metavar, repeatable = field.metadata["setting"]
    return Option(
        field=field.name,
        name=name or field.name.replace("_", "-"),
        type=type_,
        default=field.default,
        metavar=metavar or type_.metavar,
        help=help_,
        repeatable=repeatable,
    )


OPTIONS: tuple[Option, ...] = tuple(map(_option, dataclasses.fields(Settings)))
_BY_KEY = {option.key: option for option in OPTIONS}
_BY_VARIABLE = {option.variable: option for option in OPTIONS}


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What the sources say.

    Attributes:
        settings: The settings; one that cannot be used has its default.
        sources: The options that a source has, by field, each with the name of that source.
        problems: A line for each problem.
        unknown: The fields whose value is not known because of a problem.
    """

    settings: Settings
    sources: Mapping[str, str]
    problems: Sequence[str]
    unknown: frozenset[str]


class _Raw(NamedTuple):
    """The value of an option in a source, before it is parsed."""

    texts: Sequence[str]
    source: str
    is_list: bool = False


def load(
    arguments: Mapping[str, str | Sequence[str] | None],
    environment: Mapping[str, str],
    file: str | None = None,
) -> Settings:
    """Return the settings of all sources; SettingsError. See ``read``."""
    reading = read(arguments, environment, file)
    if reading.problems:
        raise SettingsError(*reading.problems)
    return reading.settings


def read(
    arguments: Mapping[str, str | Sequence[str] | None],
    environment: Mapping[str, str],
    file: str | None = None,
) -> Reading:
    """Read the settings of all sources, whatever their problems.

    ``arguments`` holds the values of the command line by key, ``file`` names a TOML file.
    """
    values: dict[str, Any] = {}
    unknown: set[str] = set()
    problems: list[str] = []
    path = file or environment.get(CONFIG_VARIABLE)
    try:
        in_file = _from_file(path, problems) if path else {}
    except SettingsError as error:
        in_file, unknown = {}, {option.field for option in OPTIONS}
        problems += error.args
    raw = in_file | _from_environment(environment, problems) | _from_arguments(arguments)
    for option in OPTIONS:
        if option.key in raw:
            try:
                values[option.field] = _parse(option, raw[option.key])
            except SettingsError as error:
                unknown.add(option.field)
                problems += error.args
    sources = {_BY_KEY[key].field: value.source for key, value in raw.items()}
    return Reading(Settings(**values), sources, problems, frozenset(unknown))


def _from_arguments(arguments: Mapping[str, str | Sequence[str] | None]) -> dict[str, _Raw]:
    return {
        key: _Raw([value] if isinstance(value, str) else value, _BY_KEY[key].flag)
        for key, value in arguments.items()
        if value is not None and value != ()
    }


def _from_environment(environment: Mapping[str, str], problems: list[str]) -> dict[str, _Raw]:
    raw = {}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or _is_foreign(variable, text):
            continue
        option = _BY_VARIABLE.get(variable)
        if option is None and variable != CONFIG_VARIABLE:
            problems.append(f"{variable}: no such setting; {_similar(variable)}")
        elif option is not None and text:
            raw[option.key] = _Raw(text.split(",") if option.repeatable else [text], variable)
    return raw


_FOREIGN = re.compile(
    r"DRAYMAN_(?:(?:TEST|REQUIRE)_\w+|(?:SERVER|DEFAULT_(?:PROJECT|LOCATION)|API_KEY|TOKEN|CA)"
    r"|(?:\w+_)?SERVICE_(?:HOST|PORT(?:_\w+)?)"
    r"|(?:\w+_)?PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)


def _is_foreign(variable: str, text: str) -> bool:
    """Return whether a variable is not a setting although its name looks like one.

    Beside a service called ``drayman`` or ``drayman-http``, Kubernetes sets DRAYMAN_SERVICE_HOST,
    DRAYMAN_PORT_8123_TCP and others, and DRAYMAN_PORT or DRAYMAN_HTTP_PORT to ``tcp://…``. What
    else starts with DRAYMAN_TEST_ or DRAYMAN_REQUIRE_ is for the project's own tests;
    DRAYMAN_SERVER and the like are for commands that call a server.
    """
    service_url = variable.endswith("_PORT") and re.match(r"(?:tcp|udp|sctp)://", text)
    return bool(service_url or (variable not in _BY_VARIABLE and _FOREIGN.fullmatch(variable)))


def _similar(variable: str) -> str:
    known = [name.removeprefix(PREFIX) for name in (*_BY_VARIABLE, CONFIG_VARIABLE)]
    similar = difflib.get_close_matches(variable.removeprefix(PREFIX), known)
    if similar:
        return f"did you mean {' or '.join(PREFIX + name for name in similar)}?"
    return "unset it (drayman serve --help lists the settings)"


def _from_file(path: str, problems: list[str]) -> dict[str, _Raw]:
    raw = {}
    for key, value in _read_toml(path).items():
        option = _BY_KEY.get(key.replace("-", "_"))
        if option is None:
            allowed = ", ".join(option.name for option in OPTIONS)
            problems.append(f'--config: {path} has the unknown key "{key}"; allowed: {allowed}')
            continue
        is_list = isinstance(value, list)
        texts = [str(each) for each in value] if is_list else [str(value)]
        raw[option.key] = _Raw(texts, f"{option.name} in {path}", is_list)
    return raw


def _parse(option: Option, raw: _Raw) -> Any:
    if option.repeatable:
        return tuple(_parse_text(option, text, raw.source) for text in raw.texts)
    if raw.is_list:
        raise SettingsError(f"{raw.source}: a list is not allowed; allowed: one value")
    return _parse_text(option, raw.texts[0], raw.source)


def _parse_text(option: Option, text: str, source: str) -> Any:
    try:
        return option.type.parse(text.strip())
    except ValueError:
        raise SettingsError(
            f'{source}: "{text}" is not allowed; allowed: {option.type.allowed}'
        ) from None


def _read_toml(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--config: {path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        text = " ".join(str(error).split())
        raise SettingsError(f"--config: {path} is not TOML: {text}") from None
