"""Drayman beside procrastinate and pgqueuer on the same PostgreSQL; each job is an HTTP POST.

The peers are installed into an environment of their own. What a job's creation costs its caller is
part of the peers' processor time: their library writes to the database itself, while a call of
Drayman costs its server. PostgreSQL's processor time for their enqueueing includes opening the
connections of their pool, so it takes many jobs to be comparable.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import fills, messages, processes
from bench.errors import Unmeasurable
from bench.load import Load
from bench.postgres import lines
from bench.postgres.database import Database
from bench.postgres.lines import Harness
from bench.processes import wait_until
from bench.pushes import QUEUES, SLOWEST, WIDTH
from bench.rounds import Row
from bench.runs import Figure
from bench.servers import Server

DRAYMAN = "Drayman"
PEERS = {
    "procrastinate": Path(__file__).with_name("procrastinate_jobs.py"),
    "pgqueuer": Path(__file__).with_name("pgqueuer_jobs.py"),
}
NAMES = (DRAYMAN, *PEERS)
REQUIREMENTS = ("procrastinate", "pgqueuer", "psycopg[binary,pool]", "asyncpg", "aiohttp")
SHOWN = ("procrastinate", "pgqueuer", "psycopg", "asyncpg", "aiohttp")
"""The packages whose versions are printed."""
SINGLE = "enqueued, 64 calls in flight"
BATCHES = "enqueued in batches of 100, 4 in flight"
DRAINED = "delivered, from a backlog"


def measure(harness: Harness, jobs: int, rounds: int, progress: Callable[[str], None]) -> list[Row]:
    """Measure Drayman and its peers in rounds."""
    with tempfile.TemporaryDirectory(prefix="drayman-bench-") as folder:
        progress("installing the peers")
        python = install(Path(folder))
        print(versions(python), flush=True)
        rows: dict[str, Row] = {}
        for number in range(rounds):
            for name in NAMES:
                progress(f"round {number + 1} of {rounds}, {name}")
                lines.add(rows, name, lambda name=name: _measure(harness, python, name, jobs))
        return list(rows.values())


def install(folder: Path) -> Path:
    """Install the peers into a folder; return their Python."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", *REQUIREMENTS], check=True)
    return python


def versions(python: Path) -> str:
    """Return the versions of the peers and of what they run on."""
    program = (
        "import importlib.metadata, sys;"
        "print(*(f'{name} {importlib.metadata.version(name)}' for name in sys.argv[1:]), sep=', ')"
    )
    command = [python, "-c", program, *SHOWN]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _measure(harness: Harness, python: Path, name: str, jobs: int) -> Iterator[Figure]:
    if name == DRAYMAN:
        with lines.run(harness, lines.ONE) as (server,):
            yield from _drayman(harness, server, jobs)
    else:
        yield from _Peer(harness, python, name).measure(jobs)


def _drayman(harness: Harness, server: Server, jobs: int) -> Iterator[Figure]:
    queues = [server.create_queue(f"q{number}") for number in range(QUEUES)]
    for queue in queues:
        server.call("PauseQueue", name=queue)
    singles = tuple(messages.create_task(queue, harness.target.url) for queue in queues)
    path = messages.path("CreateTask")
    job = Load("grpc", server.port, path, singles, WIDTH, fills.SECONDS, jobs)
    harness.generators[0].run(Load("grpc", server.port, path, singles, WIDTH, fills.SECONDS, 64))
    used, cpu = harness.database.usage, server.usage.cpu
    result = harness.generators[0].run(job)
    yield Figure(jobs / result.seconds, "jobs/s", SINGLE, cpu=_each(server.usage.cpu - cpu, jobs))
    yield from lines.costs(SINGLE, harness.database.usage.since(used), jobs)
    chunk = [(harness.target.url, None)] * messages.BATCH
    chunks = [(queue, chunk) for queue in queues]
    repeat = -(-jobs // (messages.BATCH * QUEUES))
    count, used, cpu = repeat * messages.BATCH * QUEUES, harness.database.usage, server.usage.cpu
    seconds = fills.fill(harness.generators[0], server, chunks, repeat)
    yield Figure(count / seconds, "jobs/s", BATCHES, cpu=_each(server.usage.cpu - cpu, count))
    yield from lines.costs(BATCHES, harness.database.usage.since(used), count)

    def resume() -> int:
        for queue in queues:
            server.call("ResumeQueue", name=queue)
        return server.process.pid

    yield from _drain(harness, resume, 64 + jobs + count)


class _Peer:
    """A peer in a database of its own."""

    def __init__(self, harness: Harness, python: Path, name: str) -> None:
        self._harness = harness
        self._command = [python, PEERS[name]]
        self._name = name

    def measure(self, jobs: int) -> Iterator[Figure]:
        """Enqueue jobs by single calls and in batches, then deliver them all."""
        with _database(self._harness.database, self._name) as parameters:
            self._parameters = parameters
            self._run("install", 0)
            yield from self._enqueue(SINGLE, "enqueue", jobs)
            yield from self._enqueue(BATCHES, "batch", jobs)
            with contextlib.ExitStack() as stack:
                yield from _drain(
                    self._harness, lambda: stack.enter_context(self._worker()), 2 * jobs + 1_010
                )

    def _enqueue(self, what: str, command: str, jobs: int) -> Iterator[Figure]:
        used = self._harness.database.usage
        result = json.loads(self._run(command, jobs))
        yield Figure(jobs / result["seconds"], "jobs/s", what, cpu=_each(result["cpu"], jobs))
        used = self._harness.database.usage.since(used)
        yield from lines.costs(what, used, jobs + result["before"])

    def _run(self, command: str, jobs: int) -> str:
        return subprocess.run(
            self._arguments(command, jobs), check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def _arguments(self, command: str, jobs: int) -> list[str | Path]:
        return [*self._command, self._parameters, command, self._harness.target.url, str(jobs)]

    @contextlib.contextmanager
    def _worker(self) -> Iterator[int]:
        process = subprocess.Popen(self._arguments("work", 0), stderr=subprocess.DEVNULL)
        try:
            yield process.pid
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _database(database: Database, name: str) -> Iterator[str]:
    """Create an empty database; drop it when the block ends."""
    with database.connection() as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield database.parameters.replace("///postgres", f"///{name}")
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _drain(harness: Harness, begin: Callable[[], int], count: int) -> Iterator[Figure]:
    """Deliver a backlog, from the first tenth that has arrived to the last job."""
    harness.target.reset()
    process, tenth = begin(), count // 10
    if not wait_until(lambda: harness.target.arrived >= tenth, 60 + tenth / SLOWEST):
        raise Unmeasurable(f"{harness.target.arrived:,} of {count:,} jobs were delivered")
    began, first = time.perf_counter(), harness.target.arrived
    cpu, used = processes.usage(process).cpu, harness.database.usage
    left = count - first
    if not harness.target.wait_for(count, 60 + left / SLOWEST):
        raise Unmeasurable(f"{harness.target.arrived:,} of {count:,} jobs were delivered")
    seconds = time.perf_counter() - began
    cpu = processes.usage(process).cpu - cpu
    yield Figure(left / seconds, "jobs/s", DRAINED, cpu=_each(cpu, left))
    yield from lines.costs(DRAINED, harness.database.usage.since(used), left)


def _each(cpu: float, jobs: int) -> float:
    return cpu / jobs * 1e6
