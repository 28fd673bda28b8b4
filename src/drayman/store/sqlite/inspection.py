"""A check of a store in a file: its pages, its rows, and the files beside it."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from drayman.store import inspection
from drayman.store.contract import StoreError
from drayman.store.inspection import Report
from drayman.store.sqlite import files, reading, schema

_MOST = 20
"""How many damaged places are reported."""
_NUMBERS = {"seq": "SELECT coalesce(max(seq), 0) FROM task",
            "generation": "SELECT coalesce(max(generation), 0) FROM queue"}  # fmt: skip
"""Counters, and statements that select the largest number in use of each."""
_TASK_COUNTS_FORMAT = 2
"""The format from which on queues count their tasks."""
_TASK_COUNTS = {
    inspection.TASKS_COUNTED_WRONGLY: (
        "SELECT count(*) FROM queue WHERE tasks <> "
        "(SELECT count(*) FROM task WHERE task.generation = queue.generation)"
    )
}


def inspect(path: str) -> Report:
    """Check a store in one transaction that only reads. StoreError if it cannot be read."""
    with reading.snapshot(path) as connection:

        def count(statement: str) -> int:
            return int(connection.execute(statement).fetchone()[0])

        number = count("PRAGMA user_version")
        if count("SELECT count(*) FROM sqlite_master") == 0:
            raise StoreError(f"store {path} is empty: no server has started with it yet")
        damage = list(_damage(connection))
        rows = {} if damage else inspection.counts(count)
        own = _TASK_COUNTS if number >= _TASK_COUNTS_FORMAT else {}
        broken = [] if damage else [*inspection.broken_rules(count, own), *_reused(count)]
        in_use = reading.is_in_use(path)
        warnings = [*_file_warnings(path), *schema.outdated(number)]
        return Report(number, in_use, rows, damage + broken, warnings)


def _damage(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield what SQLite's own check finds."""
    try:
        for (line,) in connection.execute(f"PRAGMA integrity_check({_MOST})"):
            if line != "ok":
                yield f"damaged: {' '.join(line.split())}"
    except sqlite3.DatabaseError as error:
        yield f"damaged: {error}"


def _reused(count: inspection.Count) -> Iterator[str]:
    for name, statement in _NUMBERS.items():
        if count(f"SELECT value FROM counter WHERE name = '{name}'") < count(statement):  # noqa: S608 - names of ours
            yield f"the counter {name} is behind, and numbers would be used again"


def _file_warnings(path: str) -> Iterator[str]:
    own = files.paths(path)
    for file in own:
        if file.exists() and file.stat().st_uid != os.geteuid():
            yield f"{file} belongs to another user"
    for file in _foreign(own):
        yield f"{file} is no file of the store; move it away"


def _foreign(own: list[Path]) -> list[Path]:
    """Return the files whose names make them look like a part of the store.

    SQLite would take a ``-journal`` for a transaction to undo.
    """
    database = own[0]
    beside = database.parent.glob(f"{database.name}?*")
    return sorted(each for each in beside if each.is_file() and each not in own)
