"""The report: medians with their spread and ratios to peers, as Markdown and as JSON."""

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.rounds import Row
from bench.runs import Figure
from bench.selftest import MARGIN


def refuse_limited(rows: Sequence[Row], limits: Mapping[str, Figure]) -> None:
    """Take out the samples of servers that come too close to the load generator's limit."""
    for row in rows:
        if row.limit is None:
            continue
        limit = limits[row.limit].value
        for name in list(row.samples):
            if statistics.median(_values(row, name)) * MARGIN > limit:
                del row.samples[name]
                row.missing[name] = f"too close to the load generator's {limit:,.0f}"


def ratios(row: Row, name: str, peer: str) -> list[float]:
    """Return for each round by what factor a server is better than a peer.

    A round in which either has measured nothing, such as no transaction, has none.
    """
    ours, theirs = row.samples.get(name, []), row.samples.get(peer, [])
    return [
        mine.value / other.value if mine.higher_is_better else other.value / mine.value
        for mine, other in zip(ours, theirs, strict=False)
        if mine.value and other.value
    ]


def markdown(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Return the table; ``names`` are those of the servers, the one that is compared first."""
    first, *peers = names
    head = ["", *(column for name in names for column in (name, "CPU µs"))]
    head += [f"{first} by {peer}" for peer in peers]
    lines = [head, ["---", *["--:"] * (len(head) - 1)]]
    for row in rows:
        cells = [row.title]
        for name in names:
            cells += _cells(row, name)
        cells += [_spread(ratios(row, first, peer), lambda each: f"{each:.2f}") for peer in peers]
        lines.append(cells)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def document(rows: Sequence[Row], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows as values for JSON, with all samples."""
    return [
        {
            "title": row.title,
            "samples": {
                name: [dataclasses.asdict(each) for each in samples]
                for name, samples in row.samples.items()
            },
            "missing": row.missing,
            "ratios": {peer: ratios(row, names[0], peer) for peer in names[1:]},
        }
        for row in rows
    ]


def number(value: float) -> str:
    """Return a figure with three digits or more."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _cells(row: Row, name: str) -> list[str]:
    samples = row.samples.get(name)
    if not samples:
        return [row.missing.get(name, "n/a"), ""]
    cpu = [each.cpu for each in samples if each.cpu is not None]
    value = _spread(_values(row, name), number, f" {samples[0].unit}")
    return [value, number(statistics.median(cpu)) if cpu else ""]


def _values(row: Row, name: str) -> list[float]:
    return [each.value for each in row.samples[name]]


def _spread(values: Sequence[float], render: Callable[[float], str], unit: str = "") -> str:
    """Return the median and, of several values, the lowest and the highest."""
    if not values:
        return ""
    median = f"{render(statistics.median(values))}{unit}"
    if len(values) == 1:
        return median
    return f"{median} ({render(min(values))} to {render(max(values))})"
