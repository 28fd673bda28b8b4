"""The verbs of queues."""

import json
from collections.abc import Iterable

from drayman.core import back_pressure, bucket, errors
from drayman.core.bucket import Bucket
from drayman.core.clock import Micros
from drayman.core.queue import Change, Queue
from drayman.store.contract import (
    MAX_DEAD_LETTERS_COUNTED,
    MAX_DUE_COUNTED,
    QueueCounts,
    QueueStats,
)
from drayman.store.rows import QueueRow, queue_columns, to_load, to_queue
from drayman.store.session import Session


def get_queue(session: Session, name: str) -> Queue:
    """Return a queue."""
    return to_queue(existing(session, "get_queue", name))


def list_queues(session: Session, location: str, after: str, limit: int) -> list[Queue]:
    """Return the queues of a location, or of all, after a name."""
    folder = f"{location}/queues" if location else "projects"
    prefix = f"{folder}/"
    # "0" is the character after "/": the end of everything that starts with the prefix.
    end = f"{folder}0"
    rows = session.all("list_queues", after=max(after, prefix), end=end, limit=limit)
    return [to_queue(QueueRow(*row)) for row in rows]


def list_locations(session: Session, project: str) -> list[str]:
    """Return the locations in which a project has queues."""
    start, end = f"{project}/locations/", f"{project}/locations0"
    return [name for (name,) in session.all("list_locations", start=start, end=end)]


def update_queue(
    session: Session,
    name: str,
    change: Change,
    now: Micros,
    *,
    ignore_tombstone: bool = False,
    reset_pressure: bool = False,
) -> Queue:
    """Replace a queue by what ``change`` returns for it, or create it."""
    row = find(session, "lock_queue", name)
    if row is None:
        created = change(None)
        _check_tombstone(session, name, now, ignore=ignore_tombstone)
        if _insert(session, created, now):
            return get_queue(session, name)
        row = existing(session, "lock_queue", name)  # another server was faster
    old = to_queue(row)
    queue = change(old)
    limits_change = queue.rate_limits != old.rate_limits
    tokens = _refill(row, now) if limits_change else Bucket(row.tokens, row.tokens_time)
    session.run(
        "update_queue",
        **queue_columns(queue) | {"name": name},
        tokens=tokens.tokens,
        tokens_time=tokens.time,
        pressure=None if reset_pressure else row.pressure,
        wakes=limits_change or reset_pressure or queue.state != old.state,
    )
    return get_queue(session, name)


def purge_queue(session: Session, name: str, now: Micros) -> Queue:
    """Give a queue a new generation of tasks; the old one is swept later."""
    row = existing(session, "lock_queue", name)
    _delete_generation(session, row, now)
    session.run("purge_queue", generation=_new_generation(session), now=now, key=row.key)
    return get_queue(session, name)


def delete_queue(session: Session, name: str, now: Micros) -> None:
    """Delete a queue; its tasks are swept later."""
    row = find(session, "lock_queue", name)
    if row is None:
        raise errors.entity_missing()
    _delete_generation(session, row, now)
    session.run("delete_queue", key=row.key)
    expire_time = now + session.retention.queue_tombstone
    session.run("add_queue_tombstone", name=name, expire_time=expire_time)


def queue_stats(session: Session, name: str, now: Micros) -> QueueStats:
    """Return the statistics of a queue."""
    stats = _stats(session, name, name, 1, now)
    if not stats:
        raise errors.queue_missing()
    return stats[0]


def list_queue_stats(
    session: Session, parent: str, after: str, limit: int, now: Micros
) -> list[QueueStats]:
    """Return the statistics of the queues below a resource after a name."""
    prefix = f"{parent}/" if parent else "projects/"
    # " " sorts before, and "0" just after, every character that may follow within a name.
    first = f"{after} " if after > prefix else prefix
    return _stats(session, first, f"{prefix[:-1]}0", limit, now)


def count_queues(session: Session, after: str, limit: int) -> list[QueueCounts]:
    """Return the counts of queues after a name."""
    return [QueueCounts(*row) for row in session.all("count_queues", after=after, limit=limit)]


def _stats(session: Session, first: str, last: str, limit: int, now: Micros) -> list[QueueStats]:
    """Return the statistics of the queues from one name to another."""
    rows = session.all(
        "list_queue_stats", first=first, last=last, limit=limit, now=now,
        due_limit=MAX_DUE_COUNTED, letter_limit=MAX_DEAD_LETTERS_COUNTED,
    )  # fmt: skip
    return [
        _to_stats(QueueRow(*columns), tasks, due, earliest, letters, now)
        for tasks, due, earliest, letters, *columns in rows
    ]


def _to_stats(
    row: QueueRow, tasks: int, due: int, earliest: Micros | None, letters: int, now: Micros
) -> QueueStats:
    pressure, rate = back_pressure.decode(row.pressure), row.max_dispatches_per_second
    recent = back_pressure.recent(pressure, now)
    return QueueStats(
        queue=to_queue(row),
        tasks=tasks,
        due=due,
        in_flight=row.in_flight,
        effective_rate=rate * back_pressure.rate_factor(pressure, rate, now),
        recent_responses=recent.responses,
        recent_errors=recent.errors,
        recent_pushbacks=recent.pushbacks,
        recovery_time=pressure.recovery_time,
        next_schedule_time=earliest,
        dead_letters=letters,
    )


def find(session: Session, statement: str, name: str) -> QueueRow | None:
    """Return a queue's row, None if there is no such queue.

    ``statement`` is ``get_queue`` to read the row, ``share_queue`` if the queue must be neither
    deleted nor purged before the commit, or ``lock_queue`` to change it.
    """
    row = session.first(statement, name=name)
    return None if row is None else QueueRow(*row)


def share(session: Session, names: Iterable[str]) -> dict[str, QueueRow]:
    """Return the rows of those queues that exist, by name.

    None of them is deleted or purged before the commit.
    """
    rows = session.all("share_queues", names=json.dumps(list(names)))
    return {row.name: row for row in map(QueueRow._make, rows)}


def existing(session: Session, statement: str, name: str) -> QueueRow:
    """Return a queue's row, as ``find`` does. NotFound."""
    row = find(session, statement, name)
    if row is None:
        raise errors.queue_missing()
    return row


def _check_tombstone(session: Session, name: str, now: Micros, *, ignore: bool) -> None:
    if ignore:
        session.run("delete_queue_tombstone", name=name)
    elif session.first("get_queue_tombstone", name=name, now=now):
        raise errors.queue_existed()


def _insert(session: Session, queue: Queue, now: Micros) -> bool:
    """Insert a queue; return False if another server has inserted one of its name."""
    generation = _new_generation(session)
    columns = queue_columns(queue)
    return bool(session.run("insert_queue", **columns, generation=generation, now=now))


def _refill(row: QueueRow, now: Micros) -> Bucket:
    """Return a queue's token bucket now: until now it was refilled at the old rate."""
    load = to_load(row)
    limits = back_pressure.effective_limits(load.pressure, load.rate, load.burst, now)
    return bucket.refill(load.bucket, *limits, now)


def _new_generation(session: Session) -> int:
    (generation,) = session.one("next_generation")
    return int(generation)


def _delete_generation(session: Session, row: QueueRow, now: Micros) -> None:
    session.run("delete_generation", generation=row.generation, queue=row.key, now=now)
