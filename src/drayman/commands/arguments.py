"""Arguments and options that several commands have, with their completion."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import click
from click.shell_completion import CompletionItem

from drayman.commands import remote

_PATIENCE = 1.0
"""Seconds that the completion of a queue's id waits for the server."""


def _complete_queue(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the ids of queues that begin so; none if the server does not answer at once."""
    params = {name: context.params.get(name) for name in remote.NAMES}
    try:
        server = remote.of_params(**params)
        queues = server.call("list_queues", timeout=_PATIENCE, parent=server.parent)
        ids = [each.name.rpartition("/")[2] for each in queues]
    except Exception:  # noqa: BLE001 - nothing may disturb the line that is being typed
        return []
    return [CompletionItem(each) for each in ids if each.startswith(incomplete)]


def queue(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument QUEUE."""
    return click.argument("queue", shell_complete=_complete_queue)(function)


def queue_option(*, required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that gives a command ``--queue``."""
    return click.option(
        "--queue", required=required, metavar="QUEUE", shell_complete=_complete_queue,
        help="Queue of the task: its id or its full name.",
    )  # fmt: skip


def task(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument TASK and ``--queue``."""
    return click.argument("task")(queue_option(required=False)(function))


def limited(items: Iterable[Any], limit: int | None) -> Iterator[Any]:
    """Yield the first items of a list, all if there is no limit."""
    return itertools.islice(items, limit)


def paging(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--limit`` and ``--page-size``."""
    count = click.IntRange(min=1)
    for option in (
        click.option(
            "--page-size", type=count, metavar="N", help="Most items of one call to the server."
        ),
        click.option("--limit", type=count, metavar="N", help="Most items to list. All if absent."),
    ):
        function = option(function)
    return function
