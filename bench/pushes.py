"""Lines that measure pushes to a target which answers 200 at once."""

import dataclasses
import math

from bench import fills, messages
from bench.creates import WARM_UP
from bench.errors import Unmeasurable
from bench.load import Load
from bench.processes import wait_until
from bench.runs import Figure, Run
from bench.servers import Server
from drayman.core.clock import SECOND, Micros

QUEUES = 40
"""Each dispatches 500 tasks a second: together far more than any server."""
SLOWEST = 200
"""Pushes a second below which a measurement ends without a figure."""
RATE = 500
"""Tasks a second whose lateness is measured: the most that a queue dispatches."""
WIDTH = 64


def create_and_push(run: Run) -> list[Figure]:
    """Create tasks that are due at once, until each of them has arrived."""
    with run.server() as server:
        queues = [server.create_queue(f"q{number}") for number in range(QUEUES)]
        bodies = tuple(messages.create_task(queue, run.target.url) for queue in queues)
        path = messages.path("CreateTask")
        job = Load("grpc", server.port, path, bodies, WIDTH, run.sizes.seconds)
        _create_and_wait(run, dataclasses.replace(job, seconds=job.seconds * WARM_UP))
        before = server.usage.cpu
        calls, seconds = _create_and_wait(run, job)
        cpu = (server.usage.cpu - before) / calls * 1e6
        return [Figure(calls / seconds, "tasks/s", cpu=cpu)]


def drain(run: Run) -> list[Figure]:
    """Push a backlog whose tasks all come due at one moment."""
    with run.server() as server:
        queues = [server.create_queue(f"q{number}") for number in range(QUEUES)]
        repeat = math.ceil(run.sizes.backlog / (QUEUES * messages.BATCH))
        each = math.ceil(run.sizes.backlog / (QUEUES * repeat))
        count = each * QUEUES * repeat
        due = messages.clock.now() + _time_to_fill(run, server, count)
        run.target.reset()
        fills.fill(
            run.generator, server, [(q, [(run.target.url, due)] * each) for q in queues], repeat
        )
        if messages.clock.now() > due:
            raise Unmeasurable("the backlog came due before it was complete")
        wait_until(lambda: messages.clock.now() >= due, 60)
        before = server.usage.cpu
        _wait_for(run, count)
        cpu = (server.usage.cpu - before) / count * 1e6
        return [Figure(count * SECOND / (run.target.last - due), "tasks/s", cpu=cpu)]


def lateness(run: Run, server: Server) -> list[Figure]:
    """Measure how late tasks arrive that come due evenly, in one queue."""
    queue, count = server.create_queue("timed"), int(RATE * run.sizes.seconds)
    start = messages.clock.now() + SECOND + count * SECOND // 1_000
    dues = [start + number * SECOND // RATE for number in range(count)]
    tasks = [(run.target.url_due(due), due) for due in dues]
    chunks = [
        (queue, tasks[first : first + messages.BATCH]) for first in range(0, count, messages.BATCH)
    ]
    run.target.reset()
    fills.fill(run.generator, server, chunks)
    if messages.clock.now() > start:
        raise Unmeasurable("tasks came due before all were created")
    before = server.usage.cpu
    _wait_for(run, count, beside=(dues[-1] - start) / SECOND + count / 1_000)
    cpu = (server.usage.cpu - before) / count * 1e6
    late = run.target.lateness()
    return [
        Figure(late[len(late) // 2], "ms", "lateness p50", higher_is_better=False, cpu=cpu),
        Figure(late[int(len(late) * 0.99)], "ms", "lateness p99", higher_is_better=False),
    ]


def _create_and_wait(run: Run, job: Load) -> tuple[int, float]:
    """Return the number of tasks, and the seconds from the first call to the last arrival."""
    run.target.reset()
    result = run.generator.run(job)
    _wait_for(run, result.calls)
    return result.calls, (run.target.last - result.began) / SECOND


def _time_to_fill(run: Run, server: Server, count: int) -> Micros:
    """Return twice the time that creating some tasks takes, measured on a tenth of them."""
    tenth = max(messages.BATCH, count // 10)
    seconds = fills.fill_idle(run.generator, server, server.create_queue("idle"), tenth)
    return SECOND + int(2 * seconds * count / tenth * SECOND)


def _wait_for(run: Run, count: int, beside: float = 0.0) -> None:
    seconds = 30 + count / SLOWEST + beside
    if not run.target.wait_for(count, seconds):
        raise Unmeasurable(f"{run.target.arrived:,} of {count:,} arrived in {seconds:.0f} s")
