"""The schema of a store on PostgreSQL, and its migrations.

Servers of two versions may share a database during a rolling upgrade. So a migration must leave the
tables usable for the servers before it; where that ends, its first line says so:
``-- compatible with: N`` names the oldest format whose servers can still use the database.
"""

import logging
import re
import threading
from importlib import resources
from typing import Any

import psycopg
from psycopg import errors as sqlstates
from psycopg import sql

from drayman.store.contract import StoreError
from drayman.store.postgres.address import Address
from drayman.store.postgres.connection import Connection, is_conflict, transaction

MINIMUM_VERSION = 140000
"""PostgreSQL 14."""
MIGRATIONS = resources.files("drayman.store.postgres") / "migrations"
"""A script for each format, in the order of their names."""
LOCK_TIMEOUT = "1500ms"
"""How long a migration waits for the lock of a table, and all other statements on it behind the
migration. It is longer than ``deadlock_timeout``, after which an autovacuum gives its lock up."""
PAUSE = 2.0
"""Seconds before a migration that got no lock is tried again."""
TRIES = 90
"""How often a migration is tried, within some five minutes."""
_COMPATIBLE = re.compile(r"-- compatible with: (\d+)\n")
# Its application_name is visible to every user, its start to those with pg_read_all_stats.
_FIND_BLOCKER = """
SELECT pid, application_name, date_trunc('second', xact_start)::text, relation::regclass::text
FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
WHERE granted AND pid IS DISTINCT FROM pg_backend_pid()
  AND locktype = 'relation'
  AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND relation IN (
    SELECT pg_class.oid FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = %s AND relkind = 'r'
  )
ORDER BY pid IS NOT NULL, xact_start, relation LIMIT 1
"""

_FIND_MISSING_RIGHTS = """
WITH home AS (SELECT oid, nspname FROM pg_namespace WHERE nspname = %s), rights AS (
  SELECT 1 AS place, 'schema ' || nspname AS object, privilege,
    has_schema_privilege(oid, privilege) AS granted
  FROM home CROSS JOIN (VALUES ('USAGE')) AS needed (privilege)
  UNION ALL
  SELECT 2, 'table ' || relname, privilege, has_table_privilege(pg_class.oid, privilege)
  FROM home JOIN pg_class ON relnamespace = home.oid AND relkind = 'r'
  CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) AS needed (privilege)
  UNION ALL
  -- Those of identity columns need no rights of their own.
  SELECT 3, 'sequence ' || relname, privilege, has_sequence_privilege(pg_class.oid, privilege)
  FROM home JOIN pg_class ON relnamespace = home.oid AND relkind = 'S'
  CROSS JOIN (VALUES ('SELECT'), ('UPDATE')) AS needed (privilege)
  WHERE NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'i')
  UNION ALL
  SELECT 4, 'function ' || proname, privilege, has_function_privilege(pg_proc.oid, privilege)
  FROM home JOIN pg_proc ON pronamespace = home.oid
    AND proname IN ('reserve_seqs', 'next_schedule_time')
  CROSS JOIN (VALUES ('EXECUTE')) AS needed (privilege)
)
SELECT string_agg(privilege, ', ') || ' on ' || object FROM rights
WHERE NOT granted GROUP BY place, object ORDER BY place, object
"""

_log = logging.getLogger(__name__)


def migrate(connection: Connection, address: Address, tries: int = TRIES) -> int:
    """Create the schema or migrate it to the latest format; return that.

    While another transaction holds a lock on a table, the migration is tried again.
    StoreError, also if it gets no lock in any of its tries.
    """
    check_server(connection, address)
    blocker = ""
    for number in range(tries):
        if number:
            threading.Event().wait(PAUSE)
        if _try_to_migrate(connection, address):
            return len(_scripts())
        blocker = _find_blocker(connection, address)
        if not number:
            _log.warning("the migration waits for %s; it is tried again until that ends", blocker)
    raise StoreError(
        f"store {address.url}: the migration gets no lock because of {blocker}; wait until that "
        "transaction ends or end it, then start again"
    )


def _try_to_migrate(connection: Connection, address: Address) -> bool:
    """Migrate; return False if another transaction is in the way."""
    try:
        with transaction(connection):
            _migrate(connection, address)
    except psycopg.Error as error:
        if isinstance(error, sqlstates.LockNotAvailable) or is_conflict(error):
            return False
        raise
    return True


def _migrate(connection: Connection, address: Address) -> None:
    # One server migrates; the others wait for it. That may take longer than a statement.
    connection.execute("SET LOCAL statement_timeout TO 0")
    connection.execute("SET LOCAL lock_timeout TO 0")
    connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s), 1)", [address.schema])
    connection.execute(f"SET LOCAL lock_timeout TO '{LOCK_TIMEOUT}'".encode())
    if find_format(connection, address) is None:
        _create(connection, address)
    version = check_format(connection, address)
    for number, script in enumerate(_scripts()[version:], start=version + 1):
        connection.execute(script.encode(), prepare=False)
        connection.execute(
            "INSERT INTO format (number, compatible_with) VALUES (%s, %s)",
            [number, _compatible_with(script)],
        )


def _find_blocker(connection: psycopg.Connection[Any], address: Address) -> str:
    """Describe the oldest transaction that has a lock on a table of the store."""
    row = connection.execute(_FIND_BLOCKER, [address.schema]).fetchone()
    if row is None:
        return "a transaction that has ended meanwhile"
    pid, application, start, table = row
    if pid is None:
        return f"a prepared transaction (pg_prepared_xacts), which has a lock on {table}"
    since = f", open since {start}" if start else ""
    return f"the transaction of process {pid} ({application}){since}, which has a lock on {table}"


def probe(connection: psycopg.Connection[Any], address: Address) -> bool:
    """Return whether the schema has a store; StoreError if a server could not use or create it."""
    check_server(connection, address)
    _check_rights(connection, address)
    if find_format(connection, address) is not None:
        check_format(connection, address)
        return True
    (may_create,) = _one(
        connection,
        "SELECT coalesce(has_schema_privilege(to_regnamespace(%s), 'CREATE'), "
        "has_database_privilege(current_database(), 'CREATE'))",
        [address.identifier],
    )
    if not may_create:
        raise StoreError(
            f"store {address.url}: the user may not create the schema {address.schema}"
        )
    return False


def _check_rights(connection: psycopg.Connection[Any], address: Address) -> None:
    """Check the rights that a server needs on what the schema has; StoreError."""
    rows = connection.execute(_FIND_MISSING_RIGHTS, [address.schema]).fetchall()
    if rows:
        missing = "; ".join(right for (right,) in rows)
        raise StoreError(
            f"store {address.url}: the user has no right of {missing}; grant them as the owner of "
            "the tables"
        )


def check_server(connection: psycopg.Connection[Any], address: Address) -> None:
    """Check the version and the encoding of the database; StoreError."""
    if connection.info.server_version < MINIMUM_VERSION:
        raise StoreError(
            f"store {address.url}: PostgreSQL 14 or newer is needed, this is "
            f"{connection.info.parameter_status('server_version')}"
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreError(f"store {address.url}: the encoding must be UTF8, this is {encoding}")


def find_format(connection: psycopg.Connection[Any], address: Address) -> tuple[int, int] | None:
    """Return the format of a store and the oldest one compatible with it, None for no store.

    StoreError if the schema has tables of another program.
    """
    (table,) = _one(connection, "SELECT to_regclass(%s)::text", [f"{address.identifier}.format"])
    if table is None:
        (tables,) = _one(
            connection,
            "SELECT count(*) FROM pg_tables WHERE schemaname = %s",
            [address.schema],
        )
        if tables:
            raise StoreError(
                f"store {address.url}: the schema {address.schema} has the tables of another "
                "program"
            )
        return None
    return _one(
        connection, "SELECT coalesce(max(number), 0), coalesce(max(compatible_with), 0) FROM format"
    )


def check_format(connection: psycopg.Connection[Any], address: Address) -> int:
    """Return the format of a store; StoreError if this version cannot use it."""
    number, compatible_with = find_format(connection, address) or (0, 0)
    known = len(_scripts())
    if compatible_with > known:
        raise StoreError(
            f"store {address.url} was written by a newer version of drayman (format {number}, "
            f"this version knows {known}); upgrade drayman"
        )
    return number


def _create(connection: psycopg.Connection[Any], address: Address) -> None:
    schema = sql.Identifier(address.schema)
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
    connection.execute(
        "CREATE TABLE format (number integer PRIMARY KEY, compatible_with integer NOT NULL)"
    )


def _scripts() -> list[str]:
    files = [each for each in MIGRATIONS.iterdir() if each.name.endswith(".sql")]
    return [each.read_text() for each in sorted(files, key=lambda each: each.name)]


def _compatible_with(script: str) -> int:
    match = _COMPATIBLE.match(script)
    assert match, "a migration begins with the oldest format that it is compatible with"  # noqa: S101
    return int(match[1])


def _one(connection: psycopg.Connection[Any], query: str, params: Any = None) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = connection.execute(query, params).fetchone()
    assert row is not None  # noqa: S101 - the queries here always have a row
    return row
