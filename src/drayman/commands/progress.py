"""A progress bar on standard error, for a person who watches."""

import contextlib
import sys
from collections.abc import Callable, Iterator

Show = Callable[[int, int | None], None]
"""Takes how much is done, and of how much; None if that is not known."""


@contextlib.contextmanager
def bar(description: str) -> Iterator[Show]:
    """Yield a function that shows the progress. Without a terminal it shows nothing."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(description, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
