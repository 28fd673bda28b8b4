"""Connections to PostgreSQL, and the errors of a connection.

A pooler such as PgBouncer may run each transaction on another connection to PostgreSQL. Through
one, nothing is prepared, and all settings are those of a transaction.
"""

import contextlib
import errno
import os
from collections.abc import Generator, Iterator
from typing import Any, TypeVar

import psycopg
from psycopg import errors as sqlstates
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper

from drayman.core import errors
from drayman.core.clock import Micros
from drayman.store.postgres.address import Address

STATEMENT_TIMEOUT = "4s"
"""After this time PostgreSQL ends a statement, for example one that waits for a lock."""
IDLE_TIMEOUT = "5s"
"""After this time PostgreSQL ends the transaction of a server that is frozen or cut off: its locks
would keep the others from its queues."""
MAX_SILENCE = 50
"""The number of tenths of a second that PostgreSQL may be silent before a connection is closed."""

_ISOLATION = "read committed"
"""Statements lock rows and read what others have committed since, whatever the database's default
is."""
_SETTINGS = (
    f"default_transaction_isolation TO '{_ISOLATION}'",
    "default_transaction_read_only TO off",
    "default_transaction_deferrable TO off",
    "jit TO off",
    # Every statement of the store reads by an index. Plans are kept: one made while a table was
    # empty must not scan or sort it when it is full.
    "enable_seqscan TO off",
    "enable_bitmapscan TO off",
    "enable_hashjoin TO off",
    "enable_mergejoin TO off",
)
_LIMITS = (
    f"statement_timeout TO '{STATEMENT_TIMEOUT}'",
    f"idle_in_transaction_session_timeout TO '{IDLE_TIMEOUT}'",
)

_CONFLICTS = (sqlstates.DeadlockDetected, sqlstates.SerializationFailure)
_CLASSES_OF_ALL = frozenset({"08", "25", "53", "55", "57", "58"})
"""Classes of SQLSTATE that concern more than a statement: connection, transaction state, resources,
locks, operator intervention, system."""
_LOST = frozenset({"25006", "25P03", "57P01", "57P02", "57P03", "57P05"})
"""Errors after which a connection is of no use: the server takes no writes (any more), or ends the
session. Class 08 is that of connections."""
_TIMED_OUT = os.strerror(errno.ETIMEDOUT)
_Value = TypeVar("_Value")


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection on which no statement waits long for a server that has vanished.

    TCP does not notice one that vanishes behind a proxy, or after it has acknowledged the
    statement.

    Attributes:
        address: Where it leads.
        max_silence: The number of tenths of a second that PostgreSQL may be silent; None for any.
    """

    address: Address
    max_silence: int | None = MAX_SILENCE

    def wait(self, gen: Generator[Any, Any, _Value], *args: Any, **kwargs: Any) -> _Value:
        """Wait for PostgreSQL as psycopg does, but not for ever."""
        if self.max_silence is not None:
            gen = self._bounded(gen, self.max_silence)
        return super().wait(gen, *args, **kwargs)

    def _bounded(self, gen: Generator[Any, Any, _Value], left: int) -> Generator[Any, Any, _Value]:
        """Pass what psycopg waits for through; it resumes with nothing each tenth of a second."""
        try:
            event = next(gen)
            while True:
                ready = yield event
                if not ready and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                    left -= 1  # a statement runs: it is no wait for notifications
                if not left:
                    self.close()
                    raise sqlstates.ConnectionTimeout("PostgreSQL does not respond")
                event = gen.send(ready)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


def connect(address: Address, *, limited: bool = True) -> Connection:
    """Return a new connection whose statements are transactions of their own; psycopg.Error.

    Unless it is ``limited``, its statements may take any time, as those of a migration do.
    """
    connection = Connection.connect(address.conninfo, autocommit=True)
    try:
        connection.max_silence = MAX_SILENCE if limited else None
        connection.prepared_max = 500  # more than the store has
        # By default an integer gets the smallest type that holds it, and each type another plan.
        connection.adapters.register_dumper(int, Int8Dumper)
        connection.adapters.register_dumper(int, Int8BinaryDumper)
        pooled = _is_pooled(connection) if address.pooled is None else address.pooled
        connection.address = address._replace(pooled=pooled)
        if pooled:
            connection.prepare_threshold = None
        else:
            connection.execute(_set_all("SET", address, limited=limited), prepare=False)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_pooled(connection: Connection) -> bool:
    """Return whether a pooler is between: it names a process of its own to its clients."""
    (process,) = one(connection, "SELECT pg_backend_pid()")
    return bool(process != connection.info.backend_pid)


def _set_all(command: str, address: Address, *, limited: bool) -> str:
    settings = (f"search_path TO {address.identifier}", *_SETTINGS, *(_LIMITS if limited else ()))
    return "; ".join(f"{command} {each}" for each in settings)


def begin(connection: Connection) -> str:
    """Return the statements by which a transaction begins, in one round trip."""
    if not connection.address.pooled:
        return "BEGIN"
    limited = connection.max_silence is not None
    mode = f"ISOLATION LEVEL {_ISOLATION}, READ WRITE, NOT DEFERRABLE"
    return f"BEGIN {mode}; {_set_all('SET LOCAL', connection.address, limited=limited)}"


@contextlib.contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Run the block in a transaction."""
    connection.execute(begin(connection), prepare=False)
    try:
        yield
    except BaseException:
        with contextlib.suppress(psycopg.Error):
            connection.execute("ROLLBACK", prepare=False)
        raise
    commit(connection)


def commit(connection: Connection) -> None:
    """Commit the transaction; psycopg.Error, also if a statement of it has failed unseen."""
    done = connection.execute("COMMIT", prepare=False)
    if done.statusmessage != "COMMIT":  # PostgreSQL rolls a failed transaction back instead
        raise sqlstates.InFailedSqlTransaction("the transaction has failed")


def one(connection: psycopg.Connection[Any], query: str, params: Any = None) -> tuple[Any, ...]:
    """Return the row of a query that always has one."""
    row: tuple[Any, ...] | None = connection.execute(query, params).fetchone()
    assert row is not None  # noqa: S101 - the queries here always have a row
    return row


def database_time(connection: psycopg.Connection[Any]) -> Micros:
    """Return the time by the clock of the database."""
    (time,) = one(connection, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
    return int(time)


def is_conflict(error: Exception) -> bool:
    """Return whether an error ends when the transaction is repeated."""
    return isinstance(error, _CONFLICTS)


def is_lost(error: Exception) -> bool:
    """Return whether a connection is of no use after an error."""
    if not isinstance(error, psycopg.Error) or error.sqlstate is None:
        return False  # if the connection is lost, it is closed
    return error.sqlstate in _LOST or error.sqlstate.startswith("08")


def is_timeout(error: Exception) -> bool:
    """Return whether an error took as long as a connection waits for PostgreSQL."""
    return isinstance(error, sqlstates.ConnectionTimeout) or _TIMED_OUT in str(error)


def affects_all(error: Exception) -> bool:
    """Return whether an error concerns the whole database rather than one statement."""
    if not isinstance(error, psycopg.Error):
        return False
    if error.sqlstate is None:  # no error of a statement: the connection is lost
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate[:2] in _CLASSES_OF_ALL


def translate(error: Exception) -> errors.ServiceError | None:
    """Return the error that a caller gets, None for a fault of this program."""
    if isinstance(error, sqlstates.DiskFull):
        return errors.ResourceExhausted("The store has no room left: the disk is full.")
    if affects_all(error) or is_conflict(error):
        return errors.Unavailable(f"PostgreSQL cannot be used at present: {describe(error)}.")
    return None


def describe(error: Exception) -> str:
    """Return the first line of an error, without a period at its end."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")
