"""``drayman tasks`` (gcloud 528: ``gcloud tasks``)."""

import json

import pytest
from command_line import LOCATION, PARENT

URL = "https://localhost:9/work"  # with a token, it must be https
TIME = "2023-11-20T00:00:00Z"


@pytest.fixture
def create(drayman, queue):
    """Create a task in the queue of the test."""

    def create(*arguments, kind="http", stdin=b""):
        url = ["--url", URL] if kind == "http" else []
        return drayman(
            "tasks", f"create-{kind}-task", "--queue", queue, *url, *arguments, stdin=stdin
        )

    return create


@pytest.fixture
def described(drayman, queue):
    """Return a task in full."""

    def describe(task_id):
        options = ("--queue", queue, "--response-view", "full", "--format", "json")
        return json.loads(drayman("tasks", "describe", task_id, *options).out)

    return describe


def test_a_task_has_what_its_options_give(create, described, queue, tmp_path):
    run = create(
        "t1", "--method=put", "--header=X-A: b: c", "--header=X-D: e", "--body-content=hällo",
        f"--schedule-time={TIME}", "--dispatch-deadline=20s",
        "--oidc-service-account-email=a@x.example", "--oidc-token-audience=aud",
    )  # fmt: skip
    name = f"{PARENT}/queues/{queue}/tasks/t1"
    assert run.err == f"Created task [{name}].\n"
    assert (run.status, run.out) == (0, "")
    task = described("t1")
    request = task["httpRequest"]
    assert task["scheduleTime"] == TIME
    assert task["dispatchDeadline"] == "20s"
    assert request["httpMethod"] == "PUT"
    assert request["headers"].items() >= {"X-A": "b: c", "X-D": "e"}.items()
    assert request["body"] == "aMOkbGxv"
    assert request["oidcToken"] == {"serviceAccountEmail": "a@x.example", "audience": "aud"}
    file = tmp_path / "body"
    file.write_bytes(b"\xff\x00")
    oauth = ("--oauth-service-account-email=a@x.example", "--url=https://x.googleapis.com/")
    create("t2", "--body-file", file, *oauth)
    request = described("t2")["httpRequest"]
    assert request["body"] == "/wA="
    assert request["oauthToken"]["serviceAccountEmail"] == "a@x.example"


def test_a_body_comes_from_standard_input(create, described):
    create("t", "--body-file=-", stdin=b"piped")
    assert described("t")["httpRequest"]["body"] == "cGlwZWQ="


def test_a_task_without_an_id_gets_one(create):
    run = create("--format", "value(name.basename())")
    assert run.out.strip().isdigit()


def test_an_app_engine_task_has_a_route_and_a_path(create, described):
    assert (
        create("t", "--relative-uri=/w?a=b", "--routing=service:s", kind="app-engine").status == 0
    )
    request = described("t")["appEngineHttpRequest"]
    assert request["relativeUri"] == "/w?a=b"
    assert request["appEngineRouting"]["service"] == "s"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--schedule-time=soon",), "must be a time such as 2026-01-01T12:00:00Z"),
        (("--body-content=a", "--body-file=b"), "give --body-content or --body-file, not both"),
        (("--body-file=/absent",), "--body-file: /absent: No such file or directory"),
        (("--oidc-token-audience=a",), "the audience of a token needs the email of its service"),
        (
            ("--oidc-service-account-email=a@x", "--oauth-service-account-email=a@x"),
            "a task carries an OIDC token or an OAuth token, not both",
        ),
        (("--header=none",), 'must be "NAME: VALUE"'),
        (("a/b",), "give --queue and the id of the task, or the full name of the task"),
    ],
)
def test_contradictions_are_errors_of_usage(create, arguments, problem):
    run = create(*arguments)
    assert run.status == 2
    assert problem in run.err


def test_tasks_are_listed_as_a_table(create, drayman, queue):
    create("a", f"--schedule-time={TIME}")
    create("b", kind="app-engine")
    head, *rows = drayman("tasks", "list", "--queue", queue).lines
    columns = "TASK_NAME TYPE CREATE_TIME SCHEDULE_TIME DISPATCH_ATTEMPTS RESPONSE_ATTEMPTS"
    assert head.split() == [*columns.split(), "LAST_ATTEMPT_STATUS"]
    assert [row.split()[:2] for row in rows] == [["a", "http"], ["b", "app-engine"]]
    assert all(row.endswith("Unknown") and " ago" in row for row in rows)
    values = drayman("tasks", "list", "--queue", queue, "--limit=1", "--format=value(scheduleTime)")
    assert values.lines == [TIME]


def test_a_task_runs_at_once(create, drayman, queue, worker):
    create("t", f"--schedule-time={TIME}", "--url", worker.url)
    run = drayman("tasks", "run", "t", "--queue", queue, "--format", "value(scheduleTime)")
    assert (run.status, run.out) == (0, f"{TIME}\n")
    assert worker.next().method == "POST"


def test_a_task_is_deleted_after_a_question(create, drayman, queue):
    create("t")
    assert drayman("tasks", "delete", "t", "--queue", queue, stdin=b"n\n").status == 1
    name = f"{PARENT}/queues/{queue}/tasks/t"
    run = drayman("tasks", "delete", name, "-q")
    assert (run.status, run.err) == (0, "Deleted task [t].\n")
    gone = drayman("tasks", "describe", "t", "--queue", queue)
    assert gone.status == 1
    assert gone.err.startswith("drayman: NOT_FOUND: ")


@pytest.mark.parametrize("task_id", ["", "b1"])
def test_a_body_is_buffered_in_a_queue_with_a_target(drayman, queue, described, task_id):
    drayman("queues", "update", queue, "--http-uri-override=host:x.example")
    run = drayman(
        "tasks", "buffer", "--queue", queue, "--task-id", task_id, "--body-content", "hi",
        "--header", "Content-Type: text/x", "--format", "value(name.basename())",
    )  # fmt: skip
    assert run.err == f"Buffered task in queue [{LOCATION}/{queue}].\n"
    name = run.out.strip()
    assert name == task_id or (task_id == "" and name.isdigit())
    request = described(name)["httpRequest"]
    assert request["body"] == "aGk="
    assert request["headers"]["Content-Type"] == "text/x"


def test_buffering_without_a_target_is_the_servers_error(drayman, queue):
    run = drayman("tasks", "buffer", "--queue", queue)
    assert run.status == 1
    assert "FAILED_PRECONDITION: The queue has no target of its own" in run.err
