"""No statement scans a table that grows with the backlog."""

import re

import pytest

from drayman.store.sqlite import database, ledger, rows

FILES = ("queue.sql", "task.sql", "dispatch.sql")
STATEMENTS = {name: text for file in FILES for name, text in rows.sql(file).items()}
STATEMENTS |= ledger._SQL
SMALL = {
    "json_each",
    "pair",
    "ended",
    "dead",
    "CONSTANT",
    "sqlite_sequence",
}  # as small as the call

SCANS = {
    ("granted", "claim USING INDEX claim_granted"): "the index holds what waits to be taken",
    ("stats", "claim"): "attempts in flight: as many as servers have slots",
    ("left_in_flight", "claim"): "the same, after attempts that RunTask asked for",
    ("claims_of", "claim"): "the same, once when a server stops",
    ("all_claims", "claim"): "the same, once at start",
    ("stats", "queue USING COVERING INDEX sqlite_autoindex_queue_2"): "queues are few",
    ("oldest_retired", "retired"): "its first row",
    ("sweep_queue_tombstones", "queue_tombstone"): "queues deleted within three days are few",
    ("count_dead", "(subquery-1)"): "no more than are counted",
    ("sweep_attempts", "attempt"): "its first rows",
    ("oldest_dead", "dead_letter"): "its first rows",
}


@pytest.fixture(scope="module")
def connection():
    opened = database.open_database(":memory:")
    yield opened.connection
    opened.close()


def scans(connection, text):
    """Return what a statement reads from end to end."""
    if text.endswith("VALUES"):
        text += " (?, ?, ?, ?, ?, ?)"
        given = (0,) * 6
    else:
        lists = {"numbers", "seqs", "pairs", "ended", "dead", "records"}
        words = re.findall(r":(\w+)", text)
        given = {word: "[]" if word in lists else 0 for word in words}
    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", given)]
    read = [step.removeprefix("SCAN ") for step in steps if step.startswith("SCAN ")]
    return {table for table in read if table.split()[0] not in SMALL}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_scans_nothing_but_what_is_small(connection, name):
    justified = {table for statement, table in SCANS if statement == name}
    assert scans(connection, STATEMENTS[name]) == justified


def test_names_of_statements_are_used_once():
    assert len(STATEMENTS) == sum(len(rows.sql(file)) for file in FILES) + len(ledger._SQL)


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("list_attempts", "attempt_of"), ("list_attempts_of", "attempt_of_task"),
        ("list_dead", "dead_letter_of"), ("list_dead_coded", "dead_letter_coded"),
        ("dead_names", "dead_letter_of"), ("dead_names_coded", "dead_letter_coded"),
    ],
)  # fmt: skip
def test_a_filter_has_its_index_and_nothing_is_sorted(connection, name, index):
    given = dict.fromkeys(re.findall(r":(\w+)", STATEMENTS[name]), 0)
    rows_ = connection.execute(f"EXPLAIN QUERY PLAN {STATEMENTS[name]}", given)
    (step,) = [row[3] for row in rows_]
    assert f" {index} (" in step
