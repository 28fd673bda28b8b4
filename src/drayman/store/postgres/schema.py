"""The schema of a store on PostgreSQL, and its migrations.

Servers of two versions may share a database during a rolling upgrade. So a migration must leave the
tables usable for the servers before it; where that ends, its first line says so:
``-- compatible with: N`` names the oldest format whose servers can still use the database.
"""

import re
from importlib import resources
from typing import Any

import psycopg
from psycopg import sql

from drayman.store.contract import StoreError
from drayman.store.postgres.address import Address
from drayman.store.postgres.connection import Connection, transaction

MINIMUM_VERSION = 140000
"""PostgreSQL 14."""
MIGRATIONS = resources.files("drayman.store.postgres") / "migrations"
"""A script for each format, in the order of their names."""
_COMPATIBLE = re.compile(r"-- compatible with: (\d+)\n")


def migrate(connection: Connection, address: Address) -> int:
    """Create the schema or migrate it to the latest format; return that. StoreError."""
    check_server(connection, address)
    with transaction(connection):
        # One server migrates; the others wait for it. That may take longer than a statement.
        connection.execute("SET LOCAL statement_timeout TO 0")
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s), 1)", [address.schema])
        if find_format(connection, address) is None:
            _create(connection, address)
        version = check_format(connection, address)
        for number, script in enumerate(_scripts()[version:], start=version + 1):
            connection.execute(script.encode(), prepare=False)
            connection.execute(
                "INSERT INTO format (number, compatible_with) VALUES (%s, %s)",
                [number, _compatible_with(script)],
            )
    return len(_scripts())


def probe(connection: psycopg.Connection[Any], address: Address) -> bool:
    """Return whether the schema has a store; StoreError if a server could not use or create it."""
    check_server(connection, address)
    if find_format(connection, address) is not None:
        check_format(connection, address)
        return True
    (may_create,) = _one(
        connection,
        "SELECT coalesce(has_schema_privilege(to_regnamespace(%s), 'CREATE'), "
        "has_database_privilege(current_database(), 'CREATE'))",
        [address.schema],
    )
    if not may_create:
        raise StoreError(
            f"store {address.url}: the user may not create the schema {address.schema}"
        )
    return False


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
    (table,) = _one(connection, "SELECT to_regclass(%s)::text", [f"{address.schema}.format"])
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
