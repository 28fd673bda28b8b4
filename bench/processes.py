"""The cores that processes run on, and the resources that they use."""

import asyncio
import contextlib
import dataclasses
import multiprocessing
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

PINNABLE = hasattr(os, "sched_setaffinity")
CORES = sorted(os.sched_getaffinity(0)) if PINNABLE else []
SERVER_CORES = set(CORES[:1])
LOAD_CORES = set(CORES[1:]) or SERVER_CORES
"""The load generator and the push target use all cores but the server's."""

SPAWN = multiprocessing.get_context("spawn")
START_SECONDS = 60
POLL_SECONDS = 0.005


@dataclasses.dataclass(frozen=True, slots=True)
class Usage:
    """What a process and its children use.

    Attributes:
        cpu: Processor time since the start, user and system, in seconds.
        resident: Resident memory in bytes.
    """

    cpu: float
    resident: int


@contextlib.contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Start the processes of this block on some cores; without effect where the OS cannot."""
    if not PINNABLE:
        yield
        return
    previous = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, previous)


@contextlib.contextmanager
def spawned(function: Callable[..., None], *arguments: Any) -> Iterator[None]:
    """Run a function in a process of its own, which ends with the block."""
    process = SPAWN.Process(target=function, args=arguments, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


async def parent_ends(pipe: Connection) -> None:
    """Wait, in a spawned process, until the harness has ended, however it did."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(pipe.fileno(), ended.set)
    await ended.wait()


def receive(pipe: Connection) -> Any:
    """Return the first message of a spawned process."""
    if not pipe.poll(START_SECONDS):
        raise SystemExit("a process of the harness does not start")
    return pipe.recv()


def usage(pid: int) -> Usage:
    """Return what a process and its descendants use."""
    read = _read_proc if Path("/proc/self/stat").exists() else _read_ps
    parts = [read(each) for each in _family(pid)]
    return Usage(sum(part.cpu for part in parts), sum(part.resident for part in parts))


def total_cpu(pid: int) -> float:
    """Return the processor time of a process and its descendants, with those that have ended.

    In seconds; only on systems with /proc.
    """
    return sum(_ticks(each, 4) for each in _family(pid)) / os.sysconf("SC_CLK_TCK")


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll until a condition holds; return False if it does not within some seconds."""
    end = time.perf_counter() + seconds
    while not condition():
        if time.perf_counter() > end:
            return False
        time.sleep(POLL_SECONDS)  # noqa: TID251 - a benchmark watches other processes
    return True


def _family(pid: int) -> list[int]:
    """Return a process and its descendants; on systems without /proc the process alone."""
    pids = [pid]
    for parent in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            for path in Path(f"/proc/{parent}/task").glob("*/children"):
                pids += map(int, path.read_text().split())
    return pids


def _read_proc(pid: int) -> Usage:
    pages = int(_fields(pid)[21])
    return Usage(_ticks(pid, 2) / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE"))


def _ticks(pid: int, count: int) -> int:
    """Return a process's user and system time and, with a count of 4, those of ended children."""
    return sum(int(field) for field in _fields(pid)[11 : 11 + count])


def _fields(pid: int) -> list[str]:
    """Return what Linux counts of a process, from its state on; nothing once it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["0"] * 22


def _read_ps(pid: int) -> Usage:
    shown = subprocess.run(
        ["ps", "-o", "rss=,time=", "-p", str(pid)], capture_output=True, check=True, text=True
    )
    resident, cpu = shown.stdout.split()
    return Usage(parse_ps_time(cpu), int(resident) * 1024)


def parse_ps_time(text: str) -> float:
    """Return the seconds of ``[[days-]hours:]minutes:seconds``."""
    days, _, clock = text.rpartition("-")
    seconds = 0.0
    for part in clock.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds + int(days or 0) * 86_400
