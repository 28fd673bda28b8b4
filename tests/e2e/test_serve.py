"""``drayman serve`` as its user meets it: start, health, stop, and what it says when it cannot."""

import json
import re
import signal
import socket
import sqlite3
from pathlib import Path

import pytest
from processes import LOCATION, QUEUE, http_task, run_to_end, run_worker, serve

from drayman.core import names


def test_ready_line_is_the_only_line_and_says_where_everything_is(tmp_path):
    with serve(tmp_path) as server:
        store = re.escape(f"sqlite:{tmp_path}/tasks.db")
        assert re.fullmatch(
            rf"drayman ready grpc=127\.0\.0\.1:\d+ http=http://127\.0\.0\.1:\d+ store={store}",
            server.ready_line,
        )
        server.stop()
        assert server.process.stdout.read() == ""


def test_health_and_readiness(tmp_path):
    with serve(tmp_path, store="memory") as server:
        assert server.get("/healthz") == (200, {"status": "alive"})
        assert server.get("/readyz") == (200, {"status": "ready"})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_zero(tmp_path, number):
    with serve(tmp_path, store="memory") as server:
        server.process.send_signal(number)
        assert server.process.wait(30) == 0


def test_queues_given_at_start_are_there(tmp_path):
    file = tmp_path / "queues.yaml"
    file.write_text(
        f"""
queues:
- name: {LOCATION}/queues/from-file
  rate_limits: {{max_dispatches_per_second: 5, max_concurrent_dispatches: 2}}
  retry_config: {{max_attempts: 7, min_backoff: 1s, maxBackoff: 60s}}
"""
    )
    with (
        serve(tmp_path, "--queue", QUEUE, "--queue-file", str(file)) as server,
        server.client() as client,
    ):
        from_file, plain = client.list_queues(parent=LOCATION)
        assert plain.name == QUEUE
        assert from_file.rate_limits.max_dispatches_per_second == 5
        assert from_file.rate_limits.max_concurrent_dispatches == 2
        assert from_file.retry_config.max_attempts == 7
        assert from_file.retry_config.max_backoff.seconds == 60


def test_queue_file_is_applied_again_at_the_next_start_and_keeps_the_state(tmp_path):
    file = tmp_path / "queues.yaml"
    entry = "queues: [{{name: {}, rate_limits: {{max_dispatches_per_second: {}}}}}]"
    file.write_text(entry.format(QUEUE, 5))
    with serve(tmp_path, "--queue-file", str(file)) as server, server.client() as client:
        client.pause_queue(name=QUEUE)
        server.stop()
    file.write_text(entry.format(QUEUE, 9))
    with serve(tmp_path, "--queue-file", str(file)) as server, server.client() as client:
        queue = client.get_queue(name=QUEUE)
        assert queue.rate_limits.max_dispatches_per_second == 9
        assert queue.state.name == "PAUSED"


@pytest.mark.parametrize(
    ("arguments", "variables", "sentence"),
    [
        (
            ["--port", "http"],
            {},
            'drayman: --port: "http" is not allowed; allowed: a port number, 0 to 65535',
        ),
        (
            [],
            {"DRAYMAN_HTTP_PORT": "-1"},
            'drayman: DRAYMAN_HTTP_PORT: "-1" is not allowed; allowed: a port number, 0 to 65535',
        ),
        (
            ["--store", "mysql:x"],
            {},
            'drayman: --store: "mysql:x" is not allowed; allowed: sqlite:PATH or memory',
        ),
        (
            ["--durability", "none"],
            {},
            'drayman: --durability: "none" is not allowed; allowed: safe or relaxed',
        ),
        (
            ["--queue", "my-queue"],
            {},
            'drayman: --queue: "my-queue" is not allowed; allowed: a full name, '
            + names.QUEUE_FORM,
        ),
    ],
)
def test_a_wrong_value_is_one_line_and_status_two(arguments, variables, sentence):
    ended = run_to_end(*arguments, **variables)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", sentence + "\n")


def test_a_wrong_queue_file_is_one_line_and_status_two(tmp_path):
    file = tmp_path / "queues.yaml"
    file.write_text(f"queues: [{{name: {QUEUE}, retries: 3}}]")
    ended = run_to_end("--queue-file", str(file), "--store", "memory")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert f"{file}, queue 1: " in ended.stderr
    assert '"retries"' in ended.stderr


def test_a_wrong_queue_file_leaves_no_store_behind(tmp_path):
    file = tmp_path / "queues.yaml"
    file.write_text("queues: 3")
    store = tmp_path / "tasks.db"
    ended = run_to_end("--queue-file", str(file), "--store", f"sqlite:{store}")
    assert ended.returncode == 2
    assert not store.exists()


def test_without_the_servers_libraries_the_command_says_what_to_install(tmp_path):
    (tmp_path / "click.py").write_text("raise ModuleNotFoundError(name='click')")
    ended = run_to_end(PYTHONPATH=str(tmp_path))
    assert ended.returncode == 1
    assert 'run: pip install "drayman[server]"' in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_port_in_use_is_one_line_and_status_one():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for option, other in (("--port", "--http-port"), ("--http-port", "--port")):
            ended = run_to_end(option, str(port), other, "0", "--store", "memory")
            assert ended.returncode == 1
            assert ended.stdout == ""
            assert ended.stderr.startswith(
                f"drayman: cannot listen on 127.0.0.1:{port} ({option}): "
            )
            assert ended.stderr.count("\n") == 1


def test_a_store_in_use_is_one_line_and_status_one(tmp_path):
    with serve(tmp_path):
        store = f"{tmp_path}/tasks.db"
        ended = run_to_end("--port", "0", "--http-port", "0", "--store", f"sqlite:{store}")
        assert ended.returncode == 1
        assert ended.stderr == f"drayman: store {store} is in use by another server\n"


def test_a_store_of_a_newer_version_is_one_line_and_status_one(tmp_path):
    with serve(tmp_path) as server:
        server.stop()
    connection = sqlite3.connect(tmp_path / "tasks.db")
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    store = f"sqlite:{tmp_path}/tasks.db"
    ended = run_to_end("--port", "0", "--http-port", "0", "--store", store)
    assert ended.returncode == 1
    assert "was written by a newer version of drayman" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_stop_lets_an_attempt_in_flight_end(tmp_path, worker):
    with serve(tmp_path, "--queue", QUEUE) as server:
        with server.client() as client:
            client.create_task(parent=QUEUE, task=http_task(worker.url + "/hold"))
        worker.await_delivery()
        server.process.terminate()
        worker.let_go.set()
        assert server.process.wait(30) == 0
    with serve(tmp_path) as server, server.client() as client:
        assert list(client.list_tasks(parent=QUEUE)) == []


def test_stop_returns_what_outlasts_the_grace_to_its_queue(tmp_path, worker):
    with serve(tmp_path, "--queue", QUEUE, "--grace", "0s") as server:
        with server.client() as client:
            created = client.create_task(parent=QUEUE, task=http_task(worker.url + "/hold"))
        worker.await_delivery()
        assert server.stop() == 0
    worker.let_go.set()
    with serve(tmp_path):
        again = worker.await_delivery()
        assert created.name.endswith(again.task_id)
        assert again.headers["X-CloudTasks-TaskRetryCount"] == "1"


def test_a_queue_that_was_deleted_is_there_again_for_whoever_starts_the_server_with_it(tmp_path):
    with serve(tmp_path, "--queue", QUEUE) as server, server.client() as client:
        client.delete_queue(name=QUEUE)
        server.stop()
    with serve(tmp_path, "--queue", QUEUE) as server, server.client() as client:
        assert client.get_queue(name=QUEUE).state.name == "RUNNING"


def test_a_store_that_was_deleted_under_the_server_is_told(tmp_path):
    with serve(tmp_path) as server:
        (tmp_path / "tasks.db").unlink()
        status, told = server.get("/readyz")
        assert status == 503
        assert "was moved, replaced or deleted" in told["reason"]


def test_few_open_files_leave_callers_theirs(tmp_path):
    with (
        run_worker() as worker,
        serve(tmp_path, "--queue", QUEUE, "--grace", "0s", store="memory", files=128) as server,
        server.client() as client,
    ):
        assert "--max-in-flight is 64 instead of 4000" in server.log()
        for _ in range(150):
            client.create_task(parent=QUEUE, task=http_task(f"{worker.url}/hold"))
        for _ in range(20):  # one queue gets less than half of the slots
            worker.await_delivery()
        assert server.get("/readyz") == (200, {"status": "ready"})
        assert client.get_queue(name=QUEUE).name == QUEUE
        assert "Too many open files" not in server.log()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux says it there")
def test_there_is_room_for_all_files_from_the_start(tmp_path):
    with serve(tmp_path, store="memory", files=4096) as server:
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        assert int(re.search(r"FDSize:\s+(\d+)", status)[1]) >= 4096


def test_log_lines_that_nobody_reads_hold_nothing_up(tmp_path):
    with (
        run_worker() as worker,
        serve(tmp_path, "--queue", QUEUE, store="memory", unread=True) as server,
        server.client() as client,
    ):
        bad = {"name": f"{QUEUE}-bad", "retry_config": {"max_attempts": 1}}
        client.create_queue(parent=LOCATION, queue=bad)
        for number in range(200):  # a line for each failure, of its name; a pipe holds 64 KB
            name = f"{bad['name']}/tasks/{number:0>500}"
            client.create_task(parent=bad["name"], task=http_task("http://127.0.0.1:1", name=name))
        while list(client.list_tasks(parent=bad["name"])):
            pass
        client.create_task(parent=QUEUE, task=http_task(worker.url))
        worker.await_delivery()
        assert server.get("/readyz") == (200, {"status": "ready"})
        assert server.stop() == 0


def test_an_activity_log_follows_a_task_through_its_life(tmp_path, worker):
    with serve(tmp_path, "--activity-log", store="memory") as server:
        with server.client() as client:
            logged = {"name": QUEUE, "stackdriver_logging_config": {"sampling_ratio": 1.0}}
            client.create_queue(parent=LOCATION, queue=logged)
            client.create_task(
                parent=QUEUE, task=http_task(worker.url, name=f"{QUEUE}/tasks/delivered")
            )
            worker.await_delivery()
            client.pause_queue(name=QUEUE)
            client.create_task(
                parent=QUEUE, task=http_task(worker.url, name=f"{QUEUE}/tasks/deleted")
            )
            client.delete_task(name=f"{QUEUE}/tasks/deleted")
        server.stop()
        said = [json.loads(line)["jsonPayload"] for line in server.process.stdout]
    kinds = {"delivered": set(), "deleted": set()}
    for each in said:
        (kind,) = each.keys() - {"@type", "task"}
        kinds[each["task"].rpartition("/")[2]].add(kind)
    assert kinds == {
        "delivered": {"taskCreationLog", "attemptDispatchLog", "attemptResponseLog"},
        "deleted": {"taskCreationLog", "taskDeletionLog"},
    }


def test_an_activity_log_that_nobody_reads_holds_nothing_up(tmp_path):
    with (
        run_worker() as worker,
        serve(tmp_path, "--activity-log", store="memory") as server,
        server.client() as client,
    ):
        logged = {"name": QUEUE, "stackdriver_logging_config": {"sampling_ratio": 1.0}}
        client.create_queue(parent=LOCATION, queue=logged)
        for _ in range(200):  # of each some 900 bytes; a pipe holds 64 KB
            client.create_task(parent=QUEUE, task=http_task(worker.url))
        for _ in range(200):
            worker.await_delivery()
        assert server.get("/readyz") == (200, {"status": "ready"})
        assert server.stop() == 0
