"""Measure Drayman, and other Cloud Tasks servers beside it.

Every server runs in a process of its own on one core, the load generator and the push target on
the others, where the system allows it. All traffic is on the loopback interface.
"""

import argparse
import datetime
import functools
import json
import os
import platform
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import generator, lines, messages, processes, report, rounds, selftest, servers, target
from bench.runs import Run, Sizes
from drayman.core.clock import SECOND

RESULTS = Path(__file__).parent / "results"
PEER = (
    "another server: {host}, {port} and optionally {http_port}, {folder} (for data that"
    " survives a restart) and {durability} (safe or relaxed) are filled in; may be repeated"
)


def main() -> None:
    """Read the command line, measure, and write the report."""
    options = read_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers end with us
    with (
        processes.pinned(processes.LOAD_CORES),
        generator.start() as load,
        target.start() as sink,
    ):
        shapes = selftest.NAMES if options.self_test else {line.limit for line in options.lines}
        limits = selftest.measure(shapes, load, sink, options.seconds, show)
        rows = []
        for line in () if options.self_test else options.lines:
            start = functools.partial(Run, generator=load, target=sink, sizes=options.sizes)
            measured = rounds.measure(line, options.candidates, options.rounds, start, show)
            report.refuse_limited(measured, limits)
            rows += measured
    show("")
    write(options, limits, rows)


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line; adds the ``lines``, ``sizes`` and ``candidates`` that it means."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--lines", default="", help="names or groups, with commas; default all")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND", help=PEER)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a load [3]")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each line [5]")
    parser.add_argument("--backlog", type=int, default=100_000, help="tasks to drain [100000]")
    parser.add_argument("--pending", type=int, default=1_000_000, help="tasks pending [1000000]")
    parser.add_argument("--large", action="store_true", help="ten times as many pending, too")
    parser.add_argument("--self-test", action="store_true", help="only measure the harness")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args(arguments)
    options.sizes = Sizes(options.seconds, options.backlog, options.pending)
    names = [name for name in options.lines.split(",") if name]
    try:
        options.lines = lines.select(lines.table(options.sizes), names, large=options.large)
        options.candidates = [servers.DRAYMAN, *map(servers.parse_peer, options.peer)]
    except ValueError as error:
        parser.error(str(error))
    return options


def write(options: argparse.Namespace, limits: dict[str, Any], rows: list[rounds.Row]) -> None:
    """Print the report, and write it as Markdown and as JSON."""
    about = describe(options)
    names = [candidate.name for candidate in options.candidates]
    tables = [selftest.markdown(limits)] if limits else []
    tables += [report.markdown(rows, names)] if rows else []
    text = "\n\n".join([summary(about), *tables])
    values = {
        "about": about,
        "limits": {name: figure.value for name, figure in limits.items()},
        "rows": report.document(rows, names),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"bench-{about['time'].replace(':', '')}"
    path.with_suffix(".md").write_text(text + "\n")
    path.with_suffix(".json").write_text(json.dumps(values, indent=2) + "\n")
    print(f"{text}\n\nwritten to {path}.md and .json")


def describe(options: argparse.Namespace) -> dict[str, Any]:
    """Return the conditions of this run."""
    now = datetime.datetime.fromtimestamp(messages.clock.now() / SECOND, datetime.UTC)
    return {
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "cores": os.cpu_count(),
        "pinned": processes.PINNABLE,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "load_average": os.getloadavg()[0],
        "seconds": options.seconds,
        "rounds": options.rounds,
        "peers": options.peer,
    }


def summary(about: dict[str, Any]) -> str:
    """Return the conditions as one sentence."""
    return (
        f"{about['time']}: {about['cores']} cores, Python {about['python']}, {about['platform']};"
        f" medians of {about['rounds']} rounds of {about['seconds']:g} s, lowest and highest in"
        f" brackets; CPU time of the server for each call or task; ratios over 1 are better;"
        f" load average at the end {about['load_average']:.1f}."
    )


def show(progress: str) -> None:
    """Show what is measured now, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{progress}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
