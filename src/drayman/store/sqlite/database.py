"""A SQLite database: opening the file, its transactions, its errors."""

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from typing import Self

from drayman.core import errors
from drayman.core.clock import Micros
from drayman.core.limits import Limits
from drayman.store.contract import StoreError
from drayman.store.sqlite import failures, files, schema, vacuum
from drayman.store.sqlite.checkpoint import Checkpointer
from drayman.store.sqlite.file_lock import FileLock
from drayman.store.sqlite.guard import Guard
from drayman.store.sqlite.session import SqliteSession
from drayman.store.store import Store
from drayman.store.verbs import claims

MEMORY = ":memory:"
BUSY_TIMEOUT = 1.0
"""Seconds to wait for another program, such as a backup, that has locked the file."""
MAX_LOG_SIZE = 64 << 20
"""Bytes to which the write-ahead log is truncated after a long reader has made it grow."""


async def open_store(
    path: str, limits: Limits, now: Micros, *, safe: bool = True, release: bool = True
) -> Store:
    """Open or create the store in a file, or in memory if ``path`` is ``:memory:``.

    Claims that a previous server left behind are returned to their queues, unless ``release`` is
    false. If ``safe`` is false, durable transactions are written but not fsynced. StoreError if it
    cannot be opened.
    """
    return Store(SqliteDatabase(path, limits, now, safe=safe, release=release))


class SqliteDatabase:
    """A database file that one process uses; implements ``store.Database``.

    Attributes:
        connection: The connection of the writer thread.
        session: The session on that connection.
    """

    recovered = 0
    reconnections = 0
    shared = False
    readers = ()  # the writer reads: one connection is cheaper beside a busy event loop

    def __init__(
        self, path: str, limits: Limits, now: Micros, *, safe: bool, release: bool = True
    ) -> None:
        self._path = path
        self._safe = safe
        self.recovered = 0
        self._synchronous: str | None = None
        self._resources = contextlib.ExitStack()
        self._checkpointer: Checkpointer | None = None
        self._guard: Guard | None = None
        try:
            self._open(limits)
            if release:
                self._release_claims(now)
            if path != MEMORY:
                self._checkpointer = self._start_checkpoints()
                self._guard = Guard(path, self.connection, self._checkpointer)
        except (sqlite3.Error, OSError) as error:
            self._resources.close()
            raise StoreError(failures.explain(path, error)) from None
        except BaseException:
            self._resources.close()
            raise

    @property
    def writers(self) -> Sequence[Self]:
        """This database: a file has one writer."""
        return [self]

    @property
    def url(self) -> str:
        """Its URL, as given to the ``--store`` option."""
        return "memory" if self._path == MEMORY else f"sqlite:{self._path}"

    @property
    def refuses(self) -> bool:
        """Whether ``refusal`` refuses some calls at present."""
        return self._guard is not None and self._guard.refuses

    def refusal(self, *, durable: bool, grows: bool) -> errors.ServiceError | None:
        """Return the error of a call that is refused at present."""
        if self._guard is None:
            return None
        return self._guard.refusal(durable=durable, grows=grows)

    def inspect(self) -> None:
        """Find out whether the files are the ones that were opened and the disk has room."""
        if self._guard is not None:
            self._guard.inspect()
        if self._checkpointer is not None:
            self._checkpointer.tick()

    def make_room(self, error: Exception) -> bool:
        """Release the disk reserve if an error means a full disk; return whether it does."""
        return self._guard is not None and self._guard.make_room(error)

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
        self._set_synchronous("FULL" if durable and self._safe else "NORMAL")
        self.connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Commit the transaction."""
        self.connection.execute("COMMIT")
        self._committed()

    def rollback(self, error: Exception) -> None:  # noqa: ARG002 - whatever it is
        """Undo the transaction; SQLite may have done so itself."""
        with contextlib.suppress(sqlite3.Error):
            self.connection.execute("ROLLBACK")

    def vacuum(self) -> bool:
        """Give some free pages back to the disk; return whether more are left."""
        self._set_synchronous("NORMAL")
        more = vacuum.step(self.connection)
        self._committed()
        return more

    def is_conflict(self, error: Exception) -> bool:  # noqa: ARG002 - there is no other writer
        """Return False: no other server writes to the file."""
        return False

    def affects_all(self, error: Exception) -> bool:
        """Return whether an error concerns the whole database rather than one statement."""
        return failures.affects_all(error)

    def translate(self, error: Exception) -> errors.ServiceError | None:
        """Return the error that a caller gets, None for a fault of this program."""
        return failures.translate(error)

    def _set_synchronous(self, mode: str) -> None:
        if mode != self._synchronous:
            self.connection.execute(f"PRAGMA synchronous = {mode}")
            self._synchronous = mode

    def _committed(self) -> None:
        if self._checkpointer is not None:
            self._checkpointer.committed()

    def _open(self, limits: Limits) -> None:
        if self._path != MEMORY:
            files.check_log(self._path)
            files.create(files.beside(self._path, ""))
        self.connection = connection = connect(self._path)
        self._resources.callback(connection.close)
        schema.check_format(connection, self._path)
        schema.check_version(connection, self._path)
        if self._path != MEMORY:
            lock = FileLock(self._path)
            self._resources.pop_all()  # the lock must outlive every connection
            self._resources.callback(lock.close)
            self._resources.callback(connection.close)
        configure(connection)
        self.format = schema.migrate(connection, self._path)
        self.session = SqliteSession(connection, limits)

    def _release_claims(self, now: Micros) -> None:
        self.begin(durable=True)
        self.recovered = claims.release(self.session, None, now)
        self.commit()

    def _start_checkpoints(self) -> Checkpointer:
        # The file is opened now and not reopened: if it were moved meanwhile, SQLite would create a
        # new one and take the write-ahead log for its own.
        connection = connect(self._path)
        self._resources.callback(connection.close)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        checkpointer = Checkpointer(connection)
        self._resources.callback(checkpointer.close)
        return checkpointer


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


def configure(connection: sqlite3.Connection) -> None:
    """Set how a database works, before its first migration."""
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file; others keep theirs
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    connection.execute(f"PRAGMA journal_size_limit = {MAX_LOG_SIZE}")
    connection.execute("PRAGMA cache_size = -65536")  # 64 MB at most
    connection.execute("PRAGMA temp_store = MEMORY")
