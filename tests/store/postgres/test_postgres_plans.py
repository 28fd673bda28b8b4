"""No statement scans or sorts a table that grows with the backlog, whatever PostgreSQL knows of it.

The plans are those that connections keep: made without the values of parameters, on empty tables.
"""

import re

import pytest
from world import LIMITS, START

from drayman.store.postgres.database import open_store
from drayman.store.postgres.session import STATEMENTS

SCANS = {
    ("sweep_queue_tombstones", "queue_tombstone"): "queues deleted within three days are few",
    ("delete_all_tasks", "task"): "for tests: it empties the store",
    ("delete_all_tasks", "outbox"): "for tests",
    ("delete_all_tasks", "outbox_error"): "for tests",
    ("delete_all_claims", "claim"): "for tests",
    ("delete_all_queues", "queue"): "for tests",
    ("delete_all_task_tombstones", "task_tombstone"): "for tests",
    ("delete_all_queue_tombstones", "queue_tombstone"): "for tests",
    ("delete_all_generations", "deleted_generation"): "for tests",
    ("delete_all_generations", "task_count"): "for tests",
    ("delete_all_attempts", "attempt"): "for tests",
    ("delete_all_dead_letters", "dead_letter"): "for tests",
    ("delete_other_documents", "document"): "for tests",
    ("reset_counters", "counter"): "for tests",
}
SORTS = {
    "list_claims_of_server": "as many as a server has slots",
    "list_claims": "as many as servers have slots",
    "free_slots": "the queues of a group",
    "wake_queues": "the queues of a group",
    "share_queues": "the queues of a group",
    "current_claims": "the tasks of a group",
    "remaining_attempts": "the tasks of a group",
    "add_task_tombstones": "the tasks of a group",
    "list_locations": "the queues of a project",
    "list_task_tombstones": "for an export, which reads all of a queue",
}


@pytest.fixture
async def planner(url, administrator):
    """Give a function that returns the plan of a statement."""
    store = await open_store(url, LIMITS, START)
    await store.close()
    administrator.execute("SET plan_cache_mode TO force_generic_plan")

    def plan(name):
        names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", STATEMENTS[name])))
        text = STATEMENTS[name]
        for number, param in enumerate(names, start=1):
            text = text.replace(f"%({param})s", f"${number}")
        count = len(names)
        while "%s" in text:
            count += 1
            text = text.replace("%s", f"${count}", 1)
        administrator.execute(f"PREPARE planned AS {text}")
        values = f"({', '.join(['NULL'] * count)})" if count else ""
        rows = administrator.execute(f"EXPLAIN (COSTS OFF) EXECUTE planned{values}").fetchall()
        return [row for (row,) in rows]

    return plan


@pytest.mark.parametrize("name", [name for name, text in STATEMENTS.items() if text])
async def test_a_statement_reads_by_an_index(planner, name):
    steps = planner(name)
    scans = {match[1] for step in steps if (match := re.search(r"Seq Scan on (\w+)", step))}
    assert scans == {table for statement, table in SCANS if statement == name}
    sorts = any(re.search(r"\bSort$", step) for step in steps)
    assert not sorts or name in SORTS, steps


async def test_due_tasks_come_from_the_index_in_their_order(planner):
    steps = planner("insert_claims")
    assert any("Index Scan using task_due on task" in step for step in steps)
