"""The files that settings name: queues, encryption keys, the key that signs tokens."""

import base64
import dataclasses
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format

from drayman.core import errors, names
from drayman.core.clock import Micros
from drayman.core.events import FilesExposed
from drayman.core.limits import QueueLimits
from drayman.core.queue import Queue, State
from drayman.settings import OPTIONS, Settings, SettingsError
from drayman.signing import keys
from drayman.signing.keys import SigningKey
from drayman.wire import queues

_SECRET_FILES = frozenset({"key_file", "signing_key", "google_credentials", "tls_key"})
"""The settings that name a file with a secret."""
_OTHERS = stat.S_IROTH | stat.S_IWOTH
_KEY_SIZES = frozenset({16, 24, 32})
_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Loads YAML; by libyaml, which is ten times as fast, where PyYAML was built with it."""
_STATES = frozenset({0, int(State.RUNNING), int(State.PAUSED)})


@dataclasses.dataclass(frozen=True, slots=True)
class DeclaredQueue:
    """A queue that the settings declare.

    Attributes:
        queue: The queue as it is created.
        state: Its state at every start; None leaves a queue that exists in the state it has.
        only_create: Whether a queue that exists is left as it is.
    """

    queue: Queue
    state: State | None = None
    only_create: bool = False

    def merge(self, existing: Queue | None) -> Queue:
        """Return what becomes of the existing queue, or of none."""
        if existing is None:
            return self.queue
        if self.only_create:
            return existing
        return dataclasses.replace(
            self.queue,
            state=self.state or existing.state,
            purge_time=existing.purge_time,
            policy=existing.policy,
        )


def load_queues(path: str, limits: QueueLimits) -> list[DeclaredQueue]:
    """Return the queues of a queue file; SettingsError has a line for each wrong entry."""
    content = read_yaml("--queue-file", path)
    entries = content.get("queues") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise SettingsError(f'--queue-file: {path} must contain a list named "queues"')
    by_name: dict[str, DeclaredQueue] = {}
    problems = []
    for number, entry in enumerate(entries, 1):
        try:
            declared = _queue_entry(entry, limits)
        except _ENTRY_ERRORS as error:
            problems.append(f"--queue-file: {path}, queue {number}: {_one_line(error)}")
            continue
        if by_name.setdefault(declared.queue.name, declared) is not declared:
            name = declared.queue.name
            problems.append(f"--queue-file: {path}, queue {number}: {name} stands there twice")
    if problems:
        raise SettingsError(*problems)
    return list(by_name.values())


_ENTRY_ERRORS = (
    json_format.ParseError, errors.ServiceError, AttributeError, TypeError, ValueError,
)  # fmt: skip


def _queue_entry(entry: Any, limits: QueueLimits) -> DeclaredQueue:
    if not isinstance(entry, dict):
        raise ValueError("it must have a name, and may have settings")  # noqa: TRY004 - the file is wrong
    message = json_format.ParseDict(entry, queues.Message())
    if message.state not in _STATES:
        # Nobody can ask the real service for DISABLED either; PAUSED stops dispatch as well.
        raise ValueError("state must be RUNNING or PAUSED")
    state = State(message.state) if message.state else None
    queue = queues.parse(message, names.queue(message.name), limits)
    return DeclaredQueue(dataclasses.replace(queue, state=state or State.RUNNING), state)


def load_keys(path: str) -> dict[str, bytes]:
    """Return the encryption keys of a key file; SettingsError has a line for each wrong entry."""
    content = read_yaml("--key-file", path)
    if not isinstance(content, dict):
        raise SettingsError(f"--key-file: {path} must contain names of keys, each with its key")
    keys, problems = {}, []
    for name, text in content.items():
        try:
            keys[str(name)] = _key(str(name), text)
        except ValueError as error:
            problems.append(f"--key-file: {path}: {error}")
    if problems:
        raise SettingsError(*problems)
    return keys


def _key(name: str, text: Any) -> bytes:
    if not names.is_key(name):
        raise ValueError(f'"{name}" is not of the form {names.KEY_FORM}')
    try:
        key = base64.b64decode(str(text), validate=True)
    except ValueError:
        key = b""
    if len(key) not in _KEY_SIZES:
        raise ValueError(f"{name} must be 16, 24 or 32 bytes in base64")
    return key


def load_signing_key(path: str, now: Micros) -> SigningKey:
    """Return the key of a PEM file; SettingsError."""
    try:
        return keys.load(Path(path).read_bytes(), now)
    except (ValueError, OSError) as error:
        raise SettingsError(f"--signing-key: {path} cannot be used: {_one_line(error)}") from None


def load_google_credentials(source: str) -> Any:
    """Return the credentials of a file, or with ``default`` of the environment; SettingsError."""
    from drayman.signing import google  # noqa: PLC0415 - few need it, all would wait

    try:
        return google.load_credentials(source)
    except (ValueError, OSError) as error:
        raise SettingsError(
            f"--google-credentials: {source} cannot be used: {_one_line(error)}"
        ) from None


def exposed(settings: Settings, store_files: Sequence[Path]) -> list[FilesExposed]:
    """Return which files with tasks or secrets other users of the machine may read or write.

    ``store_files`` are the files of the store; they are reported together.
    """
    secrets = {
        option.flag: [Path(getattr(settings, option.field) or "")]
        for option in OPTIONS
        if option.field in _SECRET_FILES
    }
    subjects = {f"store {settings.store}": store_files} | secrets
    events = [FilesExposed(name, _open_to_others(paths)) for name, paths in subjects.items()]
    return [event for event in events if event.paths]


def _open_to_others(paths: Iterable[Path]) -> list[str]:
    return [str(path) for path in paths if path.is_file() and path.stat().st_mode & _OTHERS]


def read_yaml(option: str, path: str) -> Any:
    """Return the value in a YAML file, which an option names; SettingsError."""
    try:
        return yaml.load(Path(path).read_text(), _YAML)  # noqa: S506 - both are safe loaders
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{option}: {path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{option}: {path} is not YAML: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
