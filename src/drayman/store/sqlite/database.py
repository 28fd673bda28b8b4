"""Opening the file: the lock, the migrations, what a server that died has left behind."""

import contextlib
import dataclasses
import errno
import fcntl
import logging
import os
import sqlite3
import struct
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import IO

from drayman.core import errors
from drayman.store.contract import StoreError

_log = logging.getLogger(__name__)

MEMORY = ":memory:"
PATIENCE = 1.0
"""Seconds to wait for another program, a shell or a backup, that has the file locked."""
LOG_SIZE = 64 << 20
"""To so many bytes the log is cut when it has grown longer, as beside a long reader."""
_APPLICATION_ID = 0x44726179  # "Dray", so that another program's file is not taken for ours


class Owner:
    """The right to a file of tasks, which one server has at a time.

    SQLite's own locks do not serve: the one that keeps all others out would keep the server's
    second connection out, too. So there are two of the system's, which it takes back when a
    process dies. One is on an empty file beside the database, which stays there. The other,
    where the system has its kind (Linux), is on the database itself, on a byte that SQLite does
    not touch: it holds under whatever names the file may be had, and if the first is deleted.
    """

    def __init__(self, path: str) -> None:
        self._files: list[IO[bytes]] = []
        if path == MEMORY:
            return
        real = Path(path).resolve()  # a link to a file is the same file
        try:
            beside = self._hold(real.with_name(f"{real.name}.lock"), "ab")
            fcntl.flock(beside, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if hasattr(fcntl, "F_OFD_SETLK"):
                self._lock_byte(self._hold(real, "rb+"))
        except OSError:
            self.close()
            raise

    def _lock_byte(self, database: IO[bytes]) -> None:
        try:
            fcntl.fcntl(database, fcntl.F_OFD_SETLK, _BYTE)
        except (BlockingIOError, PermissionError):  # another server has it
            raise
        except OSError as error:  # a file system, or a sandbox, without this kind
            _log.debug("no lock on the database itself: %s", error)

    def _hold(self, path: Path, mode: str) -> IO[bytes]:
        file = path.open(mode)
        self._files.append(file)
        return file

    def close(self) -> None:
        """Let others have it; when nothing of this process uses the database any more.

        To close a file, POSIX has it, drops all locks that a process has on it: SQLite's too.
        """
        for file in self._files:
            file.close()


_BYTE = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 1 << 62, 1, 0)


@dataclasses.dataclass
class Opened:
    """A database that is open.

    Attributes:
        connection: What all verbs use.
        owner: The right to it.
        second: Another connection, for the log alone; None in memory, where there is none.
    """

    connection: sqlite3.Connection
    owner: Owner | None = None
    second: sqlite3.Connection | None = None

    def close(self) -> None:
        """Let go of all, the right to it last."""
        for each in (self.second, self.connection, self.owner):
            if each is not None:
                each.close()


def open_database(path: str) -> Opened:
    """Open or create a database, brought to the present version and owned by the caller.

    StoreError says why it cannot be used.
    """
    try:
        opened = Opened(_connect(path))
        try:
            _prepare(opened, path)
        except BaseException:
            opened.close()
            raise
    except (sqlite3.Error, OSError) as error:
        raise StoreError(why_not(path, error)) from None
    return opened


def _prepare(opened: Opened, path: str) -> None:
    connection = opened.connection
    check_kind(connection, path)
    opened.owner = Owner(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    connection.execute(f"PRAGMA journal_size_limit = {LOG_SIZE}")
    connection.execute("PRAGMA cache_size = -65536")  # 64 MB at most
    connection.execute("PRAGMA temp_store = MEMORY")
    _migrate(connection, path)
    if path != MEMORY:
        # Now, and never again: later the name may be another file's, or nobody's, and SQLite
        # would create one and take the log for a leftover of its own.
        opened.second = _connect(path)
        opened.second.execute("SELECT count(*) FROM sqlite_master").fetchall()


def _connect(path: str) -> sqlite3.Connection:
    """Connect to a database, so that what it promises is on the disk."""
    connection = sqlite3.connect(
        path, timeout=PATIENCE, isolation_level=None, check_same_thread=False,
        cached_statements=512,
    )  # fmt: skip
    try:
        connection.execute("PRAGMA fullfsync = ON")  # macOS, where fsync alone promises nothing
        connection.execute("PRAGMA checkpoint_fullfsync = ON")
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def check_kind(connection: sqlite3.Connection, path: str) -> None:
    """Check that a database is empty or holds tasks; StoreError."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    has_tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if has_tables and application != _APPLICATION_ID:
        raise StoreError(f"store {path} is the SQLite database of another program")


def check_version(connection: sqlite3.Connection, path: str) -> int:
    """Return the version of a database, at most the present one; StoreError."""
    version, known = connection.execute("PRAGMA user_version").fetchone()[0], len(_migrations())
    if version > known:
        raise StoreError(
            f"store {path} was written by a newer version of drayman (format {version}, this "
            f"version knows {known}); upgrade drayman"
        )
    return int(version)


def _migrations() -> list[Traversable]:
    folder = resources.files("drayman.store.sqlite") / "migrations"
    return sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )


def _migrate(connection: sqlite3.Connection, path: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    version = check_version(connection, path)
    for number, script in enumerate(_migrations()[version:], start=version + 1):
        for statement in _statements(script.read_text()):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute("COMMIT")


def _statements(script: str) -> list[str]:
    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements


def identity(path: str) -> tuple[int, int] | None:
    """Return what tells a file from another of its name, None when there is none."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def rollback(connection: sqlite3.Connection) -> None:
    """Undo what a failed transaction has done; SQLite may have undone it by itself."""
    with contextlib.suppress(sqlite3.Error):
        connection.execute("ROLLBACK")


def is_of_the_disk(error: sqlite3.Error) -> bool:
    """Tell whether an error concerns the database as a whole rather than one statement."""
    return not isinstance(
        error, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.InterfaceError
    ) and getattr(error, "sqlite_errorcode", 0) & 0xFF not in {
        sqlite3.SQLITE_TOOBIG,
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_RANGE,
    }


def as_service_error(error: Exception) -> errors.ServiceError | None:
    """Return what a caller is told of a database error, None when it is a fault of ours."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_TOOBIG:
        return errors.InvalidArgument("Task size too large")
    if not isinstance(error, sqlite3.Error) or not is_of_the_disk(error):
        return None
    if code == sqlite3.SQLITE_FULL:
        return errors.ResourceExhausted("The store has no room left: the disk is full.")
    return errors.Unavailable(f"The store cannot be used at present: {error}.")


def _reason(path: str, error: sqlite3.Error | OSError) -> str:
    parent = Path(path).absolute().parent
    if not parent.is_dir():
        return f"{parent}: no such directory"
    if Path(path).is_dir():
        return "it is a directory"
    return str(error)


def why_not(path: str, error: sqlite3.Error | OSError) -> str:
    """Return why a database cannot be opened, in a line for whoever starts the server."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_BUSY or isinstance(error, BlockingIOError):
        return f"store {path} is in use by another server"
    if code == sqlite3.SQLITE_NOTADB:
        return f"store {path} is not a SQLite database"
    if code == sqlite3.SQLITE_FULL or errno.errorcode[errno.ENOSPC] in str(error):
        return f"store {path} cannot be opened: the disk is full"
    return f"store {path} cannot be opened: {_reason(path, error)}"
