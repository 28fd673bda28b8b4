"""Statistics of queues, as the columns of tables; from servers that have them."""

from collections.abc import Callable
from typing import Any

from drayman.commands import ages, failures, messages
from drayman.commands.output import Column
from drayman.commands.remote import Remote
from drayman.core.clock import SECOND

_PATH = "/drayman/v1/queues"
_THREE_DIGITS = 100
"""From here on, an integer has three digits."""


def of_queues(server: Remote) -> list[Any] | None:
    """Return the statistics of the queues in the command line's project or location, or of all.

    None if the server has no such call.

    Raises:
        CallError: The server does not let the caller make it.
        UnreachableError: There is no connection for HTTP.
        NoAnswerError: The server has not answered in time.
    """
    params = {"parent": server.scope} if server.scope else {}
    try:
        return list(server.page_through(_PATH, "queues", params))
    except failures.CallError as error:
        if error.code not in {"NOT_FOUND", "UNIMPLEMENTED"}:
            raise
        return None


def load(server: Remote) -> list[Any]:
    """Return the statistics of queues, as much as the server has of them.

    Drayman servers of older versions have fewer, others have the settings of queues alone.
    UsageError if the server cannot list queues without their location, and there is none.
    """
    try:
        stats = of_queues(server)
    except failures.UnreachableError:  # it may speak gRPC alone
        if not server.has_parent:
            raise
        stats = None
    if stats is not None:
        return stats
    queues = map(messages.value, server.call("list_queues", parent=server.parent))
    return [_of_queue(server, queue) for queue in queues]


def _of_queue(server: Remote, queue: Any) -> Any:
    limits = queue.get("rateLimits", {})
    known = {"name": queue["name"], "state": queue["state"],
             "maxDispatchesPerSecond": limits.get("maxDispatchesPerSecond")}  # fmt: skip
    try:
        return known | server.http("GET", f"/drayman/v1/{queue['name']}/stats")
    except (failures.CallError, failures.UnreachableError):
        return known


def count(label: str, name: str, rank: int = 0) -> Column:
    """Return a column with a count, which may be a lower bound."""

    def text(row: Any) -> str:
        if name not in row:
            return "-"
        return f"{row[name]:,}{'+' if row.get(f'{name}AtLeast') else ''}"

    return Column(label, text, numeric=True, rank=rank)


def rate(label: str, name: str, rank: int) -> Column:
    """Return a column with a rate over the last minute."""

    def text(row: Any) -> str:
        value = row.get("rates", {}).get("1m", {}).get(name)
        return "-" if value is None else f"{value:.1f}"

    return Column(label, text, numeric=True, rank=rank)


def _oldest(row: Any) -> str:
    return ages.span(round(row["oldestDueSeconds"] * SECOND)) if "oldestDueSeconds" in row else "-"


def _effective_rate(row: Any) -> str:
    highest, effective = row.get("maxDispatchesPerSecond"), row.get("effectiveExecutionRate")
    texts = [_per_second(each) for each in (effective, highest) if each is not None]
    return "/".join(texts) if row["state"] == "RUNNING" else "-"


def _per_second(value: float) -> str:
    """Return a rate with three digits, or as an integer if that has more."""
    return f"{value:.0f}" if value >= _THREE_DIGITS else f"{value:.3g}"


def _limit(row: Any) -> str:
    limit = row.get("rateLimitedBy", "")
    return "back pressure" if limit == "BACK_PRESSURE" else ""


COUNTS = (
    count("PENDING", "tasks"),
    count("DUE", "due"),
    count("IN_FLIGHT", "inFlight", 1),
    count("DEAD", "deadLetters", 4),
)
"""The columns of how many tasks a queue has."""
COLUMNS = (
    Column("QUEUE_NAME", "name.basename()"),
    Column("STATE", "state"),
    *COUNTS,
    Column("OLDEST", _oldest, numeric=True),
    rate("CREATED/s", "created", 7),
    rate("DONE/s", "completed", 2),
    rate("RETRIED/s", "retried", 8),
    rate("FAILED/s", "failed", 3),
    Column("RATE", _effective_rate, numeric=True, rank=5),
    Column("LIMITED_BY", _limit, rank=6),
)
"""The columns of ``drayman top``."""


def busiest_first(rows: list[Any]) -> list[Any]:
    """Return the statistics of queues, those with the most due tasks first."""
    return sorted(rows, key=lambda row: (-row.get("due", 0), -row.get("inFlight", 0), row["name"]))


def beside(column: Callable[[Any], str], by_name: dict[str, Any]) -> Callable[[Any], str]:
    """Return the text of a column of statistics for a queue."""
    return lambda queue: column(by_name[queue["name"]]) if queue["name"] in by_name else "-"
