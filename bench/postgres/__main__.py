"""Measure the store on PostgreSQL.

PostgreSQL, the servers, the load generators and the push target share all cores, so the processor
time of a task says more than the rate. All traffic is on the loopback interface and Unix sockets.
"""

import argparse
import contextlib
import datetime
import os
import platform
import signal
import sys
from pathlib import Path

from bench import generator, messages, report, target
from bench.__main__ import RESULTS, show
from bench.postgres import database, lines, peers, pending
from bench.postgres.lines import Harness
from drayman.core.clock import SECOND

PARTS = ("lines", "pending", "peers")


def main() -> None:
    """Measure the parts that the command line names, and write a report of each."""
    options = read_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started ends with us
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(database.start())
        generators = [stack.enter_context(generator.start()) for _ in range(2)]
        sink = stack.enter_context(target.start())
        harness = Harness(server, generators, sink, options.seconds)
        for part in options.parts:
            table = measure(part, harness, options)
            show("")
            write(options, part, table)


def read_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.postgres", description=__doc__)
    parser.add_argument("--parts", default="lines,pending,peers", help="what to measure [all]")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a load [2]")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each part [5]")
    sizes = "numbers of pending tasks to compare [10000,1000000]; add 10000000 for the largest"
    parser.add_argument("--pending", default="10000,1000000", help=sizes)
    parser.add_argument(
        "--jobs", type=int, default=2000, help="jobs of each peer in a round [2000]"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    options.parts = options.parts.split(",")
    options.pending = [int(size) for size in options.pending.split(",")]
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part {', '.join(unknown)}; the parts are {', '.join(PARTS)}")
    return options


def measure(part: str, harness: Harness, options: argparse.Namespace) -> str:
    """Measure a part; return its table."""
    if part == "pending":
        rows = pending.measure(harness, options.pending, options.rounds, show)
        return report.markdown(rows, [pending.name(size) for size in options.pending])
    if part == "peers":
        return report.markdown(
            peers.measure(harness, options.jobs, options.rounds, show), peers.NAMES
        )
    return report.markdown(lines.measure(harness, options.rounds, show), lines.NAMES)


def write(options: argparse.Namespace, part: str, table: str) -> None:
    """Print a table with its conditions, and write it to a file."""
    now = datetime.datetime.fromtimestamp(messages.clock.now() / SECOND, datetime.UTC)
    text = (
        f"{part}, {now:%Y-%m-%dT%H:%M:%SZ}: {os.cpu_count()} cores shared by all processes, Python"
        f" {platform.python_version()}, {database.version()}, {' '.join(database.SETTINGS)};"
        f" medians of {options.rounds} rounds, lowest and highest; CPU time of the servers for"
        f" each task; load average at the end {os.getloadavg()[0]:.1f}.\n\n{table}\n"
    )
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"postgres-{part}-{now:%Y-%m-%dT%H%M%SZ}.md").write_text(text)
    print(text, flush=True)


if __name__ == "__main__":
    main()
