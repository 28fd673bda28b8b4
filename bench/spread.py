"""A thousand queues that each dispatch 500 tasks a second: where are the limits, and how to spread?

    python -m bench.spread [--queues 1000] [--rate 500] ...

It measures nothing. Processor time and WAL of a task are arguments, by default those that
``make bench-postgres`` measured on a small machine. What a row, a group and a database can do are
assumptions. So the tables say how limits relate, not how fast a given machine is.

Three tables:

1. What one database would have to do for all queues together: processor cores, write-ahead log,
   pages to vacuum; and at which rate each of these is used up to plan.
2. A simulation of a writer of a server, which commits in groups: what waits while a group runs
   becomes the next one. What a task adds to a group bounds the rate of a writer. The number of
   transactions grows with the number of servers, not with that of tasks.
3. A simulation of queues over databases: the load of the fullest database relative to the mean,
   with queues of equal and of unequal rates, assigned by a hash of the name or by load.
"""

import argparse
import dataclasses
import hashlib
import heapq
import math
import random
from collections.abc import Iterable, Sequence

PAGE = 8_192
"""Bytes of a page of PostgreSQL."""
ROW_VERSIONS = 4
"""Dead row versions of a task: as created, as claimed, its claim, and its part of a queue's row."""
HEADROOM = 0.6
"""The part of a resource that a plan uses."""
SEED = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Costs:
    """What a created and pushed task costs.

    Attributes:
        database: Processor time of PostgreSQL, in µs.
        server: Processor time of a server, in µs.
        wal: Bytes of the write-ahead log.
        row: Bytes of a row version with its index entries.
        group: What a group of a writer costs whatever its size, in µs: round trips and the flush.
        grouped: What a task adds to a group, in µs.
    """

    database: float
    server: float
    wal: float
    row: float
    group: float
    grouped: float


@dataclasses.dataclass(frozen=True, slots=True)
class Machine:
    """What one database has.

    Attributes:
        cores: Cores of PostgreSQL.
        wal: Bytes a second of the write-ahead log, to its disk and to each standby.
        vacuum: Pages a second that vacuum reads and cleans.
    """

    cores: int
    wal: float
    vacuum: float


def demand(rate: float, costs: Costs) -> dict[str, float]:
    """Return what a database must do for so many tasks a second."""
    dead = rate * ROW_VERSIONS
    return {
        "cores of PostgreSQL": rate * costs.database / 1e6,
        "write-ahead log, MB/s": rate * costs.wal / 1e6,
        "pages to vacuum a second": dead * costs.row / PAGE,
        "cores of servers": rate * costs.server / 1e6,
    }


def limits(costs: Costs, machine: Machine) -> dict[str, float]:
    """Return the tasks a second at which each resource of one database is used up to plan."""
    return {
        "cores of PostgreSQL": HEADROOM * machine.cores / costs.database * 1e6,
        "write-ahead log": HEADROOM * machine.wal / costs.wal,
        "vacuum": HEADROOM * machine.vacuum * PAGE / (ROW_VERSIONS * costs.row),
    }


@dataclasses.dataclass(frozen=True, slots=True)
class Groups:
    """What the writers of a server did.

    Attributes:
        size: Tasks of a group, on average.
        busy: The part of the time in which the writer worked.
        wait: Milliseconds from the arrival of a task to the end of its group: the median.
    """

    size: float
    busy: float
    wait: float


def group_commit(rate: float, costs: Costs, tasks: int = 20_000) -> Groups:
    """Simulate one writer: tasks arrive at random, and those that wait become the next group."""
    draw = random.Random(SEED)
    arrivals = []
    now = 0.0
    for _ in range(tasks):
        now += draw.expovariate(rate)
        arrivals.append(now)
    now = busy = 0.0
    first, groups, waits = 0, 0, []
    while first < tasks:
        now = max(now, arrivals[first])
        last = first
        while last < tasks and arrivals[last] <= now:
            last += 1
        took = (costs.group + costs.grouped * (last - first)) / 1e6
        now, busy, groups = now + took, busy + took, groups + 1
        waits += [now - arrival for arrival in arrivals[first:last]]
        first = last
    return Groups(tasks / groups, busy / now, sorted(waits)[tasks // 2] * 1e3)


def equal_rates(queues: int, total: float) -> list[float]:
    """Return the rates of queues that are all alike."""
    return [total / queues] * queues


def unequal_rates(queues: int, total: float) -> list[float]:
    """Return rates of which a tenth is the highest, and the others fall with their number."""
    weights = [min(1, queues / 10 / number) for number in range(1, queues + 1)]
    return [total * weight / sum(weights) for weight in weights]


def by_hash(rates: Sequence[float], databases: int) -> list[float]:
    """Return the load of databases when the highest of the hashes with a queue's name chooses."""
    loads = [0.0] * databases
    for number, rate in enumerate(rates):
        hashes = [_hash(f"queue-{number}/{database}") for database in range(databases)]
        loads[hashes.index(max(hashes))] += rate
    return loads


def by_load(rates: Sequence[float], databases: int) -> list[float]:
    """Return the load of databases when each queue, largest first, goes to the emptiest one."""
    loads = [0.0] * databases
    for rate in sorted(rates, reverse=True):
        heapq.heapreplace(loads, loads[0] + rate)
    return loads


def skew(loads: Sequence[float]) -> float:
    """Return the load of the fullest database relative to the mean."""
    return max(loads) * len(loads) / sum(loads)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def main() -> None:
    """Print the tables."""
    options = read_options()
    total = options.queues * options.rate
    costs = Costs(
        options.database, options.server, options.wal, options.row, options.group, options.grouped
    )
    machine = Machine(options.cores, options.wal_rate * 1e6, options.vacuum)
    print(f"{options.queues:,} queues at {options.rate:g}/s: {total:,.0f} tasks/s\n")
    print(table(("one database would need", ""), demand(total, costs).items()))
    bounds = limits(costs, machine)
    print(table(("limit of one database", "tasks/s"), sorted(bounds.items(), key=lambda b: b[1])))
    rates = [1_000, 2_000, 4_000, 8_000, 16_000]
    head = ("tasks/s of a writer", "tasks a group", "busy", "ms", "servers for a database")
    print(table(head, _groups(rates, costs, min(bounds.values()))))
    least = math.ceil(total / min(bounds.values()))
    counts = [least, math.ceil(least * 1.5), least * 2]
    head = ("databases", "queues", "hash", "load", "unequal, hash", "unequal, load")
    print(table(head, _spreads(counts, options.queues, total)))


def _groups(rates: Iterable[float], costs: Costs, limit: float) -> Iterable[tuple[float, ...]]:
    for rate in rates:
        groups = group_commit(rate, costs)
        yield rate, groups.size, groups.busy, groups.wait, math.ceil(limit / rate)


def _spreads(counts: Iterable[int], queues: int, total: float) -> Iterable[tuple[float, ...]]:
    for count in counts:
        shares = [
            skew(assign(rates, count))
            for rates in (equal_rates(queues, total), unequal_rates(queues, total))
            for assign in (by_hash, by_load)
        ]
        yield count, queues / count, *shares


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as Markdown."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)]]
    lines += [[each if isinstance(each, str) else number(each) for each in row] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def number(value: float) -> str:
    """Return a figure with two decimals, large ones without."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def read_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.spread")
    add = parser.add_argument
    add("--queues", type=int, default=1_000, help="number of queues [1000]")
    add("--rate", type=float, default=500.0, help="tasks a second of each [500]")
    add("--database", type=float, default=130.0, help="µs of PostgreSQL for a task [130]")
    add("--server", type=float, default=250.0, help="µs of a server for a task [250]")
    add("--wal", type=float, default=2_350.0, help="bytes of WAL for a task [2350]")
    add("--row", type=float, default=300.0, help="bytes of a row version with its indexes [300]")
    add("--group", type=float, default=4_000.0, help="µs of a group whatever its size [4000]")
    add("--grouped", type=float, default=80.0, help="µs that a task adds to a group [80]")
    add("--cores", type=int, default=32, help="cores of a database [32]")
    add("--wal-rate", type=float, default=200.0, help="MB/s of WAL of a database [200]")
    add("--vacuum", type=float, default=20_000.0, help="pages a second that vacuum cleans [20000]")
    return parser.parse_args()


if __name__ == "__main__":
    main()
