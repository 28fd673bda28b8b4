"""Lateness of each queue while others fail: the good queue alone, then among bad neighbours.

    python -m bench.soak [SECONDS]

Six queues with tasks that come due at random moments, so many a second: one whose target answers
at once, one whose target takes two seconds, one that flaps (half of its answers are 503, in turns
of five seconds), one whose target refuses connections, one whose target accepts them and never
answers, and one whose targets' names do not resolve, each a name of its own. The good queue's
target has a name, too.

In a third part the good queue stands among twenty queues whose targets never answer: ten thousand
connections that hang.

Lateness is the time from a first attempt's due time to its arrival at the target; what a target
asks for by pushing back, or by taking all of a queue's slots, is not the server's. It ends with
status 1 when the good queue's p99 in the second part is more than twice its value alone and more
than 10 ms: less is the machine's noise.
"""

import dataclasses
import datetime
import os
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import fills, generator, messages, processes, servers, soak_target
from bench.soak_target import RATES, kind_of
from drayman.core.clock import SECOND, Micros

CROWD = 20
CROWD_CONNECTIONS = 10_000
LEAD = 15 * SECOND
"""How long before their first due time the tasks are created."""
TIMES, NOISE = 2.0, 10.0
"""The bound of the good queue's p99 in the second part: times its value alone, and ms."""
SERVER = dataclasses.replace(
    servers.DRAYMAN, command=f"{servers.DRAYMAN.command} --max-in-flight 12000"
)
DEAD_PORT = 1


def main() -> None:
    """Run alone, then mixed, then in a crowd, and compare."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {seconds} s each")
    with processes.pinned(processes.LOAD_CORES), generator.start() as load:
        alone = measure(load, ["good"], seconds)
        mixed = measure(load, list(RATES), seconds)
        print(f"p99 of the good queue: {mixed / alone:.2f} times its value alone")
        hanging = [f"hanging-{number}" for number in range(CROWD)]
        crowd = measure(load, ["good", *hanging], seconds)
        print(f"p99 of the good queue: {crowd / alone:.2f} times its value alone")
    if mixed > max(TIMES * alone, NOISE):
        sys.exit("the good queue is held up by others")


def measure(load: generator.Generator, queue_ids: Sequence[str], seconds: int) -> float:
    """Serve some queues together; return the p99 lateness of the good one, in ms."""
    with (
        tempfile.TemporaryDirectory(prefix="drayman-soak-") as folder,
        soak_target.start() as (port, arrivals),
        servers.run(SERVER, Path(folder)) as server,
    ):
        expected = create(load, server, queue_ids, port, seconds)
        processes.wait_until(
            lambda: arrivals.count("good") >= expected["good"], LEAD / SECOND + seconds + 30
        )
        usage = server.usage
    for kind, count in expected.items():
        print(f"  {kind:9} {describe(arrivals.lateness(kind), count)}")
    print(f"  the server used {usage.cpu:.1f} s of its core and {usage.resident / 1e6:.0f} MB")
    return percentile(arrivals.lateness("good"), 99)


def describe(late: Sequence[float], expected: int) -> str:
    """Return one line on the arrivals at a kind of target."""
    if not late:
        return f"       of {expected:6}: nothing arrives there"
    p50, p99 = percentile(late, 50), percentile(late, 99)
    return f"{len(late):6} of {expected:6} arrived, late {p50:8.1f} ms p50, {p99:8.1f} ms p99"


def percentile(values: Sequence[float], percent: int) -> float:
    """Return a percentile of values in ascending order."""
    return values[len(values) * percent // 100]


def create(
    load: generator.Generator,
    server: servers.Server,
    queue_ids: Sequence[str],
    port: int,
    seconds: int,
) -> dict[str, int]:
    """Create queues and tasks; return the number of tasks for each kind of target."""
    start, chunks, expected = messages.clock.now() + LEAD, [], dict.fromkeys(RATES, 0)
    for queue_id in queue_ids:
        retry = {"max_backoff": datetime.timedelta(seconds=10)}
        queue = server.create_queue(queue_id, retry_config=retry)
        rate = RATES.get(queue_id, CROWD_CONNECTIONS // CROWD // (seconds // 2))
        tasks = random_tasks(queue_id, rate * seconds, port, start, seconds)
        expected[kind_of(queue_id)] += len(tasks)
        chunks += [(queue, tasks[i : i + messages.BATCH]) for i in range(0, len(tasks), 100)]
    fills.fill(load, server, chunks)
    return {kind: count for kind, count in expected.items() if count}


def random_tasks(
    queue_id: str, count: int, port: int, start: Micros, seconds: int
) -> list[tuple[str, Micros]]:
    """Return URLs and due times; the same for a queue in each run."""
    moments = random.Random(queue_id)
    port = DEAD_PORT if queue_id == "dead" else port
    return [
        (
            f"http://{soak_target.host(queue_id, number)}:{port}/{queue_id}",
            start + moments.randrange(seconds * SECOND),
        )
        for number in range(count)
    ]


if __name__ == "__main__":
    main()
