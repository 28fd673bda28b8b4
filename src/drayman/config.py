"""The settings of a server: one row each, from the command line, the environment or a file.

What is given on the command line wins over the environment, the environment over the file.
``--http-port`` is ``DRAYMAN_HTTP_PORT`` in the environment (several values with commas between
them) and ``http-port`` in the file.
"""

import base64
import dataclasses
import math
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format

from drayman import observe
from drayman.core import errors, names
from drayman.core.clock import DAY, HOUR, MILLISECOND, MINUTE, SECOND, Micros
from drayman.core.limits import Limits
from drayman.core.queue import Queue
from drayman.wire import queues


class ConfigError(Exception):
    """A setting that cannot be used; the message names it, its value and what is allowed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Option:
    """A setting.

    Attributes:
        name: As on the command line, without the dashes.
        parse: From text to value; ValueError when it is not allowed.
        default: As text, or texts if it may be repeated.
        metavar: What stands for the value in the help.
        allowed: What is allowed, in words.
        help: What it is for.
        repeatable: Whether it may be given several times.
        switch: Whether it takes no value on the command line, where its presence means true.
    """

    name: str
    parse: Callable[[str], Any]
    default: str | None
    metavar: str
    allowed: str
    help: str
    repeatable: bool = False
    switch: bool = False

    @property
    def flag(self) -> str:
        """Its name on the command line."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return f"DRAYMAN_{self.key.upper()}"

    @property
    def key(self) -> str:
        """Its name as a field of Config."""
        return self.name.replace("-", "_")


_KEY_SIZES = frozenset({16, 24, 32})
_UNITS = {"ms": MILLISECOND, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}


def _duration(text: str) -> Micros:
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)?", text)
    if not match:
        raise ValueError(text)
    return round(float(match[1]) * _UNITS[match[2] or "s"])


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:  # noqa: PLR2004 - the range of TCP ports
        raise ValueError(text)
    return port


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError(text)
    return count


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 < rate < math.inf:
        raise ValueError(text)
    return rate


def _boolean(text: str) -> bool:
    return _one_of("true", "false")(text.lower()) == "true"


def _location(text: str) -> str:
    if not names.is_location_id(text):
        raise ValueError(text)
    return text


def _store(text: str) -> str:
    kind, _, path = text.partition(":")
    if text != "memory" and (kind != "sqlite" or not path):
        raise ValueError(text)
    return text


def _queue(text: str) -> str:
    try:
        return names.queue("--queue", text)
    except errors.InvalidArgument:
        raise ValueError(text) from None


def _target(text: str) -> tuple[str, str]:
    service, url = "", text
    if match := re.match(r"([A-Za-z0-9.-]+)=", text):
        service, url = match[1], text[match.end() :]
    return ("" if service == "default" else service), _url(url)


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", text):
        raise ValueError(text)
    return text


def _one_of(*values: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in values:
            raise ValueError(text)
        return text

    return parse


_DURATION = "a duration such as 500ms, 30s, 5m, 24h or 3d"

OPTIONS: tuple[Option, ...] = (
    Option("host", str, "127.0.0.1", "HOST", "a host name or address",
           "Address to listen on."),
    Option("port", _port, "8123", "PORT", "a port number, 0 to 65535",
           "Port of the gRPC API; 0 picks a free one."),
    Option("http-port", _port, "8124", "PORT", "a port number, 0 to 65535",
           "Port of the REST API and health checks; 0 picks a free one."),
    Option("store", _store, "sqlite:drayman.db", "STORE", "sqlite:PATH or memory",
           "Where tasks are kept: sqlite:PATH, or memory, which forgets them at exit."),
    Option("durability", _one_of("safe", "relaxed"), "safe", "LEVEL", "safe or relaxed",
           "safe: a reply is on disk. relaxed: faster, a power cut may lose the last replies."),
    Option("queue", _queue, None, "NAME", f"a full name, {names.QUEUE_FORM}",
           "Queue to create at start if absent.", repeatable=True),
    Option("queue-file", str, None, "FILE", "a YAML file",
           "YAML file with queues and their settings, created or updated at start."),
    Option("app-engine-target", _target, None, "[SERVICE=]URL",
           "URL or SERVICE=URL, the URL starting with http:// or https://",
           "Where App Engine tasks are delivered: all, or those of one service (a version of "
           "it: VERSION.SERVICE=URL).",
           repeatable=True),
    Option("issuer", _url, None, "URL", "a URL starting with http:// or https://",
           "What tokens name as their issuer: where verifiers reach the HTTP port. By default "
           "its own address."),
    Option("signing-key", str, None, "FILE", "a PEM file with an RSA private key",
           "Key that signs tokens; by default keys are generated, kept in the store and "
           "replaced after 90 days."),
    Option("google-credentials", str, None, "FILE", "a credentials file of Google, or default",
           "Real tokens of Google by impersonation, with the credentials of a file or, with "
           "the word default, of the environment."),
    Option("dead-letters", _duration, "31d", "DURATION", _DURATION,
           "How long tasks that failed for good are kept to be looked at and replayed; 0 keeps "
           "none."),
    Option("activity-log", _boolean, "false", "BOOLEAN", "true or false",
           "Whether creations, attempts and deletions that a queue's sampling ratio picks are "
           "written to standard output, as lines of JSON in the shape of Google's TaskActivityLog.",
           switch=True),
    Option("ramp-up", _boolean, "false", "BOOLEAN", "true or false",
           "Whether new, idle and resumed queues begin slowly, at 10 attempts a second.",
           switch=True),
    Option("max-in-flight", _count, "4000", "N", "a whole number from 1",
           "Attempts in flight on this server, over all queues; one queue gets less than half."),
    Option("task-tombstone", _duration, "24h", "DURATION", _DURATION,
           "How long the name of a finished task stays taken."),
    Option("queue-tombstone", _duration, "3d", "DURATION", _DURATION,
           "How long the name of a deleted queue stays taken."),
    Option("max-dispatches-per-second", _rate, "500", "RATE", "a number above 0",
           "Highest rate that a queue may have."),
    Option("max-concurrent-dispatches", _count, "5000", "N", "a whole number from 1",
           "Most attempts in flight that a queue may have."),
    Option("task-size", _count, "1048569", "BYTES", "a whole number from 1",
           "Largest task, as it is stored."),
    Option("schedule-horizon", _duration, "30d", "DURATION", _DURATION,
           "How far ahead a task may be scheduled."),
    Option("retention", _duration, "31d", "DURATION", _DURATION,
           "How old a task may grow before it is dropped."),
    Option("call-deadline", _duration, "30s", "DURATION", f"{_DURATION}; 0 for any",
           "How far ahead the deadline of a gRPC call may lie; Google refuses more than 30s."),
    Option("location", _location, None, "ID", "letters, digits and hyphens",
           "Location that queues may be in; without one, any is valid.", repeatable=True),
    Option("key-file", str, None, "FILE", "a YAML file",
           "YAML file with encryption keys: names of KMS keys, each with its key in base64."),
    Option("allow-http-tokens", _boolean, "false", "BOOLEAN", "true or false",
           "Accept tasks that carry a token to an http:// URL, for local use.", switch=True),
    Option("grace", _duration, "30s", "DURATION", _DURATION,
           "How long attempts in flight may go on when the server is told to stop; a second "
           "signal ends it at once."),
    Option("log-level", _one_of(*observe.LEVELS), "info", "LEVEL", ", ".join(observe.LEVELS),
           "Least severity of the log lines on standard error."),
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Config:
    """The settings of a server; see ``OPTIONS`` for their meaning."""

    host: str
    port: int
    http_port: int
    store: str
    durability: str
    queue: Sequence[str]
    queue_file: str | None
    app_engine_target: Sequence[tuple[str, str]]
    issuer: str | None
    signing_key: str | None
    google_credentials: str | None
    dead_letters: Micros
    activity_log: bool
    ramp_up: bool
    max_in_flight: int
    task_tombstone: Micros
    queue_tombstone: Micros
    max_dispatches_per_second: float
    max_concurrent_dispatches: int
    task_size: int
    schedule_horizon: Micros
    retention: Micros
    call_deadline: Micros
    location: Sequence[str]
    key_file: str | None
    allow_http_tokens: bool
    grace: Micros
    log_level: str

    @property
    def limits(self) -> Limits:
        """The limits that the settings make."""
        return Limits(
            max_dispatches_per_second=self.max_dispatches_per_second,
            max_concurrent_dispatches=self.max_concurrent_dispatches,
            task_size=self.task_size,
            schedule_horizon=self.schedule_horizon,
            retention=self.retention,
            task_tombstone=self.task_tombstone,
            queue_tombstone=self.queue_tombstone,
            call_deadline=self.call_deadline,
            http_tokens=self.allow_http_tokens,
            locations=tuple(sorted(self.location)),
            dead_letters=self.dead_letters,
            ramp_up=self.ramp_up,
        )


def load(
    given: Mapping[str, str | Sequence[str] | None],
    environment: Mapping[str, str],
    file: str | None = None,
) -> Config:
    """Return the settings from all sources; ConfigError.

    ``given`` holds what the command line said, by field; ``file`` names a TOML file.
    """
    path = file or environment.get("DRAYMAN_CONFIG")
    in_file = _read_toml(path) if path else {}
    values: dict[str, Any] = {}
    for option in OPTIONS:
        texts, source = _find(option, given, environment, in_file, path)
        parsed = [_parse(option, text, source) for text in texts]
        values[option.key] = parsed if option.repeatable else next(iter(parsed), None)
    return Config(**values)


def load_keys(path: str) -> dict[str, bytes]:
    """Return the encryption keys of a key file; ConfigError says which entry is wrong and why."""
    content = _read_yaml("--key-file", path)
    if not isinstance(content, dict):
        raise ConfigError(f"--key-file: {path} must contain names of keys, each with its key")
    return {str(name): _key_entry(path, str(name), text) for name, text in content.items()}


def _key_entry(path: str, name: str, text: Any) -> bytes:
    if not names.is_key(name):
        raise ConfigError(f'--key-file: {path}: "{name}" is not of the form {names.KEY_FORM}')
    try:
        key = base64.b64decode(str(text), validate=True)
    except ValueError:
        key = b""
    if len(key) not in _KEY_SIZES:
        raise ConfigError(f"--key-file: {path}: {name} must be 16, 24 or 32 bytes in base64")
    return key


def _read_yaml(option: str, path: str) -> Any:
    try:
        return yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{option}: {path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{option}: {path} is not YAML: {_one_line(error)}") from None


def load_queues(path: str, limits: Limits) -> list[Queue]:
    """Return the queues of a queue file; ConfigError says which entry is wrong and why."""
    content = _read_yaml("--queue-file", path)
    entries = content.get("queues") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise ConfigError(f'--queue-file: {path} must contain a list named "queues"')
    queues_ = [_queue_entry(path, number, entry, limits) for number, entry in enumerate(entries, 1)]
    for number, queue in enumerate(queues_, 1):
        if queue.name in {other.name for other in queues_[: number - 1]}:
            raise ConfigError(
                f"--queue-file: {path}, queue {number}: {queue.name} stands there twice"
            )
    return queues_


def _queue_entry(path: str, number: int, entry: Any, limits: Limits) -> Queue:
    try:
        message = json_format.ParseDict(entry, queues.Message())
        return queues.parse(message, names.queue("name", message.name), limits)
    except (json_format.ParseError, errors.ServiceError, AttributeError, TypeError) as error:
        raise ConfigError(f"--queue-file: {path}, queue {number}: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _find(
    option: Option,
    given: Mapping[str, str | Sequence[str] | None],
    environment: Mapping[str, str],
    in_file: Mapping[str, Any],
    path: str | None,
) -> tuple[list[str], str]:
    """Return the texts of an option and where they come from."""
    value = given.get(option.key)
    if value is not None and value != ():
        return ([value] if isinstance(value, str) else list(value)), option.flag
    if text := environment.get(option.variable):
        return (text.split(",") if option.repeatable else [text]), option.variable
    if option.key in in_file:
        value = in_file[option.key]
        many = value if isinstance(value, list) else [value]
        if isinstance(value, list) and not option.repeatable:
            raise ConfigError(f"{option.name} in {path}: a list is not allowed; allowed: one value")
        return [str(each) for each in many], f"{option.name} in {path}"
    return ([] if option.default is None else [option.default]), option.flag


def _parse(option: Option, text: str, source: str) -> Any:
    try:
        return option.parse(text.strip())
    except ValueError:
        raise ConfigError(f'{source}: "{text}" is not allowed; allowed: {option.allowed}') from None


def _read_toml(path: str) -> dict[str, Any]:
    try:
        content = tomllib.loads(Path(path).read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config: {path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"--config: {path} is not TOML: {_one_line(error)}") from None
    known = {option.key for option in OPTIONS}
    found = {key.replace("-", "_"): value for key, value in content.items()}
    for key in found:
        if key not in known:
            allowed = ", ".join(option.name for option in OPTIONS)
            raise ConfigError(f'--config: {path} has the unknown key "{key}"; allowed: {allowed}')
    return found
