"""Checking whether a store could be opened, without creating or changing anything."""

import contextlib
import fcntl
import os
import sqlite3
from pathlib import Path

from drayman.store.contract import StoreError
from drayman.store.sqlite import database, failures, files, schema


def probe(path: str) -> bool:
    """Return whether a file with a store exists; StoreError if it could not be opened."""
    if path == database.MEMORY:
        return False
    real = Path(path).resolve()
    files.check_log(path)
    try:
        if not real.exists():
            _check_folder(real.parent)
            return False
        _check_lock(real.with_name(f"{real.name}.lock"))
        real.open("rb+").close()
        _check_folder(real.parent)
        _check_content(real, path)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(failures.explain(path, error)) from None
    return True


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder}: no such directory")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{folder}: no files can be created there")


def _check_lock(path: Path) -> None:
    """Check that no server has the lock on the file; BlockingIOError."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _check_content(real: Path, path: str) -> None:
    # Immutable: SQLite takes no locks, creates no files and ignores an existing write-ahead log. A
    # database whose pages are all in the log looks empty, which is accepted.
    with contextlib.closing(
        sqlite3.connect(f"{real.as_uri()}?mode=ro&immutable=1", uri=True)
    ) as connection:
        schema.check_format(connection, path)
        schema.check_version(connection, path)
