"""Copying a SQLite store into an empty store on PostgreSQL, in one transaction.

Both have the same tables with the same columns, and rows are copied as they are, requests sealed or
not included. Claims of the last server on the source are returned to their queues before.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import sql

from drayman.core.clock import Micros
from drayman.core.limits import Limits
from drayman.store.contract import StoreError
from drayman.store.postgres import address, connection, schema
from drayman.store.sqlite.database import SqliteDatabase
from drayman.store.sqlite.probe import probe


class _Table(NamedTuple):
    """A table to copy.

    Attributes:
        name: Its name.
        identity: The column that a sequence numbers, if there is one.
    """

    name: LiteralString
    identity: LiteralString | None = None


_TABLES = (
    _Table("queue", "key"),
    _Table("task"),
    _Table("claim"),
    _Table("task_tombstone"),
    _Table("queue_tombstone"),
    _Table("deleted_generation"),
    _Table("attempt", "number"),
    _Table("dead_letter", "number"),
    _Table("document"),
)
_COUNT_TASKS = """
INSERT INTO task_count (generation, backend, tasks)
SELECT generation, 0, count(*) FROM task GROUP BY generation
"""
_TOTALS = ("dead_letters", "dead_letter_bytes")
_SEQUENCES = ("seq", "generation")


def copy(path: str, url: str, now: Micros) -> Iterator[tuple[str, int]]:
    """Copy the store in a file to one on PostgreSQL; yield each table and its number of rows.

    The copy is there when the iterator has ended; before, or after an error, there is none.
    StoreError.
    """
    if not probe(path):
        raise StoreError(f"store sqlite:{path} does not exist")
    parsed = address.parse(url)
    with contextlib.ExitStack() as opened:
        source = SqliteDatabase(path, Limits(), now, safe=True)
        opened.callback(source.close)
        try:
            target = opened.enter_context(
                contextlib.closing(connection.connect(parsed, limited=False))
            )
            schema.migrate(target, parsed)
            with connection.transaction(target):
                target.execute("SET LOCAL statement_timeout TO 0")
                _check_empty(target, parsed)
                # The tasks are counted at the end: a trigger would have to hold them all.
                target.execute("ALTER TABLE task DISABLE TRIGGER task_created")
                yield from _copy_tables(source.connection, target)
                target.execute("ALTER TABLE task ENABLE TRIGGER task_created")
                target.execute(_COUNT_TASKS)
                _copy_numbers(source.connection, target)
                target.execute("ANALYZE queue, task, task_tombstone, document", prepare=False)
        except psycopg.Error as error:
            raise StoreError(f"store {parsed.url}: {connection.describe(error)}") from None


def _check_empty(target: psycopg.Connection[Any], parsed: address.Address) -> None:
    """Check that nothing was ever stored, and keep servers from storing anything; StoreError."""
    for table in _TABLES:
        name = sql.Identifier(table.name)
        target.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(name))
        if target.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(name)).fetchone():
            raise StoreError(f"store {parsed.url} is not empty; copy to another schema")


def _copy_tables(
    source: sqlite3.Connection, target: psycopg.Connection[Any]
) -> Iterator[tuple[str, int]]:
    for table in _TABLES:
        columns = _columns(target, table.name)
        names = ", ".join(columns)
        rows = source.execute(f"SELECT {names} FROM {table.name}")  # noqa: S608 - names of ours
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        count = 0
        with target.cursor().copy(statement) as stream:
            for row in rows:
                stream.write_row(row)
                count += 1
        yield table.name, count


def _columns(target: psycopg.Connection[Any], table: str) -> list[str]:
    """Return the columns of a table, all of which its SQLite form has too."""
    rows = target.execute(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = current_schema() AND table_name = %s ORDER BY ordinal_position",
        [table],
    )
    return [name for (name,) in rows]


def _copy_numbers(source: sqlite3.Connection, target: psycopg.Connection[Any]) -> None:
    """Let numbering continue where it was, so that no number is used again."""
    counters = dict(source.execute("SELECT name, value FROM counter"))
    numbered = dict(source.execute("SELECT name, seq FROM sqlite_sequence"))
    for name in _TOTALS:
        target.execute("INSERT INTO counter VALUES (%s, %s)", [name, counters[name]])
    for name in _SEQUENCES:
        _set_sequence(target, name, counters[name])
    for table in _TABLES:
        if table.identity:
            sequence = f"{table.name}_{table.identity}_seq"
            _set_sequence(target, sequence, numbered.get(table.name, 0))


def _set_sequence(target: psycopg.Connection[Any], name: str, last: int) -> None:
    target.execute("SELECT setval(%s::regclass, %s, %s)", [name, max(last, 1), last > 0])
