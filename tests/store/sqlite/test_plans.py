"""No statement scans a table that grows with the backlog."""

import re

import pytest

from drayman.core.limits import Limits
from drayman.store.sqlite.database import MEMORY, SqliteDatabase
from drayman.store.sqlite.session import STATEMENTS

AS_SMALL_AS_THE_CALL = {
    "json_each", "name", "woken", "created", "gone", "claimed", "ended", "freed", "letter", "ready",
    "admitted", "removed", "CONSTANT",
}  # fmt: skip
LISTS = {
    "claims", "names", "queues", "tasks", "seqs", "numbers", "attempts", "letters",
}  # fmt: skip

SCANS = {
    ("list_grants", "claim USING INDEX claim_granted"): "the index holds what waits to be taken",
    ("list_claims_of_server", "claim USING INDEX claim_in_flight"): "as many as servers have slots",
    ("list_claims", "claim USING INDEX claim_in_flight"): "the same, once at start",
    ("oldest_deleted_generation", "deleted_generation"): "its first row",
    ("sweep_queue_tombstones", "queue_tombstone"): "queues deleted within three days are few",
    ("list_queue_stats", "(subquery-1)"): "no more than are counted",
    ("list_queue_stats", "(subquery-4)"): "the same",
    ("count_dead_letters", "(subquery-1)"): "no more than are counted",
    ("count_due_tasks", "(subquery-1)"): "no more than are counted",
    ("sweep_attempts", "attempt"): "its first rows",
    ("oldest_dead_letters", "dead_letter"): "its first rows",
    ("list_task_tombstones", "(subquery-2)"): "for an export, which reads all of a queue",
    ("list_all_dead_letters", "dead_letter"): "for an export, in the order of their numbers",
    ("delete_other_documents", "document"): "between tests, which leave few",
    ("reset_counters", "counter"): "a handful",
}


@pytest.fixture(scope="module")
def connection():
    database = SqliteDatabase(MEMORY, Limits(), 0, safe=True)
    yield database.connection
    database.close()


def plan(connection, name):
    """Return the steps of a statement."""
    text = STATEMENTS[name]
    columns = text.partition("VALUES (?)")[0].count(",") + 1
    text = text.replace("(?)", f"({', '.join('?' * columns)})")
    words = re.findall(r":(\w+)", text)
    params = {word: "[]" if word in LISTS else 0 for word in words} if words else (0,) * columns
    if "?" not in text and not words:
        params = ()
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", params)]


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_scans_only_small_tables(connection, name):
    steps = plan(connection, name)
    scans = {step.removeprefix("SCAN ") for step in steps if step.startswith("SCAN ")}
    scans = {table for table in scans if table.split()[0] not in AS_SMALL_AS_THE_CALL}
    assert scans == {table for statement, table in SCANS if statement == name}


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("list_attempts", "attempt_of"),
        ("list_attempts_of_task", "attempt_of_task"),
        ("list_dead_letters", "dead_letter_of"),
        ("list_dead_letters_of_code", "dead_letter_coded"),
        ("list_dead_letters_of_task", "dead_letter_named"),
        ("list_documents", "sqlite_autoindex_document_1"),
    ],
)
def test_a_filter_has_its_index_and_nothing_is_sorted(connection, name, index):
    (step,) = plan(connection, name)
    assert f" {index} (" in step
