"""The limits of the harness: its load generator and push target, with nothing between them."""

import functools
from collections.abc import Callable, Collection

from bench import messages, processes, servers, target
from bench.generator import Generator
from bench.lines import SHAPES
from bench.load import Load
from bench.runs import Figure, Run, Sizes, throughput

MARGIN = 1.5
"""A server within this factor of a limit is not what was measured."""
SECONDS = 2.0
"""How long each limit is measured at most."""
WIDTH = 64
PUSH = ("grpc-64", "target")
"""The stages whose limits bound a server that is sent tasks and pushes them."""
NAMES = (*SHAPES, "target", "push")


def measure(
    names: Collection[str],
    generator: Generator,
    sink: target.Target,
    seconds: float,
    progress: Callable[[str], None],
) -> dict[str, Figure]:
    """Measure some limits."""
    seconds = min(seconds, SECONDS)
    run = Run(servers.TRIVIAL, "safe", generator, sink, Sizes(seconds, 0, 0))
    stages = {name: functools.partial(_shape, name, run) for name in SHAPES}
    stages["target"] = functools.partial(_target, generator, seconds)
    limits = {}
    for name, stage in stages.items():
        if name in names or (name in PUSH and "push" in names):
            progress(f"self-test: {name}")
            limits[name] = stage()
    if "push" in names:
        limits["push"] = Figure(_together([limits[name].value for name in PUSH]), "tasks/s")
    return limits


def markdown(limits: dict[str, Figure]) -> str:
    """Return the limits as a table."""
    lines = ["| load generator alone | limit | busy |", "|---|--:|--:|"]
    for name, figure in limits.items():
        busy = "" if figure.generator is None else f"{figure.generator:.0%}"
        lines.append(f"| {name} | {figure.value:,.0f} {figure.unit} | {busy} |")
    return "\n".join(lines)


def _shape(name: str, run: Run) -> Figure:
    return SHAPES[name](run)[0]


def _target(generator: Generator, seconds: float) -> Figure:
    """Send requests to a push target on the server's core."""
    with processes.pinned(processes.SERVER_CORES), target.start() as alone:
        job = Load("rest", alone.port, "/", (messages.BODY,), WIDTH, seconds)
        return throughput(generator.run(job), 1, "requests/s", 0)


def _together(rates: Collection[float]) -> float:
    """Return the rate of stages that share the cores of the load."""
    if len(processes.LOAD_CORES) >= len(rates):
        return min(rates)
    return 1 / sum(1 / rate for rate in rates)
