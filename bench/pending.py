"""Lines that measure a server with many tasks that are not due."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench import fills, messages, servers
from bench.errors import Unmeasurable
from bench.processes import wait_until
from bench.pushes import lateness
from bench.runs import Figure, Run
from bench.servers import Server

PAGE = 1_000
PURGE_SECONDS = 60


def beside(run: Run, count: int) -> Iterator[Figure]:
    """Fill one queue; measure a server that starts with it, and another queue beside it.

    A server that forgets its tasks at the end is measured without the second start.
    """
    with tempfile.TemporaryDirectory(prefix="drayman-bench-") as name:
        folder = Path(name)
        with servers.run(run.candidate, folder, "relaxed") as server:
            queue = server.create_queue("idle")
            fills.fill_idle(run.generator, server, queue, count)
            if not run.candidate.keeps_tasks:
                yield from _measure(run, server, queue, count)
                return
        with servers.run(run.candidate, folder, run.durability) as server:
            yield _lower(server.start_seconds, "s", "start-up")
            yield from _measure(run, server, queue, count)


def _measure(run: Run, server: Server, queue: str, count: int) -> Iterator[Figure]:
    yield from lateness(run, server)
    yield _lower(server.usage.resident / 1e6, "MB", "resident memory")
    if count:
        yield _list(server, queue, count)
        yield _purge(server, queue)


def _list(server: Server, queue: str, count: int) -> Figure:
    """Read all pages of a queue."""
    before, start = server.usage.cpu, time.perf_counter()
    listed, token = 0, None
    while token != "":
        page = server.call("ListTasks", parent=queue, page_size=PAGE, page_token=token or "")
        listed, token = listed + len(page.tasks), page.next_page_token
    seconds, cpu = time.perf_counter() - start, server.usage.cpu - before
    if listed < count // messages.BATCH * messages.BATCH:
        raise Unmeasurable(f"ListTasks: {listed:,} of {count:,} tasks")
    return Figure(listed / seconds, "tasks/s", "ListTasks through all", cpu=cpu / listed * 1e6)


def _purge(server: Server, queue: str) -> Figure:
    """Purge a queue and wait until it is empty for callers."""
    start = time.perf_counter()
    server.call("PurgeQueue", name=queue)
    if not wait_until(lambda: not server.call("ListTasks", parent=queue).tasks, PURGE_SECONDS):
        raise Unmeasurable(f"PurgeQueue: tasks are left after {PURGE_SECONDS} s")
    return _lower((time.perf_counter() - start) * 1e3, "ms", "PurgeQueue of all")


def _lower(value: float, unit: str, what: str) -> Figure:
    return Figure(value, unit, what, higher_is_better=False)
