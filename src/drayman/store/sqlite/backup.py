"""A backup of a store, while a server uses it or not."""

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from drayman.store.contract import StoreError
from drayman.store.sqlite import failures, files, reading

_PAGES = 2_000
"""Pages copied between two reports of the progress, 8 MB."""

Progress = Callable[[int, int], object]
"""Takes the number of pages copied so far, and of all."""


def backup(path: str, target: str, progress: Progress, *, replace: bool) -> int:
    """Copy the store in a file to another file; return its size. StoreError.

    The copy is the store at one moment. It is checked in full, then gets its name, all at once;
    after an error there is none. An existing target is an error unless ``replace``.
    """
    goal = files.beside(target, "")
    _check_target(path, goal, replace=replace)
    with _partial(goal) as partial:
        with reading.snapshot(path) as source:
            _write(source, partial, progress)
        partial.replace(goal)
        _flush(goal.parent)
    return goal.stat().st_size


def _write(source: sqlite3.Connection, partial: Path, progress: Progress) -> None:
    try:
        _copy(source, partial, progress)
        _check(partial)
        _flush(partial)
    except (sqlite3.Error, OSError) as error:
        text = "the disk is full" if failures.is_no_room(error) else str(error)
        raise StoreError(f"backup {partial} cannot be written: {text}") from None


def _check_target(path: str, goal: Path, *, replace: bool) -> None:
    if goal.exists() and goal.samefile(files.beside(path, "")):
        raise StoreError(f"backup {goal} is the store itself")
    if goal.exists() and not replace:
        raise StoreError(f"backup {goal} exists; choose another name, or --force to replace it")
    if reading.is_in_use(str(goal)):
        raise StoreError(f"backup {goal} is a store that a server uses")
    log = goal.with_name(f"{goal.name}-wal")
    if log.exists() and log.stat().st_size:
        raise StoreError(f"{log} would be taken for a part of the backup; move it away")


@contextlib.contextmanager
def _partial(goal: Path) -> Iterator[Path]:
    """Yield an empty private file beside the target, and delete it unless it was renamed."""
    try:
        descriptor, name = tempfile.mkstemp(".partial", f"{goal.name}.", goal.parent)
    except OSError as error:
        raise StoreError(f"backup {goal} cannot be written: {error.strerror}") from None
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            Path(name + suffix).unlink(missing_ok=True)


def _copy(source: sqlite3.Connection, partial: Path, progress: Progress) -> None:
    with contextlib.closing(sqlite3.connect(partial, isolation_level=None)) as copy:
        copy.execute("PRAGMA synchronous = OFF")  # the file is flushed as a whole
        # The transaction of the source keeps a commit of the server from starting it all over.
        source.backup(
            copy, pages=_PAGES, progress=lambda _status, left, total: progress(total - left, total)
        )


def _check(partial: Path) -> None:
    # Immutable: SQLite creates no files beside it.
    address = f"{partial.as_uri()}?mode=ro&immutable=1"
    with contextlib.closing(sqlite3.connect(address, uri=True)) as copy:
        ((first, *_),) = copy.execute("PRAGMA integrity_check(1)").fetchall()
    if first != "ok":
        raise StoreError(f"the store is damaged, and so would be its backup: {first}")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
