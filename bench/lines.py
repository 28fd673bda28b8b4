"""The table of lines: what is measured, and how."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from bench import creates, pending, pushes
from bench.runs import Figure, Run, Sizes


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One measurement, of one figure or several.

    Attributes:
        name: Its name; any first part of it, up to a hyphen, chooses it.
        title: Its name in the report.
        measure: Runs a server and measures it.
        durability: The durability of replies, for servers that have the choice.
        limit: The line of the self-test that shows the load generator's limit.
        once: Whether one round is enough, because it takes long.
        large: Whether it runs only with ``--large``.
    """

    name: str
    title: str
    measure: Callable[[Run], Iterable[Figure]]
    durability: Literal["safe", "relaxed"] = "safe"
    limit: str | None = None
    once: bool = False
    large: bool = False


SHAPES = {
    f"{protocol}-{width}": functools.partial(creates.single_calls, protocol=protocol, width=width)
    for protocol, width in itertools.product(("grpc", "rest"), (1, 64))
} | {"batch": creates.batches}
"""The loads whose limit is the load generator: the self-test runs them on a trivial server."""

GROUPS = ("create", "batch", "push", "drain", "pending")

LEVELS = {"durable": "safe", "relaxed": "relaxed"}


def table(sizes: Sizes) -> list[Line]:
    """Return all lines."""
    return [
        *(_create(shape, level) for level in LEVELS for shape in SHAPES if shape != "batch"),
        *(_batch(level) for level in LEVELS),
        Line("push", "create and push, durable", pushes.create_and_push, limit="push"),
        Line("drain", f"drain of {sizes.backlog:,}, durable", pushes.drain, limit="target"),
        *(
            Line(
                f"pending-{name}",
                f"{count:,} pending" if count else "none pending",
                functools.partial(pending.beside, count=count),
                once=count > 0,
                large=name == "10m",
            )
            for name, count in (
                ("0", 0),
                ("1m", sizes.pending),
                ("10m", 10 * sizes.pending),
            )
        ),
    ]


def select(lines: Sequence[Line], names: Sequence[str], *, large: bool) -> list[Line]:
    """Return the lines whose names begin so, or all; without the large ones. ValueError."""
    unknown = [name for name in names if not any(_is_chosen(line, [name]) for line in lines)]
    if unknown:
        known = ", ".join(line.name for line in lines)
        raise ValueError(f"no line {', '.join(unknown)}; the lines are {known}")
    return [
        line for line in lines if (large or not line.large) and _is_chosen(line, names or GROUPS)
    ]


def _is_chosen(line: Line, names: Iterable[str]) -> bool:
    return any(f"{line.name}-".startswith(f"{name}-") for name in names)


def _create(shape: str, level: str) -> Line:
    protocol, width = shape.split("-")
    title = f"CreateTask, {'gRPC' if protocol == 'grpc' else 'REST'}, {width} in flight, {level}"
    return Line(f"create-{shape}-{level}", title, SHAPES[shape], LEVELS[level], shape)


def _batch(level: str) -> Line:
    title = f"BatchCreateTasks of 100, gRPC, {creates.BATCHES_IN_FLIGHT} in flight, {level}"
    return Line(f"batch-{level}", title, SHAPES["batch"], LEVELS[level], "batch")
