"""What the files that settings name contain, loaded together at the start and at SIGHUP.

All of it is loaded before any of it is used: files that cannot be used change nothing.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from drayman import access_setup, files
from drayman.access_setup import Configured
from drayman.core import names
from drayman.core.clock import Micros
from drayman.core.errors import ServiceError
from drayman.core.queue import Queue
from drayman.edge.tls import TlsError
from drayman.files import DeclaredQueue
from drayman.settings import Settings, SettingsError
from drayman.signing.keys import SigningKey


class Problems:
    """The problems of several steps, so that one error has all of them.

    Attributes:
        lines: A line for each problem.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextlib.contextmanager
    def collect(self) -> Iterator[None]:
        """Add the problems of a step instead of raising its error."""
        try:
            yield
        except SettingsError as error:
            self.lines += map(str, error.args)
        except (ServiceError, TlsError) as error:
            self.lines.append(str(error))

    def raise_if_any(self) -> None:
        """Raise SettingsError if there are problems."""
        if self.lines:
            raise SettingsError(*self.lines)


class Contents(NamedTuple):
    """The contents of files.

    Attributes:
        queues: The declared queues.
        kms_keys: The encryption keys of ``--key-file``, by name.
        signing_key: The key of ``--signing-key``, None without one.
        access: The bindings and issuers of ``--access-file``.
    """

    queues: list[DeclaredQueue]
    kms_keys: Mapping[str, bytes]
    signing_key: SigningKey | None
    access: Configured


def load(settings: Settings, now: Micros) -> Contents:
    """Return the contents of all files; SettingsError has a line for each problem of any."""
    problems, key_file, signing_key = Problems(), settings.key_file, settings.signing_key
    with problems.collect():
        queues = declared_queues(settings)
        problems.lines += wrong_locations(queues, settings.locations)
    with problems.collect():
        kms_keys = files.load_keys(key_file) if key_file else {}
    with problems.collect():
        signer = files.load_signing_key(signing_key, now) if signing_key else None
    with problems.collect():
        access = access_setup.load(settings)
    problems.raise_if_any()
    return Contents(queues, kms_keys, signer, access)


def wrong_locations(queues: Iterable[DeclaredQueue], locations: Sequence[str]) -> list[str]:
    """Return a line for each queue outside of the locations of ``--location``."""
    problems = Problems()
    for name in (declared.queue.name for declared in queues):
        try:
            names.check_location(name, locations)
        except ServiceError as error:
            problems.lines.append(f"{name}: {error}")
    return problems.lines


def missing_keys(in_use: Mapping[str, str], kms_keys: Mapping[str, bytes]) -> list[str]:
    """Return a line for each location whose key is missing; ``in_use`` has their names."""
    return [
        f"--key-file: tasks of {location} are encrypted with {name}, which it does not have; add "
        "that key, or inspect the store with --no-dispatch"
        for location, name in in_use.items()
        if name not in kms_keys
    ]


def describe(settings: Settings, contents: Contents) -> list[str]:
    """Return what was loaded, a phrase each."""
    optional = {
        f"{len(contents.kms_keys)} encryption keys": settings.key_file,
        "signing key": settings.signing_key,
        "access file": settings.access_file,
        "TLS certificates": settings.tls_cert,
    }
    return [f"{len(contents.queues)} queues", *(phrase for phrase in optional if optional[phrase])]


def declared_queues(settings: Settings) -> list[DeclaredQueue]:
    """Return the queues that the settings declare; SettingsError."""
    path = settings.queue_file
    in_file = files.load_queues(path, settings.limits.queue) if path else []
    named = [DeclaredQueue(Queue(name), only_create=True) for name in settings.queues]
    return in_file + named
