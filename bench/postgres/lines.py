"""Creating and pushing with one and with two servers on PostgreSQL, and with SQLite beside them."""

import contextlib
import dataclasses
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench import load, messages, processes, servers
from bench.creates import BATCHES_IN_FLIGHT, WARM_UP
from bench.errors import Unmeasurable
from bench.generator import Generator
from bench.postgres.database import Database, Usage
from bench.pushes import QUEUES, SLOWEST, WIDTH
from bench.rounds import Row
from bench.runs import Figure
from bench.servers import Candidate, Server
from bench.target import Target
from drayman.core.clock import SECOND

ONE, TWO, SQLITE = "one server", "two servers", "SQLite"
NAMES = (ONE, TWO, SQLITE)
_numbers = itertools.count(1)


@dataclasses.dataclass(frozen=True, slots=True)
class Harness:
    """What all measurements share.

    Attributes:
        generators: As many load generators as there are servers at most.
        seconds: How long a load lasts.
    """

    database: Database
    generators: Sequence[Generator]
    target: Target
    seconds: float


def candidate(url: str) -> Candidate:
    """Return the server on a store on PostgreSQL."""
    return Candidate("drayman", servers.DRAYMAN.command.replace("sqlite:{folder}/drayman.db", url))


@contextlib.contextmanager
def run(harness: Harness, name: str) -> Iterator[list[Server]]:
    """Run the servers of a name on an empty store."""
    schema = f"bench_{next(_numbers)}"
    started = servers.DRAYMAN if name == SQLITE else candidate(harness.database.url(schema))
    with contextlib.ExitStack() as stack:
        stack.callback(harness.database.drop, schema)
        yield [run_one(stack, started) for _ in range(2 if name == TWO else 1)]


def run_one(stack: contextlib.ExitStack, started: Candidate) -> Server:
    """Run a server, on any core, until the stack is closed."""
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="drayman-bench-"))
    cores = set(processes.CORES)
    return stack.enter_context(servers.run(started, Path(folder), cores=cores))


def measure(harness: Harness, rounds: int, progress: Callable[[str], None]) -> list[Row]:
    """Measure all lines in rounds, in each of which each name has its turn."""
    rows: dict[str, Row] = {}
    for number in range(rounds):
        for name in NAMES:
            progress(f"round {number + 1} of {rounds}, {name}")
            with run(harness, name) as running:
                for line in (create, batch, push):
                    add(rows, name, lambda line=line: line(harness, running))
    return list(rows.values())


def add(rows: dict[str, Row], name: str, line: Callable[[], Iterable[Figure]]) -> None:
    """Add the figures of a line to a name's samples; print why there are none."""
    try:
        for figure in line():
            row = rows.setdefault(figure.what, Row(figure.what))
            row.samples.setdefault(name, []).append(figure)
    except Unmeasurable as error:
        print(f"not measured, {name}: {error}", flush=True)


def create(harness: Harness, running: Sequence[Server]) -> list[Figure]:
    """Create tasks that are due tomorrow, by single calls."""
    queue, due = running[0].create_queue("q"), messages.tomorrow()
    body = messages.create_task(queue, messages.IDLE_URL, due)
    job = _job("CreateTask", (body,), WIDTH, harness.seconds)
    return _measure(harness, running, "CreateTask, 64 in flight", job, 1)


def batch(harness: Harness, running: Sequence[Server]) -> list[Figure]:
    """Create tasks that are due tomorrow, a hundred by each call."""
    queue, due = running[0].create_queue("q"), messages.tomorrow()
    body = messages.create_tasks(queue, [(messages.IDLE_URL, due)] * messages.BATCH)
    job = _job("BatchCreateTasks", (body,), BATCHES_IN_FLIGHT, harness.seconds)
    what = "BatchCreateTasks of 100, 4 in flight, a task"
    return _measure(harness, running, what, job, messages.BATCH)


def push(harness: Harness, running: Sequence[Server]) -> list[Figure]:
    """Create tasks that are due at once, until each of them has arrived."""
    queues = [running[0].create_queue(f"q{number}") for number in range(QUEUES)]
    what = f"create and push, {QUEUES} queues, 64 in flight"
    return push_to(harness, running, what, queues)


def push_to(
    harness: Harness, running: Sequence[Server], what: str, queues: Sequence[str]
) -> list[Figure]:
    """Create tasks of some queues that are due at once, until each of them has arrived."""
    bodies = tuple(messages.create_task(queue, harness.target.url) for queue in queues)
    job = _job("CreateTask", bodies, WIDTH, harness.seconds)
    return _measure(harness, running, what, job, 1, arrivals=True)


def _job(method: str, bodies: tuple[bytes, ...], width: int, seconds: float) -> load.Load:
    return load.Load("grpc", 0, messages.path(method), bodies, width, seconds)


def _measure(
    harness: Harness,
    running: Sequence[Server],
    what: str,
    job: load.Load,
    per_call: int,
    *,
    arrivals: bool = False,
) -> list[Figure]:
    """Return tasks a second, and what a task costs."""
    warm_up = dataclasses.replace(job, seconds=job.seconds * WARM_UP)
    _send(harness, running, warm_up, arrivals=arrivals)
    cpu, used = _cpu(running), harness.database.usage
    calls, seconds = _send(harness, running, job, arrivals=arrivals)
    tasks = calls * per_call
    figures = [Figure(tasks / seconds, "tasks/s", what, cpu=(_cpu(running) - cpu) / tasks * 1e6)]
    if "postgresql:" in running[0].candidate.command:
        figures += costs(what, harness.database.usage.since(used), tasks)
    return figures


def costs(what: str, used: Usage, tasks: int) -> list[Figure]:
    """Return what a task costs PostgreSQL."""
    return [
        Figure(used.cpu / tasks * 1e6, "µs", f"{what}: PostgreSQL's CPU", higher_is_better=False),
        Figure(used.wal / tasks, "bytes", f"{what}: WAL", higher_is_better=False),
        Figure(used.commits / tasks, "", f"{what}: transactions", higher_is_better=False),
    ]


def _send(
    harness: Harness, running: Sequence[Server], job: load.Load, *, arrivals: bool
) -> tuple[int, float]:
    """Divide a load among servers; return the calls, and the seconds to the last answer.

    With ``arrivals``, to the last arrival at the target.
    """
    harness.target.reset()
    width = job.width // len(running)
    jobs = [dataclasses.replace(job, port=each.port, width=width) for each in running]
    with ThreadPoolExecutor(len(jobs)) as threads:
        pairs = zip(harness.generators, jobs, strict=False)
        results = list(threads.map(lambda pair: pair[0].run(pair[1]), pairs))
    calls, began = sum(each.calls for each in results), min(each.began for each in results)
    if not arrivals:
        return calls, max(each.began + each.seconds * SECOND - began for each in results) / SECOND
    if not harness.target.wait_for(calls, 30 + calls / SLOWEST):
        raise Unmeasurable(f"{harness.target.arrived:,} of {calls:,} arrived")
    return calls, (harness.target.last - began) / SECOND


def _cpu(running: Sequence[Server]) -> float:
    return sum(each.usage.cpu for each in running)
