"""The schema of a SQLite store: its application id, its format number, its migrations."""

import sqlite3
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable

from drayman.store.contract import StoreError

_APPLICATION_ID = 0x44726179  # "Dray", so that another program's file is not taken for ours


def check_format(connection: sqlite3.Connection, path: str) -> None:
    """Check that a file is empty or a store; StoreError if it belongs to another program."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    has_tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if has_tables and application != _APPLICATION_ID:
        raise StoreError(f"store {path} is the SQLite database of another program")


def check_version(connection: sqlite3.Connection, path: str) -> int:
    """Return the format number of a database; StoreError if this version does not know it."""
    version, known = connection.execute("PRAGMA user_version").fetchone()[0], len(_scripts())
    if version > known:
        raise StoreError(
            f"store {path} was written by a newer version of drayman (format {version}, this "
            f"version knows {known}); upgrade drayman"
        )
    return int(version)


def outdated(version: int) -> Iterator[str]:
    """Yield a sentence if a database has an older format than this version writes."""
    known = len(_scripts())
    if version < known:
        yield f"the format is {version}; the next start of a server migrates it to {known}"


def check_current(connection: sqlite3.Connection, path: str) -> None:
    """Check that a database in use by a server has the latest format; StoreError."""
    if check_version(connection, path) < len(_scripts()):
        raise StoreError(
            f"store {path} is in use by a server of an older version; restart that server first"
        )


def migrate(connection: sqlite3.Connection, path: str) -> int:
    """Migrate a database to the latest format; return that. StoreError."""
    connection.execute("BEGIN IMMEDIATE")
    version = check_version(connection, path)
    for number, script in enumerate(_scripts()[version:], start=version + 1):
        for statement in split_statements(script.read_text()):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute("COMMIT")
    return len(_scripts())


def _scripts() -> list[Traversable]:
    folder = resources.files("drayman.store.sqlite") / "migrations"
    return sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )


def split_statements(script: str) -> Iterator[str]:
    """Yield the statements of a script."""
    current = ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            yield current
            current = ""
