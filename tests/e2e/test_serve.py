"""``drayman serve`` as its users see it: start, health, stop, and errors at start."""

import json
import re
import resource
import signal
import socket
import sqlite3
from pathlib import Path

import pytest

from drayman.core import errors
from processes import LOCATION, QUEUE, http_task, run_to_end, run_worker, serve


def test_the_ready_line_is_the_only_output_and_has_all_addresses(tmp_path):
    with serve(tmp_path) as server:
        store = re.escape(f"sqlite:{tmp_path}/tasks.db")
        assert re.fullmatch(
            rf"drayman ready grpc=127\.0\.0\.1:\d+ http=http://127\.0\.0\.1:\d+ store={store}",
            server.ready_line,
        )
        server.stop()
        assert server.process.stdout.read() == ""


def test_it_is_alive_and_ready_after_its_start(tmp_path):
    with serve(tmp_path, store="memory") as server:
        assert server.get("/healthz") == (200, {"status": "alive"})
        assert server.get("/readyz") == (200, {"status": "ready"})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_with_status_zero(tmp_path, number):
    with serve(tmp_path, store="memory") as server:
        server.process.send_signal(number)
        assert server.process.wait(30) == 0


def test_queues_of_the_settings_exist_after_the_start(tmp_path):
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
    ("arguments", "variables", "message"),
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
            (
                'drayman: --store: "mysql:x" is not allowed; '
                "allowed: sqlite:PATH, postgresql://HOST/DATABASE or memory"
            ),
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
            + errors.QUEUE_FORM,
        ),
    ],
)
def test_a_wrong_value_is_one_line_and_status_two(arguments, variables, message):
    process = run_to_end(*arguments, **variables)
    assert (process.returncode, process.stdout, process.stderr) == (2, "", message + "\n")


def test_a_wrong_queue_file_is_one_line_and_status_two(tmp_path):
    file = tmp_path / "queues.yaml"
    file.write_text(f"queues: [{{name: {QUEUE}, retries: 3}}]")
    process = run_to_end("--queue-file", str(file), "--store", "memory")
    assert process.returncode == 2
    assert process.stderr.count("\n") == 1
    assert f"{file}, queue 1: " in process.stderr
    assert '"retries"' in process.stderr


def test_files_that_cannot_be_used_are_a_line_each_and_status_two(tmp_path):
    certificate, queues = tmp_path / "cert.pem", tmp_path / "queues.yaml"
    certificate.write_text("no certificate")
    queues.write_text("queues: 3")
    files = ("--tls-cert", str(certificate), "--queue-file", str(queues))
    process = run_to_end(*files, "--store", "memory")
    assert process.returncode == 2
    starts = [line.split(": ")[1] for line in process.stderr.splitlines()]
    assert starts == ["--queue-file", "--tls-cert"]


def test_a_wrong_queue_file_leaves_no_store_behind(tmp_path):
    file = tmp_path / "queues.yaml"
    file.write_text("queues: 3")
    store = tmp_path / "tasks.db"
    process = run_to_end("--queue-file", str(file), "--store", f"sqlite:{store}")
    assert process.returncode == 2
    assert not store.exists()


def test_without_the_libraries_of_the_server_the_error_names_what_to_install(tmp_path):
    (tmp_path / "click.py").write_text("raise ModuleNotFoundError(name='click')")
    process = run_to_end(PYTHONPATH=str(tmp_path))
    assert process.returncode == 1
    assert 'run: pip install "drayman[server]"' in process.stderr
    assert process.stderr.count("\n") == 1


def test_a_port_in_use_is_one_line_and_status_one():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for option, other in (("--port", "--http-port"), ("--http-port", "--port")):
            process = run_to_end(option, str(port), other, "0", "--store", "memory")
            assert process.returncode == 1
            assert process.stdout == ""
            assert process.stderr.startswith(
                f"drayman: cannot listen on 127.0.0.1:{port} ({option}): "
            )
            assert process.stderr.count("\n") == 1


def test_a_store_in_use_is_one_line_and_status_one(tmp_path):
    with serve(tmp_path):
        store = f"{tmp_path}/tasks.db"
        process = run_to_end("--port", "0", "--http-port", "0", "--store", f"sqlite:{store}")
        assert process.returncode == 1
        assert process.stderr == f"drayman: store {store} is in use by another server\n"


def test_a_store_of_a_newer_version_is_one_line_and_status_one(tmp_path):
    with serve(tmp_path) as server:
        server.stop()
    connection = sqlite3.connect(tmp_path / "tasks.db")
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    store = f"sqlite:{tmp_path}/tasks.db"
    process = run_to_end("--port", "0", "--http-port", "0", "--store", store)
    assert process.returncode == 1
    assert "was written by a newer version of drayman" in process.stderr
    assert process.stderr.count("\n") == 1


def test_a_stop_waits_for_an_attempt_in_flight(tmp_path, worker):
    with serve(tmp_path, "--queue", QUEUE) as server:
        with server.client() as client:
            client.create_task(parent=QUEUE, task=http_task(worker.url + "/hold"))
        worker.await_delivery()
        server.process.terminate()
        worker.release.set()
        assert server.process.wait(30) == 0
    with serve(tmp_path) as server, server.client() as client:
        assert list(client.list_tasks(parent=QUEUE)) == []


def test_a_stop_returns_tasks_that_outlast_the_grace_to_their_queue(tmp_path, worker):
    with serve(tmp_path, "--queue", QUEUE, "--grace", "0s") as server:
        with server.client() as client:
            created = client.create_task(parent=QUEUE, task=http_task(worker.url + "/hold"))
        worker.await_delivery()
        assert server.stop() == 0
    worker.release.set()
    with serve(tmp_path):
        again = worker.await_delivery()
        assert created.name.endswith(again.task_id)
        assert again.headers["X-CloudTasks-TaskRetryCount"] == "1"


def test_a_deleted_queue_is_created_again_at_a_start_that_declares_it(tmp_path):
    with serve(tmp_path, "--queue", QUEUE) as server, server.client() as client:
        client.delete_queue(name=QUEUE)
        server.stop()
    with serve(tmp_path, "--queue", QUEUE) as server, server.client() as client:
        assert client.get_queue(name=QUEUE).state.name == "RUNNING"


def test_it_is_not_ready_when_its_store_was_deleted(tmp_path):
    with serve(tmp_path) as server:
        (tmp_path / "tasks.db").unlink()
        status, body = server.get("/readyz")
        assert status == 503
        assert "was moved, replaced or deleted" in body["reason"]


def test_with_few_open_files_attempts_leave_some_to_callers(tmp_path):
    with (
        run_worker() as worker,
        serve(tmp_path, "--queue", QUEUE, "--grace", "0s", store="memory", files=128) as server,
        server.client() as client,
    ):
        server.await_log("--max-in-flight is 64 instead of 4000")
        for _ in range(150):
            client.create_task(parent=QUEUE, task=http_task(f"{worker.url}/hold"))
        for _ in range(20):  # one queue gets less than half of the slots
            worker.await_delivery()
        assert server.get("/readyz") == (200, {"status": "ready"})
        assert client.get_queue(name=QUEUE).name == QUEUE
        assert "Too many open files" not in server.log()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs prlimit, which Linux has")
def test_a_server_without_files_uses_up_no_attempt(tmp_path):
    """The limit becomes what is open already, and is lifted once dispatch has met it."""
    queue = {"name": QUEUE, "retry_config": {"max_attempts": 1}}
    with (
        run_worker() as worker,
        serve(tmp_path, store="memory") as server,
        server.client() as client,
    ):
        client.create_queue(parent=LOCATION, queue=queue)
        process = server.process.pid
        files = len(list(Path(f"/proc/{process}/fd").iterdir()))
        normal = resource.prlimit(process, resource.RLIMIT_NOFILE)
        resource.prlimit(process, resource.RLIMIT_NOFILE, (files, normal[1]))
        for _ in range(100):
            client.create_task(parent=QUEUE, task=http_task(worker.url))
        while "dispatch pauses" not in server.log():
            client.get_queue(name=QUEUE)
        resource.prlimit(process, resource.RLIMIT_NOFILE, normal)
        deliveries = [worker.await_delivery() for _ in range(100)]
        assert len({delivery.task_id for delivery in deliveries}) == 100
        assert {delivery.headers["X-CloudTasks-TaskRetryCount"] for delivery in deliveries} == {"0"}
        while list(client.list_tasks(parent=QUEUE)):
            pass
        assert server.get(f"/drayman/v1/{QUEUE}/deadLetters")[1] == {"deadLetters": []}
        (line,) = [line for line in server.log().splitlines() if "dispatch pauses" in line]
        assert "Too many open files; raise its limit of open files (ulimit -n)" in line


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc, which Linux has")
def test_the_file_table_has_room_for_all_files_from_the_start(tmp_path):
    with serve(tmp_path, store="memory", files=4096) as server:
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        assert int(re.search(r"FDSize:\s+(\d+)", status)[1]) >= 4096


def test_log_lines_that_nobody_reads_delay_nothing(tmp_path):
    with (
        run_worker() as worker,
        serve(tmp_path, "--queue", QUEUE, store="memory", unread=True) as server,
        server.client() as client,
    ):
        bad = {"name": f"{QUEUE}-bad", "retry_config": {"max_attempts": 1}}
        client.create_queue(parent=LOCATION, queue=bad)
        for number in range(200):  # each failure logs the task name; a pipe holds 64 KB
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
        assert json.loads(server.ready_line)["message"].startswith("drayman ready grpc=")
        entries = [json.loads(line)["jsonPayload"] for line in server.process.stdout]
    kinds = {"delivered": set(), "deleted": set()}
    for entry in entries:
        (kind,) = entry.keys() - {"@type", "task"}
        kinds[entry["task"].rpartition("/")[2]].add(kind)
    assert kinds == {
        "delivered": {"taskCreationLog", "attemptDispatchLog", "attemptResponseLog"},
        "deleted": {"taskCreationLog", "taskDeletionLog"},
    }


def test_an_activity_log_that_nobody_reads_delays_nothing(tmp_path):
    with (
        run_worker() as worker,
        serve(tmp_path, "--activity-log", store="memory") as server,
        server.client() as client,
    ):
        logged = {"name": QUEUE, "stackdriver_logging_config": {"sampling_ratio": 1.0}}
        client.create_queue(parent=LOCATION, queue=logged)
        for _ in range(200):  # entries of about 900 bytes each; a pipe holds 64 KB
            client.create_task(parent=QUEUE, task=http_task(worker.url))
        for _ in range(200):
            worker.await_delivery()
        assert server.get("/readyz") == (200, {"status": "ready"})
        assert server.stop() == 0


def test_the_log_has_a_line_of_the_start_of_each_administrative_call_and_of_the_end(tmp_path):
    with serve(tmp_path) as server:
        with server.client() as client:
            client.create_queue(parent=LOCATION, queue={"name": QUEUE})
            client.pause_queue(name=QUEUE)
        server.stop()
        lines = server.log().splitlines()
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO    "
    store = re.escape(f"sqlite:{tmp_path}/tasks.db")
    started = (
        rf"drayman [\w.+]+ started: grpc 127\.0\.0\.1:\d+, http http://127\.0\.0\.1:\d+, "
        rf"store {store} \(format \d+\), 0 attempts recovered, auth none, "
        "role all"
    )
    expected = [
        started,
        f"queue {QUEUE} created by 127.0.0.1",
        f"queue {QUEUE} paused by 127.0.0.1",
        "stopping; 0 attempts in flight",
        r"stopped after \d+\.\d s; 0 attempts returned to their queues",
    ]
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(time + pattern, line)


def test_a_json_log_is_one_object_a_line_warnings_at_start_included(tmp_path):
    options = ("--log-format", "json", "--durability", "relaxed")
    with serve(tmp_path, *options) as server:
        server.stop()
        lines = [json.loads(line) for line in server.log().splitlines()]
    assert [line["event"]["type"] for line in lines] == ["Started", "Notice", "Stopping", "Stopped"]
    assert lines[0]["event"]["store"] == f"sqlite:{tmp_path}/tasks.db"
