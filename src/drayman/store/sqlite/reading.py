"""Reading a store beside a server that may use it, without changing anything."""

import contextlib
import fcntl
import sqlite3
from collections.abc import Iterator

from drayman.store.contract import StoreError
from drayman.store.sqlite import failures, files, schema

_TIMEOUT = 10.0
"""Seconds to wait for a lock of the server."""


@contextlib.contextmanager
def snapshot(path: str) -> Iterator[sqlite3.Connection]:
    """Yield a connection within a transaction that reads the store as it is now. StoreError.

    The server writes on meanwhile; its write-ahead log grows until the transaction ends.
    """
    files.check_log(path)
    real = files.beside(path, "")
    if not real.is_file():
        raise StoreError(f"store {path} does not exist")
    try:
        with _connection(path) as connection:
            schema.check_format(connection, path)
            schema.check_version(connection, path)
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            yield connection
    except (sqlite3.Error, OSError) as error:
        raise StoreError(failures.explain(path, error)) from None


def is_in_use(path: str) -> bool:
    """Return whether a server has the lock on the store."""
    try:
        with files.beside(path, ".lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextlib.contextmanager
def _connection(path: str) -> Iterator[sqlite3.Connection]:
    """Yield a connection that creates no files beside a store that was closed. StoreError."""
    log = files.beside(path, "-wal")
    # Without a log nobody writes, and SQLite need not create one.
    closed = not log.exists()
    address = f"{files.beside(path, '').as_uri()}?mode=ro{'&immutable=1' if closed else ''}"
    with contextlib.closing(
        sqlite3.connect(address, uri=True, timeout=_TIMEOUT, isolation_level=None)
    ) as connection:
        yield connection
    if closed and log.exists():
        raise StoreError(f"a server has started with store {path} meanwhile; repeat the command")
