"""What a measurement works with, and what it yields."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import load, servers
from bench.generator import Generator
from bench.target import Target


@dataclasses.dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Attributes:
        seconds: How long a load lasts.
        backlog: The number of tasks that are drained.
        pending: The number of tasks that are pending beside others; ten times as many with
            ``--large``.
    """

    seconds: float
    backlog: int
    pending: int


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """One server's part of a round."""

    candidate: servers.Candidate
    durability: str
    generator: Generator
    target: Target
    sizes: Sizes

    @contextlib.contextmanager
    def server(self) -> Iterator[servers.Server]:
        """Run the server on an empty folder."""
        with (
            tempfile.TemporaryDirectory(prefix="drayman-bench-") as folder,
            servers.run(self.candidate, Path(folder), self.durability) as server,
        ):
            yield server


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """What was measured.

    Attributes:
        value: The figure.
        unit: Its unit.
        what: What it is, where a line has several.
        higher_is_better: Whether a higher value is better.
        cpu: Processor time of the server for each call or task, in µs.
        p50: The median time of a call, in ms.
        p99: The time that 99 % of the calls did not exceed, in ms.
        generator: How busy the load generator was: processor time by wall time.
    """

    value: float
    unit: str
    what: str = ""
    higher_is_better: bool = True
    cpu: float | None = None
    p50: float | None = None
    p99: float | None = None
    generator: float | None = None


def throughput(result: load.Result, per_call: int, unit: str, cpu: float) -> Figure:
    """Return the figure of a load whose calls stand for some tasks each."""
    return Figure(
        value=result.rate * per_call,
        unit=unit,
        cpu=cpu / (result.calls * per_call) * 1e6,
        p50=result.p50 * 1e3,
        p99=result.p99 * 1e3,
        generator=result.cpu / result.seconds,
    )
