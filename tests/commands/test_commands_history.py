"""``drayman attempts`` and ``drayman dead-letters``."""

import json

import pytest
from command_line import LOCATION, PARENT

from drayman.core.events import AttemptEnded


@pytest.fixture
def failed(drayman, server, worker, queue_id):
    """Let tasks fail for good; return their queue."""

    def fail(*task_ids):
        drayman("queues", "create", queue_id, "--max-attempts=1", "--log-sampling-ratio=1")
        for task_id in task_ids:
            worker.answers.put(404)
            drayman("tasks", "create-http-task", task_id, "--queue", queue_id, "--url", worker.url)
            server.next_event(AttemptEnded)
        return queue_id

    return fail


def listed(drayman, queue, *options):
    arguments = ("--queue", queue, "--format", "value(task.name.basename())", *options)
    return drayman("dead-letters", "list", *arguments).lines


def test_attempts_are_listed_by_task_and_by_queue(drayman, failed):
    queue = failed("a", "b")
    head, row = drayman("attempts", "list", "a", "--queue", queue).lines
    columns = "TASK_NAME ATTEMPT DISPATCH_TIME DURATION STATUS OUTCOME RETRY_TIME REASON"
    assert head.split() == columns.split()
    assert row.split()[:2] == ["a", "1"]
    assert "NOT_FOUND" in row
    assert row.endswith("all 1 attempts failed")
    values = ("--format", "value(task.basename(), status.code, outcome)")
    attempts = drayman("attempts", "list", "--queue", queue, "--page-size", 1, *values).lines
    assert attempts == ["b\tNOT_FOUND\tfailed", "a\tNOT_FOUND\tfailed"]
    assert (
        drayman("attempts", "list", f"{PARENT}/queues/{queue}/tasks/b", *values).lines
        == (attempts[:1])
    )


def test_attempts_of_nothing_are_an_error_of_usage(drayman):
    run = drayman("attempts", "list")
    assert run.status == 2
    assert "give TASK or --queue" in run.err


def test_dead_letters_are_listed_and_shown(drayman, failed, server):
    queue = failed("a", "b")
    head, *rows = drayman("dead-letters", "list", "--queue", queue).lines
    assert head.split() == ["TASK_NAME", "TIME", "STATUS", "REASON", "DISPATCH_ATTEMPTS"]
    assert [row.split()[0] for row in rows] == ["a", "b"]
    assert listed(drayman, queue, "--code", "NOT_FOUND", "--limit", "1") == ["a"]
    assert listed(drayman, queue, "--code", "INTERNAL", "--page-size", "1") == []
    shown = drayman("dead-letters", "describe", "a", "--queue", queue, "--format", "json")
    path = f"/drayman/v1/{PARENT}/queues/{queue}/deadLetters/a"
    assert json.loads(shown.out) == server.request("GET", path)[1]


@pytest.mark.parametrize("selection", [("a", "b"), ("--code", "NOT_FOUND"), ("--all",)])
def test_dead_letters_are_replayed(drayman, failed, server, worker, selection):
    queue = failed("a", "b")
    for _ in range(2):
        worker.next()
    run = drayman("dead-letters", "replay", "--queue", queue, *selection)
    assert (run.status, run.out) == (0, "")
    assert run.err == f"Replayed 2 dead letters of queue [{LOCATION}/{queue}].\n"
    names = {worker.next().headers["X-CloudTasks-TaskName"] for _ in range(2)}
    assert names == {"a", "b"}
    for _ in range(2):  # the next test waits for its own
        server.next_event(AttemptEnded)


@pytest.mark.parametrize("selection", [("a", "b"), ("--code", "NOT_FOUND"), ("--all",)])
def test_dead_letters_are_deleted_after_a_question(drayman, failed, selection):
    queue = failed("a", "b")
    arguments = ("dead-letters", "delete", "--queue", queue, *selection)
    refused = drayman(*arguments, stdin=b"n\n")
    assert refused.status == 1
    assert "Are you sure you want to delete: [" in refused.err
    assert listed(drayman, queue) == ["a", "b"]
    run = drayman(*arguments, "--quiet")
    assert run.err == f"Deleted 2 dead letters of queue [{LOCATION}/{queue}].\n"
    assert listed(drayman, queue) == []


def test_more_dead_letters_than_a_call_takes_are_changed_in_several(drayman, failed):
    queue = failed("a")
    absent = [f"n{index}" for index in range(1_200)]
    run = drayman("dead-letters", "delete", "a", *absent, "--queue", queue, "-q")
    assert run.status == 1
    first, *problems, last = run.err.splitlines()
    assert first == f"Deleted 1 dead letters of queue [{LOCATION}/{queue}]."
    assert len(problems) == 5
    assert problems[0].startswith("drayman: delete n0: NOT_FOUND: ")
    assert last == "drayman: and 1,195 more"


@pytest.mark.parametrize("selection", [(), ("a", "--all"), ("--all", "--code", "INTERNAL")])
def test_a_selection_is_one_of_three(drayman, queue, selection):
    run = drayman("dead-letters", "replay", "--queue", queue, *selection)
    assert run.status == 2
    assert "give one of TASK…, --code and --all" in run.err
