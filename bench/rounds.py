"""Interleaved rounds: in each, every server is measured once, one after another."""

import dataclasses
from collections.abc import Callable, Sequence

from bench.errors import Unmeasurable
from bench.lines import Line
from bench.runs import Figure, Run
from bench.servers import Candidate


@dataclasses.dataclass
class Row:
    """One figure of all servers in all rounds.

    Attributes:
        title: What was measured.
        limit: The line of the self-test that bounds it.
        samples: The figures of each server, by its name, in the order of the rounds.
        missing: The reason for each server that could not be measured.
    """

    title: str
    limit: str | None = None
    samples: dict[str, list[Figure]] = dataclasses.field(default_factory=dict)
    missing: dict[str, str] = dataclasses.field(default_factory=dict)


def measure(
    line: Line,
    candidates: Sequence[Candidate],
    rounds: int,
    start: Callable[[Candidate, str], Run],
    progress: Callable[[str], None],
) -> list[Row]:
    """Measure a line; return its rows."""
    rows: dict[str, Row] = {}
    missing: dict[str, str] = {}
    rounds = 1 if line.once else rounds
    for number in range(rounds):
        for candidate in candidates:
            if candidate.name in missing:
                continue
            progress(f"{line.name}: round {number + 1} of {rounds}, {candidate.name}")
            try:
                for figure in line.measure(start(candidate, line.durability)):
                    row = rows.setdefault(figure.what, _row(line, figure.what))
                    row.samples.setdefault(candidate.name, []).append(figure)
            except Unmeasurable as error:
                missing[candidate.name] = str(error)
    for name, why in missing.items():
        _explain(line, rows, name, why)
    return list(rows.values())


def _explain(line: Line, rows: dict[str, Row], name: str, why: str) -> None:
    """Enter the reason into the rows that lack a server, or into a row of its own."""
    lacking = [row for row in rows.values() if name not in row.samples]
    for row in lacking or [rows.setdefault("", _row(line, ""))]:
        row.missing[name] = why


def _row(line: Line, what: str) -> Row:
    return Row(f"{line.title}: {what}" if what else line.title, line.limit)
