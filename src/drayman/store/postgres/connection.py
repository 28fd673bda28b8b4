"""Connections to PostgreSQL, and the errors of a connection."""

from typing import Any

import psycopg
from psycopg import errors as sqlstates
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper

from drayman.core import errors
from drayman.core.clock import Micros
from drayman.store.postgres.address import Address

STATEMENT_TIMEOUT = "15s"
"""After this time PostgreSQL ends a statement, for example one that waits for a lock."""

_SETUP = f"""
SET search_path TO {{schema}};
SET statement_timeout TO '{STATEMENT_TIMEOUT}';
SET idle_in_transaction_session_timeout TO '60s';
SET jit TO off;
-- Every statement of the store reads by an index. Plans are kept: one made while a table was empty
-- must not scan or sort it when it is full.
SET enable_seqscan TO off;
SET enable_bitmapscan TO off;
SET enable_hashjoin TO off;
SET enable_mergejoin TO off;
"""

_CONFLICTS = (sqlstates.DeadlockDetected, sqlstates.SerializationFailure)
_CLASSES_OF_ALL = frozenset({"08", "25", "53", "55", "57", "58"})
"""Classes of SQLSTATE that concern more than a statement: connection, transaction state, resources,
locks, operator intervention, system."""


def connect(address: Address) -> psycopg.Connection[Any]:
    """Return a new connection whose statements are transactions of their own; psycopg.Error."""
    connection = psycopg.connect(address.conninfo, autocommit=True)
    try:
        connection.prepared_max = 500  # more than the store has
        # By default an integer gets the smallest type that holds it, and each type another plan.
        connection.adapters.register_dumper(int, Int8Dumper)
        connection.adapters.register_dumper(int, Int8BinaryDumper)
        connection.execute(_SETUP.format(schema=address.schema), prepare=False)
    except BaseException:
        connection.close()
        raise
    return connection


def database_time(connection: psycopg.Connection[Any]) -> Micros:
    """Return the time by the clock of the database."""
    row = connection.execute(
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
    ).fetchone()
    return int(row[0]) if row else 0


def is_conflict(error: Exception) -> bool:
    """Return whether an error ends when the transaction is repeated."""
    return isinstance(error, _CONFLICTS)


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
