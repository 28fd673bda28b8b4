"""What the testing kit costs: a thousand tests that each enqueue and deliver a task, on one core.

    python -m bench.kit [--tests 1000]

The tests run in a process of pytest, with one server for all of them. Beside it, in this process,
a server is started and reset. All figures are CPU time, which other work on the machine changes
little; of starts and resets the least counts. It ends with status 1 when a bound is exceeded.
"""

import argparse
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import processes
from drayman.testing import Server

SECONDS, START_MS, RESET_MS = 10.0, 50.0, 5.0
"""The bounds: of all tests, of a start after the first, of a reset."""
TESTS = """
import pytest
from drayman import tasks

@pytest.fixture(scope="session")
def client(cloud_tasks_server):
    return cloud_tasks_server.client()

@pytest.mark.parametrize("number", range({count}))
def test_a_task_is_delivered(cloud_tasks, client, number):
    queue = cloud_tasks.queue("mail")
    task = tasks.http_task("https://app.example/mail", json={{"number": number}})
    client.create_task(parent=queue, task=task)
    cloud_tasks.run_all()
    cloud_tasks.assert_delivered(json={{"number": number}}, count=1)
"""


def main() -> None:
    """Measure, print, and compare with the bounds."""
    parser = argparse.ArgumentParser(prog="python -m bench.kit")
    parser.add_argument("--tests", type=int, default=1_000, help="number of tests [1000]")
    count = parser.parse_args().tests
    with processes.pinned({min(os.sched_getaffinity(0))}):
        seconds = time_of_tests(count)
        start, reset = time_of_starts_and_resets()
    print(f"{count:,} tests: {seconds:.1f} s, {seconds / count * 1000:.1f} ms each")
    print(f"start: {start:.1f} ms; reset: {reset:.2f} ms")
    if seconds > SECONDS or start > START_MS or reset > RESET_MS:
        sys.exit(f"more than {SECONDS:g} s, {START_MS:g} ms or {RESET_MS:g} ms")


def time_of_tests(count: int) -> float:
    """Return the CPU seconds of a process of pytest with so many tests."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "drayman.testing.plugin"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "test_tasks.py").write_text(TESTS.format(count=count))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def time_of_starts_and_resets() -> tuple[float, float]:
    """Return the least CPU time of a start after the first, and of a reset, in milliseconds."""
    with Server() as server:
        reset = min(itertools.islice(times(server.reset), 200))
    servers: list[Server] = []
    start = min(itertools.islice(times(lambda: servers.append(Server())), 10))
    for each in servers:
        each.close()
    return start, reset


def times(function: Callable[[], object]) -> Iterator[float]:
    """Call a function over and over; yield the milliseconds of CPU time of each call."""
    while True:
        before = time.process_time()
        function()
        yield (time.process_time() - before) * 1000


if __name__ == "__main__":
    main()
