"""Cause each fault several times under load, and print what it cost as a table in Markdown.

    python tests/faults/run_faults.py [--rounds 5] [--only NAME]

``make faults`` runs this. At the end it prints how long a task takes from its creation on one
server to its target by another.
"""

import argparse
import os
import platform
import statistics
import tempfile
from pathlib import Path

from fault_fleet import SERVERS
from fault_hand_over import measure
from fault_load import CREATORS, INTERVAL
from fault_places import PLACES
from fault_table import FAULTS, run

COLUMNS = (
    "fault", "times", "acknowledged", "calls that failed", "slowest of them", "lost",
    "delivered twice", "lasted (longest)", "full rate after (longest)",
)  # fmt: skip
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


def main():
    """Run all faults, each place once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    print(
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {SERVERS} servers,", end=" "
    )
    print(f"up to {SERVERS * CREATORS / INTERVAL:.0f} creations a second\n\n{HEAD}", flush=True)
    for place, opened in PLACES.items():
        faults = [each for each in FAULTS if each.place == place and arguments.only in each.name]
        if faults:
            with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as fleet:
                for fault in faults:
                    rounds = 1 if place == "standby" else arguments.rounds
                    print(row(run(fault, fleet, rounds)), flush=True)
    if not arguments.only:
        print(f"\n{hand_over()}")


def row(summary):
    """Return the row of a fault."""
    return (
        f"| {summary.fault.name} | {summary.rounds} | {summary.acknowledged:,} | "
        f"{summary.refused:,} | {summary.slowest:.1f} s | {summary.lost} | "
        f"{summary.duplicates} | {_seconds(summary.lasted)} | {_seconds(summary.recovered)} |"
    )


def _seconds(times):
    return f"{statistics.median(times):.1f} s ({max(times):.1f} s)"


def hand_over():
    """Return a line on the time from a creation on one server to a delivery by another."""
    with tempfile.TemporaryDirectory() as folder:
        times = sorted(measure(Path(folder)))
    p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
    return (
        f"created on one server, delivered by another: {p50:.1f} ms typically, {p99:.1f} ms for "
        f"one in a hundred of {len(times)} tasks"
    )


if __name__ == "__main__":
    main()
