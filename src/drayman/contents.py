"""What the files that settings name contain, loaded together at the start and at SIGHUP.

All of it is loaded before any of it is used: files that cannot be used change nothing.
"""

from collections.abc import Mapping
from typing import NamedTuple

from drayman import access_setup, files
from drayman.access_setup import Configured
from drayman.core import names
from drayman.core.clock import Micros
from drayman.core.queue import Queue
from drayman.files import DeclaredQueue
from drayman.settings import Settings
from drayman.signing.keys import SigningKey


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
    """Return the contents of all files. SettingsError; ServiceError for a wrong location."""
    queues = declared_queues(settings)
    for declared in queues:
        names.check_location(declared.queue.name, settings.limits.locations)
    key_file, signing_key = settings.key_file, settings.signing_key
    return Contents(
        queues=queues,
        kms_keys=files.load_keys(key_file) if key_file else {},
        signing_key=files.load_signing_key(signing_key, now) if signing_key else None,
        access=access_setup.load(settings),
    )


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
