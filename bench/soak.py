"""Lateness of a queue while others fail: first alone, then beside failing queues.

    python bench/soak.py [SECONDS]

Six queues have tasks that are due at random times, at a fixed rate. The targets of one, the good
queue, respond at once. Those of the others take two seconds; flap (503 for five seconds, then 200
for five); refuse connections; accept connections and never respond; have host names that do not
resolve, each task another. The good queue's target has a host name, too.

In the third part the good queue runs beside twenty queues whose targets never respond: ten thousand
connections that hang.

Lateness is the time from the due time of a first attempt to its arrival at the target. It matters
for the good queue only: the others are late because of their targets. The exit status is 1 when the
good queue's p99 in the second part is more than twice its value alone and more than 10 ms.
"""

import asyncio
import collections
import contextlib
import gc
import multiprocessing
import os
import random
import resource
import sys
import tempfile
from pathlib import Path

import uvloop

from drayman.core.clock import MILLISECOND, SECOND, SystemClock
from drayman.core.limits import Limits
from drayman.core.queue import Queue, RateLimits, RetryConfig, creation
from drayman.core.task import NewTask
from drayman.process import widen_file_table
from drayman.store.sqlite.database import open_store
from drayman.tasks_v2 import types
from drayman.wire import tasks
from server import LOCATION, cpu_seconds, pin, resident, serve

RATES = {"good": 100, "slow": 50, "flapping": 100, "dead": 100, "hanging": 200, "nameless": 100}
CROWD = 20
LEAD = 10 * SECOND
TIMES, NOISE = 2.0, 10.0
"""The bounds of the good queue's p99 in the second part: a multiple of its value alone, and ms."""
LATE = {name: multiprocessing.Array("d", 1_000_000) for name in RATES}
COUNT = {name: multiprocessing.Value("q", 0) for name in RATES}


def main() -> None:
    """Run alone, then mixed, and compare."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    print(
        f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {sys.platform}, {seconds} s each"
    )
    alone = measure(["good"], seconds)["good"]
    mixed = measure(list(RATES), seconds)["good"]
    print(f"p99 of the good queue: {mixed / alone:.2f} times its value alone")
    crowd = measure(["good", *(f"hanging-{number}" for number in range(CROWD))], seconds)["good"]
    print(f"p99 of the good queue: {crowd / alone:.2f} times its value alone")
    if mixed > max(TIMES * alone, NOISE):
        sys.exit("the good queue is held up by others")


def measure(names: list[str], seconds: int) -> dict[str, float]:
    """Serve some queues together; return the p99 lateness of each, in ms."""
    for name in names:
        COUNT[kind(name)].value = 0
    with tempfile.TemporaryDirectory(prefix="drayman-soak-") as folder, target() as port:
        path = Path(folder) / "soak.db"
        expected = asyncio.run(fill(path, names, port, seconds))
        with serve(path, "--max-in-flight", "12000") as (_, pid):
            asyncio.run(wait(seconds, expected["good"]))
            used, memory = cpu_seconds(pid), resident(pid)
    p99 = {}
    for name in dict.fromkeys(map(kind, names)):
        late = sorted(LATE[name][: COUNT[name].value])
        if late:
            p99[name] = late[int(len(late) * 0.99)]
            print(f"  {name:9} {len(late):6} of {expected.get(name, 0):6} arrived, late "
                  f"{late[len(late) // 2]:8.1f} ms p50, {p99[name]:8.1f} ms p99")  # fmt: skip
        else:
            print(f"  {name:9}        of {expected.get(name, 0):6}: nothing arrives there")
    print(f"  the server used {used:.1f} s of its core and {memory:.0f} MB")
    return p99


def kind(name: str) -> str:
    """Return what kind of target a queue has."""
    return name.partition("-")[0]


def host(name: str, number: int) -> str:
    """Return the host of a queue's task."""
    if name == "nameless":
        return f"h{number}.{number % 50}.invalid"
    return "localhost" if name == "good" else "127.0.0.1"


async def wait(seconds: int, expected: int) -> None:
    """Wait until all tasks of the good queue have arrived or are long overdue."""
    clock = SystemClock()
    end = clock.now() + LEAD + (seconds + 30) * SECOND
    while COUNT["good"].value < expected and clock.now() < end:
        await clock.wait(asyncio.Event(), clock.now() + SECOND // 10)


async def fill(path: Path, names: list[str], port: int, seconds: int) -> dict[str, int]:
    """Create the tasks of some seconds in a store that no server has open."""
    clock = SystemClock()
    store = await open_store(str(path), Limits(), clock.now(), safe=False)
    start, expected = clock.now() + LEAD, {}
    for name in names:
        queue = f"{LOCATION}/queues/{name}"
        retry = RetryConfig(max_backoff=10 * SECOND)
        created = Queue(queue, rate_limits=RateLimits(), retry_config=retry)
        await store.update_queue(queue, creation(created), clock.now())
        rate = RATES.get(name, 10_000 // CROWD // (seconds // 2))
        new, moments = [], random.Random(name)
        for number in range(rate * seconds):
            url = f"http://{host(name, number)}:{1 if name == 'dead' else port}/{name}"
            message = types.Task.pb()(http_request={"url": url, "body": b"x" * 200})
            request = tasks.parse(queue, message, clock.now(), Limits().task).request
            new.append(NewTask(None, start + moments.randrange(seconds * SECOND), request))
        for first in range(0, len(new), 1_000):
            await store.create_tasks(queue, new[first : first + 1_000], clock.now())
        expected[kind(name)] = expected.get(kind(name), 0) + len(new)
    await store.close()
    return expected


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Respond to the requests of a connection as the kind of target does."""
    clock = SystemClock()
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            await reader.readexactly(int(fields["Content-Length"]))
            name, now = kind(head.split(" ")[1].removeprefix("/")), clock.now()
            if fields["X-CloudTasks-TaskRetryCount"] == "0":
                late = now - float(fields["X-CloudTasks-TaskETA"]) * SECOND
                LATE[name][COUNT[name].value] = late / MILLISECOND
                COUNT[name].value += 1
            status = 200
            if name == "slow":
                await clock.wait(asyncio.Event(), now + 2 * SECOND)
            elif name == "hanging":
                await asyncio.Event().wait()
            elif name == "flapping" and now // (5 * SECOND) % 2:
                status = 503
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
    writer.close()


def run_target(port: "multiprocessing.Queue[int]") -> None:
    """Run all targets in a process of its own."""
    pin(1)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Garbage collections of the target would count as lateness of the server.
    widen_file_table(most)
    gc.disable()

    async def run() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=2048)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(run())


@contextlib.contextmanager
def target() -> collections.abc.Iterator[int]:
    """Yield the port of the targets."""
    port: multiprocessing.Queue[int] = multiprocessing.Queue()
    process = multiprocessing.Process(target=run_target, args=(port,), daemon=True)
    process.start()
    try:
        yield port.get(timeout=30)
    finally:
        process.terminate()
        process.join()


if __name__ == "__main__":
    main()
