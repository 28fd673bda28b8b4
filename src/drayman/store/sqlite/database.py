"""Opening the file: the lock, the migrations, what a server that died has left behind."""

import contextlib
import errno
import sqlite3
from importlib import resources
from pathlib import Path

from drayman.core import errors
from drayman.store.contract import StoreError

MEMORY = ":memory:"
_APPLICATION_ID = 0x44726179  # "Dray", so that another program's file is not taken for ours


def open_database(path: str) -> sqlite3.Connection:
    """Open or create a database, brought to the present version and locked for this process.

    StoreError says why it cannot be used.
    """
    try:
        connection = sqlite3.connect(
            path, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=512
        )
    except sqlite3.Error as error:
        raise StoreError(f"store {path} cannot be opened: {_reason(path, error)}") from None
    try:
        _prepare(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise StoreError(why_not(path, error)) from None
    except StoreError:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: str) -> None:
    # Exclusive: one owner, whom the system itself forgets when it dies. No -shm file either.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    has_tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if has_tables and application != _APPLICATION_ID:
        raise StoreError(f"store {path} is the SQLite database of another program")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA fullfsync = ON")  # macOS, where fsync alone promises nothing
    connection.execute("PRAGMA checkpoint_fullfsync = ON")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    connection.execute("PRAGMA cache_size = -65536")  # 64 MB at most
    connection.execute("PRAGMA temp_store = MEMORY")
    _migrate(connection, path)


def _migrate(connection: sqlite3.Connection, path: str) -> None:
    folder = resources.files("drayman.store.sqlite") / "migrations"
    scripts = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )
    connection.execute("BEGIN IMMEDIATE")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(scripts):
        raise StoreError(
            f"store {path} was written by a newer version of drayman (format {version}, this "
            f"version knows {len(scripts)}); upgrade drayman"
        )
    for number, script in enumerate(scripts[version:], start=version + 1):
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


def _reason(path: str, error: sqlite3.Error) -> str:
    parent = Path(path).absolute().parent
    if not parent.is_dir():
        return f"{parent}: no such directory"
    if Path(path).is_dir():
        return "it is a directory"
    return str(error)


def why_not(path: str, error: sqlite3.Error) -> str:
    """Return why a database cannot be opened, in a line for whoever starts the server."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_BUSY:
        return f"store {path} is in use by another server"
    if code == sqlite3.SQLITE_NOTADB:
        return f"store {path} is not a SQLite database"
    if code == sqlite3.SQLITE_FULL or errno.errorcode[errno.ENOSPC] in str(error):
        return f"store {path} cannot be opened: the disk is full"
    return f"store {path} cannot be opened: {_reason(path, error)}"
