"""``drayman top``: a live view of queues."""

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from drayman.commands import failures, output, remote, statistics
from drayman.commands.remote import Remote

_FRAME = 4
"""Lines of the screen that are not rows of the table."""


@click.command("top")
@click.option("--once", is_flag=True, help="Print one table; so it is without a terminal.")
@click.option(
    "--interval", type=click.FloatRange(min=0.1), default=2.0, show_default=True,
    metavar="SECONDS", help="Time between two calls to the server.",
)  # fmt: skip
@remote.options
def command(server: Remote, *, once: bool, interval: float) -> None:
    """Show the tasks, rates and limits of all queues, the busiest first; q quits.

    Rates are those of the last minute. PENDING counts all tasks, DUE those that could be
    dispatched now, OLDEST is how long the first of them has waited; RATE is the effective and the
    highest rate per second.
    """
    rows = statistics.busiest_first(statistics.load(server))
    if once or server.format or not (sys.stdout.isatty() and sys.stdin.isatty()):
        output.show_list(rows, server.format, statistics.COLUMNS, "Listed 0 items.")
        return
    _live(server, rows, interval)


def _live(server: Remote, rows: list[Any], interval: float) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console()
    problem = ""
    with _single_keys(), Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(_screen(server, rows, problem, console.size), refresh=True)
            if _quits(interval):
                return
            problem, rows = _reload(server, rows)


def _reload(server: Remote, rows: list[Any]) -> tuple[str, list[Any]]:
    """Return new rows, or the old ones with the reason why there are none: the view goes on."""
    try:
        return "", statistics.busiest_first(statistics.load(server))
    except Exception as error:  # noqa: BLE001 - shown
        return failures.describe(server.address.host, error), rows


def _screen(server: Remote, rows: list[Any], problem: str, size: Any) -> Any:
    from rich.text import Text

    shown = rows[: max(1, size.height - _FRAME)]
    hidden = f", {len(rows) - len(shown)} more" if len(shown) < len(rows) else ""
    table = output.rich_table(shown, output.fitting(shown, statistics.COLUMNS, size.width))
    table.title = Text(f"{server.address.host}: {len(rows)} queues{hidden}", style="bold")
    table.caption = Text(problem or "q quits", style="red" if problem else "dim")
    return table


@contextmanager
def _single_keys() -> Iterator[None]:
    """Let the terminal pass on each key at once, without showing it."""
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _quits(interval: float) -> bool:
    """Wait for a key or the end of the interval; return whether the key means to quit."""
    descriptor = sys.stdin.fileno()
    ready, _, _ = select.select([descriptor], [], [], interval)
    # Not sys.stdin.read: a key in its buffer would never be ready for select.
    keys = os.read(descriptor, 64) if ready else None
    return keys == b"" or b"q" in (keys or b"").lower()
