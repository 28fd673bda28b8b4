"""Transactions of a command on a store, whether or not a server uses it at the same time.

SQLite's own locks let several processes write in turns. The file lock, which makes a server the
only one, is taken if it is free: only then the file is created or migrated.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from drayman.core.limits import Limits
from drayman.store.contract import StoreError
from drayman.store.session import Session
from drayman.store.sqlite import database, failures, files, schema
from drayman.store.sqlite.file_lock import FileLock
from drayman.store.sqlite.session import SqliteSession

_BUSY_TIMEOUT = 10_000
"""Milliseconds to wait for the server's transactions."""


@contextlib.contextmanager
def transaction(path: str) -> Iterator[Session]:
    """Yield a session within a durable transaction, which an exception undoes. StoreError."""
    try:
        with contextlib.ExitStack() as resources:
            connection = _open(path, resources)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield SqliteSession(connection, Limits())
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        raise StoreError(failures.explain(path, error)) from None


@contextlib.contextmanager
def snapshot(path: str) -> Iterator[Session]:
    """Yield a session that reads the store as it is now. StoreError."""
    if path == database.MEMORY or not Path(path).exists():
        raise StoreError(f"store sqlite:{path} does not exist")
    with transaction(path):
        pass  # a file of an older version that no server uses is migrated
    try:
        with contextlib.closing(database.connect(path)) as connection:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            yield SqliteSession(connection, Limits())
    except (sqlite3.Error, OSError) as error:
        raise StoreError(failures.explain(path, error)) from None


def _open(path: str, resources: contextlib.ExitStack) -> sqlite3.Connection:
    files.check_log(path)
    files.create(files.beside(path, ""))
    connection = database.connect(path)
    resources.callback(connection.close)
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT}")
    schema.check_format(connection, path)
    try:
        lock = FileLock(path)
    except BlockingIOError:  # a server runs
        schema.check_current(connection, path)
        return connection
    resources.pop_all()  # the lock must outlive the connection
    resources.callback(lock.close)
    resources.callback(connection.close)
    database.configure(connection)
    schema.migrate(connection, path)
    return connection
