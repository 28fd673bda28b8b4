"""Export and import by real processes: live stores, kill -9, memory, a terminal, other servers."""

import contextlib
import datetime
import json
import os
import pty
import re
import subprocess
import sys

import pytest

from drayman.core.clock import HOUR, SECOND, SystemClock
from processes import LOCATION, PATIENCE, QUEUE, environment, http_task, serve

HEADER = {"drayman": "export", "version": 1, "id": "test", "time": "2026-01-01T00:00:00Z"}
MEASURED = """
import resource
from drayman.cli import main
try:
    main()
finally:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
PEAK = re.compile(r"peak (\d+)")


def drayman(*arguments, check=True, **options):
    done = subprocess.run(
        [sys.executable, "-m", "drayman", *map(str, arguments)],
        capture_output=True, check=False, env=environment(), timeout=4 * PATIENCE, **options,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stderr
    return done


def exported_task(url):
    return {
        "httpRequest": {"url": url, "httpMethod": "POST", "body": "Ym9keQ=="},
        "dispatchDeadline": "600s",
        "createTime": "2026-01-01T00:00:00Z",
        "scheduleTime": "2026-01-01T00:00:00Z",
    }


def lines_of(count):
    """Return the lines of an export with one paused queue and many tasks."""
    task = exported_task("http://127.0.0.1:1/")
    yield HEADER
    yield {"queue": {"name": QUEUE, "state": "PAUSED"}}
    for number in range(count):
        yield {"task": task | {"name": f"{QUEUE}/tasks/t{number}"}}
    yield {"end": {"queues": 1, "tasks": count}}


def write(path, count):
    with path.open("w") as file:
        file.writelines(f"{json.dumps(line)}\n" for line in lines_of(count))
    return path


def test_an_import_that_was_killed_continues_without_duplicates(tmp_path):
    path, store = write(tmp_path / "tasks.jsonl", 14_000), f"sqlite:{tmp_path / 'tasks.db'}"
    lines = path.read_bytes().splitlines(keepends=True)
    line = [sys.executable, "-m", "drayman", "import", "-", store]
    with subprocess.Popen(
        line, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        process.stdin.writelines(lines[:12_000])
        process.stdin.flush()
        assert b"import: 10," in process.stderr.readline()
        process.kill()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
    done = drayman("import", path, store)
    continued = re.search(rb"continuing after ([0-9,]+) records", done.stderr)
    assert 10_000 < int(continued[1].replace(b",", b"")) < 12_000
    assert done.stdout == b"drayman: imported 1 queue, 14,000 tasks, 0 dead letters\n"
    exported = drayman("export", store, "-").stdout.splitlines()
    names = [json.loads(each)["task"]["name"] for each in exported if b'"task":{' in each]
    assert names == [f"{QUEUE}/tasks/t{number}" for number in range(14_000)]


def peak_memory(*arguments):
    """Return the most kilobytes that a command held."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *map(str, arguments)],
        capture_output=True, text=True, check=True, env=environment(), timeout=4 * PATIENCE,
    )  # fmt: skip
    return int(PEAK.search(done.stdout)[1])


def test_memory_does_not_grow_with_the_number_of_tasks(tmp_path):
    peaks = []
    for count in (5_000, 50_000):
        path, store = tmp_path / f"{count}.jsonl", f"sqlite:{tmp_path / f'{count}.db'}"
        write(path, count)
        imported = peak_memory("import", path, store)
        exported = peak_memory("export", store, tmp_path / f"{count}.jsonl.gz")
        peaks.append((imported, exported))
    (small_import, small_export), (large_import, large_export) = peaks
    assert large_import < small_import + 16_000  # SQLite's cache of pages grows to 8 MB
    assert large_export < small_export + 16_000


def test_a_bar_is_shown_on_a_terminal(tmp_path):
    path, store = write(tmp_path / "tasks.jsonl", 10), f"sqlite:{tmp_path / 'tasks.db'}"
    terminal, other_end = pty.openpty()
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        try:
            subprocess.run(
                [sys.executable, "-m", "drayman", "import", path, store],
                stderr=other_end, stdout=subprocess.PIPE, check=True,
                env=environment(TERM="xterm", COLUMNS="100"),
            )  # fmt: skip
            shown = screen.read(1 << 16)
        finally:
            os.close(other_end)
    assert "━".encode() in shown
    assert b"11 records" in shown


def test_a_pipe_moves_a_store_while_its_server_runs(tmp_path, worker):
    target = f"sqlite:{tmp_path / 'moved.db'}"
    with serve(tmp_path, "--queue", QUEUE) as server, server.client() as client:
        client.pause_queue(name=QUEUE)
        name = client.create_task(parent=QUEUE, task=http_task(worker.url)).name
        exported = drayman("export", f"sqlite:{tmp_path / 'tasks.db'}", "-")
    assert exported.stderr == b"drayman: exported 1 queue, 1 task, 0 dead letters\n"
    drayman("import", "-", target, input=exported.stdout)
    with serve(tmp_path, store=target) as server, server.client() as client:
        client.resume_queue(name=QUEUE)
        assert name.endswith(worker.await_delivery().task_id)


def test_a_running_server_delivers_what_is_imported_into_its_store(tmp_path, worker):
    path = tmp_path / "tasks.jsonl"
    task = exported_task(worker.url) | {"name": f"{QUEUE}/tasks/t"}
    lines = (HEADER, {"queue": {"name": QUEUE}}, {"task": task}, {"end": {}})
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with serve(tmp_path):
        drayman("import", path, f"sqlite:{tmp_path / 'tasks.db'}")
        assert worker.await_delivery().task_id == "t"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["import", "tasks.jsonl"], b"import needs FILE and STORE, or --from-google and STORE"),
        (["import", "--pause", "a", "b"], b"--pause and --endpoint belong to --from-google"),
        (
            ["import", "--from-google", "p", "l", "a", "b"],
            b"with --from-google, import needs STORE alone",
        ),
    ],
)
def test_arguments_that_do_not_belong_together_are_refused(arguments, problem):
    done = drayman(*arguments, check=False)
    assert done.returncode == 2
    assert problem in done.stderr


def test_an_error_is_one_line(tmp_path):
    done = drayman("export", f"sqlite:{tmp_path / 'none.db'}", "-", check=False)
    assert (done.returncode, done.stderr.decode()) == (
        1,
        f"drayman: store sqlite:{tmp_path / 'none.db'} does not exist\n",
    )


@pytest.fixture
def source(tmp_path):
    """Give a server in the place of Google's API."""
    folder = tmp_path / "source"
    folder.mkdir()
    with serve(folder, "--queue", QUEUE, "--queue", f"{LOCATION}/queues/r") as server:
        yield server


def create(client, url, name, **fields):
    return client.create_task(
        parent=QUEUE, task=http_task(url, name=f"{QUEUE}/tasks/{name}", **fields)
    )


def from_api(server, store, *options, check=True):
    arguments = ("--from-google", "p", "l", "--endpoint", f"http://{server.grpc_address}")
    return drayman("import", *arguments, *options, store, check=check)


def in_an_hour():
    seconds = (SystemClock().now() + HOUR) // SECOND
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC)


def test_queues_and_tasks_come_from_another_server_of_the_api(tmp_path, source, worker):
    store, later = f"sqlite:{tmp_path / 'tasks.db'}", in_an_hour()
    with source.client() as client:
        due = create(client, worker.url, "later", schedule_time=later)
        client.update_queue(queue={"name": QUEUE, "rate_limits": {"max_concurrent_dispatches": 7}})
    done = from_api(source, store, "--pause")
    assert done.stdout == b"drayman: imported 2 queues, 1 task, 0 dead letters\n"
    with source.client() as client:
        assert client.get_queue(name=QUEUE).state.name == "PAUSED"
    with serve(tmp_path, store=store) as server, server.client() as client:
        queue = client.get_queue(name=QUEUE)
        assert (queue.state.name, queue.rate_limits.max_concurrent_dispatches) == ("RUNNING", 7)
        assert client.get_task(name=due.name).schedule_time == later
        client.run_task(name=due.name)
        assert worker.await_delivery().task_id == "later"
    again = from_api(source, store)
    assert again.stdout.startswith(b"drayman: nothing to do: it was imported before")


def test_a_pattern_that_selects_no_queue_of_the_api_is_an_error(tmp_path, source):
    store = f"sqlite:{tmp_path / 'tasks.db'}"
    done = from_api(source, store, "--queue", "nope", check=False)
    assert (done.returncode, done.stderr) == (1, b"drayman: --queue nope selects no queue\n")
