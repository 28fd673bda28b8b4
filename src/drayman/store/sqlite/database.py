"""A SQLite database: opening the file, its transactions, its errors."""

import contextlib
import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path

from drayman.core import errors
from drayman.core.clock import Micros
from drayman.core.limits import Limits
from drayman.store.contract import StoreError
from drayman.store.sqlite import schema
from drayman.store.sqlite.checkpoint import Checkpointer
from drayman.store.sqlite.file_lock import FileLock
from drayman.store.sqlite.session import SqliteSession
from drayman.store.store import Store
from drayman.store.verbs import claims

MEMORY = ":memory:"
BUSY_TIMEOUT = 1.0
"""Seconds to wait for another program, such as a backup, that has locked the file."""
MAX_LOG_SIZE = 64 << 20
"""Bytes to which the write-ahead log is truncated after a long reader has made it grow."""
_STATEMENT_ERRORS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError)
_STATEMENT_CODES = frozenset(
    {sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE}
)


async def open_store(path: str, limits: Limits, now: Micros, *, safe: bool = True) -> Store:
    """Open or create the store in a file, or in memory if ``path`` is ``:memory:``.

    Claims that a previous server left behind are returned to their queues. If ``safe`` is false,
    durable transactions are written but not fsynced. StoreError if it cannot be opened.
    """
    return Store(SqliteDatabase(path, limits, now, safe=safe))


class SqliteDatabase:
    """A database file that one process uses; implements ``store.Database``.

    Attributes:
        connection: The connection of the writer thread.
        session: The session on that connection.
    """

    shared = False

    def __init__(self, path: str, limits: Limits, now: Micros, *, safe: bool) -> None:
        self._path = path
        self._safe = safe
        self._synchronous: str | None = None
        self._resources = contextlib.ExitStack()
        self._checkpointer: Checkpointer | None = None
        try:
            self._open(limits, now)
        except (sqlite3.Error, OSError) as error:
            self._resources.close()
            raise StoreError(explain(path, error)) from None
        except BaseException:
            self._resources.close()
            raise

    @property
    def url(self) -> str:
        """Its URL, as given to the ``--store`` option."""
        return "memory" if self._path == MEMORY else f"sqlite:{self._path}"

    def check(self) -> None:
        """Check that the file is still the one that was opened."""
        if self._path != MEMORY and _identity(self._path) != self._file:
            raise errors.Unavailable(
                f"The store's file {self._path} was moved, replaced or deleted under the server."
            )

    def close(self) -> None:
        """Close the database, then release the lock on its file."""
        self._resources.close()

    def watch(self, hint: Callable[[Micros], object]) -> None:
        """Do nothing: no other server writes to the file."""

    def announce(self, due: Micros) -> None:
        """Do nothing: there is no other server."""

    def begin(self, *, durable: bool) -> None:
        """Begin a transaction.

        One that is not durable is only written; it reaches the disk with the next durable one.
        """
        mode = "FULL" if durable and self._safe else "NORMAL"
        if mode != self._synchronous:
            self.connection.execute(f"PRAGMA synchronous = {mode}")
            self._synchronous = mode
        self.connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Commit the transaction."""
        self.connection.execute("COMMIT")
        if self._checkpointer is not None:
            self._checkpointer.committed()

    def rollback(self) -> None:
        """Undo the transaction; SQLite may have done so itself."""
        with contextlib.suppress(sqlite3.Error):
            self.connection.execute("ROLLBACK")

    def is_conflict(self, error: Exception) -> bool:  # noqa: ARG002 - there is no other writer
        """Return False: no other server writes to the file."""
        return False

    def affects_all(self, error: Exception) -> bool:
        """Return whether an error concerns the whole database rather than one statement."""
        return (
            isinstance(error, sqlite3.Error)
            and not isinstance(error, _STATEMENT_ERRORS)
            and _code(error) not in _STATEMENT_CODES
        )

    def translate(self, error: Exception) -> errors.ServiceError | None:
        """Return the error that a caller gets, None for a fault of this program."""
        if _code(error) == sqlite3.SQLITE_TOOBIG:
            return errors.InvalidArgument("Task size too large")
        if not self.affects_all(error):
            return None
        if _code(error) == sqlite3.SQLITE_FULL:
            return errors.ResourceExhausted("The store has no room left: the disk is full.")
        return errors.Unavailable(f"The store cannot be used at present: {error}.")

    def _open(self, limits: Limits, now: Micros) -> None:
        self.connection = connection = connect(self._path)
        self._resources.callback(connection.close)
        schema.check_format(connection, self._path)
        if self._path != MEMORY:
            lock = FileLock(self._path)
            self._resources.pop_all()  # the lock must outlive every connection
            self._resources.callback(lock.close)
            self._resources.callback(connection.close)
        _configure(connection)
        schema.migrate(connection, self._path)
        if self._path != MEMORY:
            self._start_checkpoints()
        self._file = _identity(self._path)
        self.session = SqliteSession(connection, limits)
        self.begin(durable=True)
        claims.release(self.session, None, now)
        self.commit()

    def _start_checkpoints(self) -> None:
        # The file is opened now and not reopened: if it were moved meanwhile, SQLite would create a
        # new one and take the write-ahead log for its own.
        connection = connect(self._path)
        self._resources.callback(connection.close)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        self._checkpointer = Checkpointer(connection)
        self._resources.callback(self._checkpointer.close)


def connect(path: str) -> sqlite3.Connection:
    """Connect to a database; a commit returns when it is on disk."""
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False,
        cached_statements=512,
    )  # fmt: skip
    try:
        connection.execute(
            "PRAGMA fullfsync = ON"
        )  # macOS, where fsync alone does not flush the disk
        connection.execute("PRAGMA checkpoint_fullfsync = ON")
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _configure(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    connection.execute(f"PRAGMA journal_size_limit = {MAX_LOG_SIZE}")
    connection.execute("PRAGMA cache_size = -65536")  # 64 MB at most
    connection.execute("PRAGMA temp_store = MEMORY")


def _identity(path: str) -> tuple[int, int] | None:
    """Return the identity of the file of a name, None if there is no file."""
    try:
        stat = Path(path).stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _code(error: Exception) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def explain(path: str, error: sqlite3.Error | OSError) -> str:
    """Return why a database cannot be opened, as one line for the operator."""
    if _code(error) == sqlite3.SQLITE_BUSY or isinstance(error, BlockingIOError):
        return f"store {path} is in use by another server"
    if _code(error) == sqlite3.SQLITE_NOTADB:
        return f"store {path} is not a SQLite database"
    if _code(error) == sqlite3.SQLITE_FULL or errno.errorcode[errno.ENOSPC] in str(error):
        return f"store {path} cannot be opened: the disk is full"
    return f"store {path} cannot be opened: {_reason(path, error)}"


def _reason(path: str, error: sqlite3.Error | OSError) -> str:
    parent = Path(path).absolute().parent
    if not parent.is_dir():
        return f"{parent}: no such directory"
    if Path(path).is_dir():
        return "it is a directory"
    return str(error)
