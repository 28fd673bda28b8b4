"""The files of a store: their names, their modes, and whether they are still the same files."""

import os
from pathlib import Path

from drayman.store.contract import StoreError

PRIVATE = 0o600
"""The mode of every file of a store: tasks and signing keys are for its owner alone."""
_SUFFIXES = ("", "-wal", "-shm", ".lock", ".reserve")
_OPENED = ("", "-wal", "-shm")

Identities = list[tuple[int, int] | None]
"""Device and inode of each file that SQLite has open, None for a file that does not exist."""


def paths(path: str) -> list[Path]:
    """Return the paths of all files that a store may consist of, its database first."""
    return [beside(path, suffix) for suffix in _SUFFIXES]


def beside(path: str, suffix: str) -> Path:
    """Return the path of a file beside the database; a symbolic link is the same database."""
    real = Path(path).resolve()
    return real.with_name(real.name + suffix)


def create(path: Path) -> None:
    """Create an empty private file, whatever the umask; an existing file stays as it is.

    SQLite gives its write-ahead log and shared memory the mode of the database.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    except FileExistsError:
        return
    try:
        os.fchmod(descriptor, PRIVATE)
    finally:
        os.close(descriptor)


def identities(path: str) -> Identities:
    """Return the identities of the files that SQLite has open while a store is in use."""
    return [_identity(beside(path, suffix)) for suffix in _OPENED]


def check_log(path: str) -> None:
    """Check that no write-ahead log lies beside a missing or empty database; StoreError.

    SQLite would delete the log, and with it the calls that were acknowledged last.
    """
    log = beside(path, "-wal")
    if _size(log) and not _size(beside(path, "")):
        raise StoreError(
            f"store {path} is missing, but its write-ahead log {log} exists and may hold tasks; "
            f"put the database back beside it, or move the log away to begin with an empty store"
        )


def size_of_log(path: str) -> int:
    """Return the size of the write-ahead log."""
    return _size(beside(path, "-wal"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
