"""Charts: lines of what happened in the last minutes, as points of SVG."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from drayman.core.clock import SECOND
from drayman.core.rates import BUCKET, Transition

COMPLETED = "completed"
_BUCKETS = 3
"""Buckets of a point: 15 seconds."""


class Line(NamedTuple):
    """A line of a chart.

    Attributes:
        name: What is counted.
        css_class: The class of the line in the style sheet.
        points: The coordinates, as the attribute ``points`` of SVG has them.
        latest: The last value, per second.
    """

    name: str
    css_class: str
    points: str
    latest: float


class Chart(NamedTuple):
    """A chart.

    Attributes:
        width: The width of its coordinates.
        height: Their height.
        highest: The value at the top, per second.
        lines: Its lines: that of completed tasks first, no other that is zero throughout.
    """

    width: int
    height: int
    highest: float
    lines: Sequence[Line]


def chart(counts: Sequence[Sequence[int]], width: int, height: int) -> Chart:
    """Return the chart of what ended in each bucket, the earliest first."""
    series = {
        COMPLETED: _per_second(counts, [Transition.COMPLETED]),
        "failed or retried": _per_second(counts, [Transition.FAILED, Transition.RETRIED]),
    }
    highest = max(itertools.chain.from_iterable(series.values()), default=0.0)
    return Chart(
        width,
        height,
        highest,
        [
            Line(name, name.partition(" ")[0], _points(values, highest, width, height), values[-1])
            for name, values in series.items()
            if name == COMPLETED or any(values)
        ],
    )


def _per_second(counts: Sequence[Sequence[int]], kinds: Sequence[Transition]) -> list[float]:
    sums = [sum(bucket[kind] for kind in kinds) for bucket in counts]
    seconds = _BUCKETS * BUCKET / SECOND
    starts = range(len(sums) % _BUCKETS, len(sums), _BUCKETS)
    return [sum(sums[start : start + _BUCKETS]) / seconds for start in starts]


def _points(values: Sequence[float], highest: float, width: int, height: int) -> str:
    step = width / max(1, len(values) - 1)
    scale = (height - 2) / highest if highest else 0.0
    return " ".join(
        f"{number * step:.1f},{height - 1 - value * scale:.1f}"
        for number, value in enumerate(values)
    )
