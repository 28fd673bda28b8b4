"""Throughput and memory of one server: creations, deliveries, a million pending tasks.

    python bench/server.py [creates] [pushes] [memory]

The server runs in a process of its own, with fsync. Where the system allows it, the server is bound
to one core and the load to the others. All traffic is on the loopback interface, and each part ends
by itself. Figures of a shared machine vary: compare ratios within one run.
"""

import asyncio
import contextlib
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import grpc.aio
import uvloop

from drayman.core.clock import DAY, SystemClock
from drayman.core.limits import Limits
from drayman.core.queue import Queue, State, creation
from drayman.core.task import NewTask
from drayman.store.sqlite.database import open_store
from drayman.tasks_v2 import rpcs, types
from drayman.wire import tasks

LOCATION = "projects/bench/locations/here"
IN_FLIGHT = 64
SECONDS = 5
ROUNDS = 3
BACKLOG = 100_000
QUEUES = 40  # of 500/s each: more than the server can dispatch, so that the server is the limit
PENDING = 1_000_000
BODY = b"x" * 200


def main() -> None:
    """Run the parts named on the command line, all by default."""
    parts = sys.argv[1:] or ["creates", "pushes", "memory"]
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {sys.platform}")
    for part in parts:
        with tempfile.TemporaryDirectory(prefix="drayman-bench-") as folder:
            globals()[f"measure_{part}"](Path(folder) / "bench.db")


def measure_creates(path: Path) -> None:
    """CreateTask over gRPC, many calls in flight, each on disk before its reply."""
    rates = []
    for number in range(ROUNDS):
        with serve(path.with_suffix(f".{number}"), "--queue", queue_name(0)) as (address, pid):
            cpu = cpu_seconds(pid)
            count = uvloop.run(create_for(address, SECONDS))
            rates.append((count / SECONDS, (cpu_seconds(pid) - cpu) / count))
    rate = statistics.median(rate for rate, _ in rates)
    cost = statistics.median(cost for _, cost in rates)
    print(f"creates: {rate:,.0f}/s with {IN_FLIGHT} calls in flight; "
          f"{cost * 1e6:,.0f} us of the server's CPU time each")  # fmt: skip


def measure_pushes(path: Path) -> None:
    """A backlog, delivered to a target that responds with 200 at once."""
    with target() as (url, count):
        asyncio.run(fill(path, BACKLOG, QUEUES, url, paused=False))
        began = time.perf_counter()  # the clock of a stopwatch
        with serve(path) as (_, pid):
            while count.value < BACKLOG:
                time.sleep(0.05)  # noqa: TID251 - a benchmark, not a test
                if time.perf_counter() - began > 300:
                    raise SystemExit("the backlog was not delivered in 300 s")
            elapsed = time.perf_counter() - began
            cpu = cpu_seconds(pid)
    print(f"pushes: {BACKLOG / elapsed:,.0f}/s from a backlog of {BACKLOG:,} in {QUEUES} queues, "
          f"with its start; {cpu / BACKLOG * 1e6:,.0f} us of the server's CPU each")  # fmt: skip


def measure_memory(path: Path) -> None:
    """Resident memory with a million pending tasks, after some traffic."""
    with serve(path.with_suffix(".empty"), "--queue", queue_name(0)) as (address, pid):
        uvloop.run(create_for(address, 2))
        empty = resident(pid)
    began = time.perf_counter()
    asyncio.run(fill(path, PENDING, 1, "http://127.0.0.1:9", paused=True))
    filled = time.perf_counter() - began
    with serve(path) as (address, pid):
        uvloop.run(create_for(address, 2))
        full = resident(pid)
    size = path.stat().st_size / 1e6
    print(f"memory: {full:,.0f} MB resident with {PENDING:,} pending tasks, {empty:,.0f} MB with "
          f"few; {size:,.0f} MB on disk; filled in {filled:,.0f} s")  # fmt: skip


def queue_name(number: int) -> str:
    """Return the name of a queue."""
    return f"{LOCATION}/queues/q{number}"


async def fill(path: Path, total: int, queues: int, url: str, *, paused: bool) -> None:
    """Create tasks in a store that no server has open."""
    clock = SystemClock()
    store = await open_store(str(path), Limits(), clock.now(), safe=False)
    state = State.PAUSED if paused else State.RUNNING
    for number in range(queues):
        queue = Queue(queue_name(number), state=state)
        await store.update_queue(queue.name, creation(queue), clock.now())
    message = types.Task.pb()(http_request={"url": url, "http_method": 1, "body": BODY})
    request = tasks.parse(queue_name(0), message, clock.now(), Limits().task).request
    due = clock.now() + (DAY if paused else 0)
    for start in range(0, total, 1_000):
        batch = [NewTask(None, due, request)] * 1_000
        await store.create_tasks(queue_name(start // 1_000 % queues), batch, clock.now())
    await store.close()


async def create_for(address: str, seconds: float) -> int:
    """Create tasks with a bare stub, due tomorrow, and return how many."""
    rpc = rpcs.BY_NAME["CreateTask"]
    message = types.CreateTaskRequest.pb()(parent=queue_name(0))
    message.task.http_request.url = "http://127.0.0.1:9/"
    message.task.http_request.body = BODY
    message.task.schedule_time.seconds = int((SystemClock().now() + DAY) / 1e6)
    body = message.SerializeToString()
    end = time.perf_counter() + seconds
    count = 0

    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(rpc.full_name)

        async def one_after_another() -> None:
            nonlocal count
            while time.perf_counter() < end:
                await call(body)
                count += 1

        await asyncio.gather(*(one_after_another() for _ in range(IN_FLIGHT)))
    return count


class Trivial(asyncio.Protocol):
    """An HTTP target that only responds and counts."""

    count = multiprocessing.Value("q", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Respond to each complete request; each ends with the body."""
        for _ in range(data.count(BODY)):
            self.count.value += 1
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")  # type: ignore[attr-defined]


def run_target(port: "multiprocessing.Queue[int]") -> None:
    """Run the target in a process of its own."""
    pin(1)

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Trivial, "127.0.0.1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(run())


@contextlib.contextmanager
def target() -> Iterator[tuple[str, object]]:
    """Yield the target's URL and its counter."""
    port: multiprocessing.Queue[int] = multiprocessing.Queue()
    process = multiprocessing.Process(target=run_target, args=(port,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{port.get(timeout=30)}/", Trivial.count
    finally:
        process.terminate()
        process.join()


@contextlib.contextmanager
def serve(path: Path, *arguments: str) -> Iterator[tuple[str, int]]:
    """Run a server on the first core; yield its address and process id."""
    command = [sys.executable, "-m", "drayman", "serve", "--port", "0", "--http-port", "0",
               "--store", f"sqlite:{path}", "--log-level", "warning", *arguments]  # fmt: skip
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: pin(0),  # noqa: PLW1509 - it only sets the core
    ) as process:
        pin(1)
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield line.split("grpc=")[1].split()[0], process.pid
        finally:
            process.terminate()
            process.wait()


def pin(core: int) -> None:
    """Bind this process to a core (0) or to all the others (1), where the system can."""
    if hasattr(os, "sched_setaffinity"):
        cores = range(os.cpu_count() or 1)
        os.sched_setaffinity(0, {0} if core == 0 else set(cores[1:]) or {0})


def resident(pid: int) -> float:
    """Return a process's resident memory in MB."""
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=True)
    return int(shown.stdout) / 1024


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process has used, in seconds."""
    shown = subprocess.run(
        ["ps", "-o", "cputime=", "-p", str(pid)], capture_output=True, check=True, text=True
    )
    days, _, clock = shown.stdout.strip().rpartition("-")
    seconds = 0.0
    for part in clock.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds + int(days or 0) * 86_400


if __name__ == "__main__":
    main()
