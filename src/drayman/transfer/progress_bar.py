"""The progress of an export or import: a bar on a terminal, otherwise a line now and then."""

import contextlib
import sys
from collections.abc import Callable, Iterator

LINE_RECORDS = 10_000
"""The number of records between two lines where standard error is no terminal."""

Advance = Callable[[int, int], None]
"""Takes the number of further records, and the bytes of the source that were read so far."""


@contextlib.contextmanager
def show(label: str, size: int | None) -> Iterator[Advance]:
    """Show progress on standard error. ``size`` is the bytes of the source, None if unknown."""
    shown = _bar(label, size) if sys.stderr.isatty() else _lines(label)
    with shown as advance:
        yield advance


@contextlib.contextmanager
def _lines(label: str) -> Iterator[Advance]:
    done = 0

    def advance(records: int, position: int) -> None:  # noqa: ARG001 - the form of Advance
        nonlocal done
        before, done = done, done + records
        if done // LINE_RECORDS > before // LINE_RECORDS:
            sys.stderr.write(f"drayman: {label}: {done:,} records\n")
            sys.stderr.flush()

    yield advance


@contextlib.contextmanager
def _bar(label: str, size: int | None) -> Iterator[Advance]:
    from rich import console, progress  # noqa: PLC0415 - slow to import

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TextColumn("{task.fields[records]:,} records"),
        progress.TimeElapsedColumn(),
        *([progress.TimeRemainingColumn()] if size else []),
    )
    done = 0
    with progress.Progress(*columns, console=console.Console(stderr=True)) as bar:
        task = bar.add_task(label, total=size, records=0)

        def advance(records: int, position: int) -> None:
            nonlocal done
            done += records
            bar.update(task, completed=position, records=done)

        yield advance
