"""The verbs of queues, on a connection inside a transaction."""

from collections.abc import Callable

from drayman.core import back_pressure, bucket, errors
from drayman.core.bucket import Bucket
from drayman.core.clock import Micros
from drayman.core.limits import Limits
from drayman.core.queue import Queue, State
from drayman.store.contract import DEAD_COUNTED, QueueStats, Stats
from drayman.store.sqlite.rows import (
    Connection,
    QueueRow,
    columns_of,
    find_queue,
    queue_of,
    sql,
)

_SQL = sql("queue.sql")


def create(connection: Connection, queue: Queue, now: Micros) -> Queue:
    """Create a queue."""
    if find_queue(connection, queue.name):
        raise errors.queue_exists()
    return _insert(connection, queue, now)


def get(connection: Connection, name: str) -> Queue:
    """Return a queue."""
    return queue_of(_existing(connection, name))


def list_(connection: Connection, location: str, after: str, limit: int) -> list[Queue]:
    """Return the queues of a location past a name."""
    prefix = f"{location}/queues/"
    rows = connection.execute(
        _SQL["list_queues"],
        # "0" is the character after "/": the end of everything that starts with the prefix.
        {"after": max(after, prefix), "end": f"{location}/queues0", "limit": limit},
    )
    return [queue_of(QueueRow(*row)) for row in rows.fetchall()]


def locations(connection: Connection, project: str) -> list[str]:
    """Return the locations in which a project has queues."""
    prefix = f"{project}/locations/"
    rows = connection.execute(
        _SQL["list_locations"], {"start": prefix, "end": f"{project}/locations0"}
    )
    return [name for (name,) in rows.fetchall()]


def update(
    connection: Connection,
    name: str,
    change: Callable[[Queue | None], Queue],
    now: Micros,
    ignore_tombstone: bool,
) -> Queue:
    """Replace a queue by what ``change`` makes of it, or create it."""
    row = find_queue(connection, name)
    queue = change(None if row is None else queue_of(row))
    if row is None:
        if ignore_tombstone:
            connection.execute(_SQL["exhume_queue"], {"name": name})
        return _insert(connection, queue, now)
    old = Bucket(row.tokens, row.tokens_time)  # what passed until now passed at the old rate
    earned = bucket.refill(old, row.max_dispatches_per_second, row.max_burst_size, now)
    connection.execute(_SQL["update_queue"], columns_of(queue) | earned._asdict())
    return get(connection, name)


def delete(connection: Connection, name: str, now: Micros, limits: Limits) -> None:
    """Delete a queue; its tasks are swept later."""
    row = find_queue(connection, name)
    if row is None:
        raise errors.entity_missing()
    _retire(connection, row, now)
    connection.execute(_SQL["delete_queue"], {"key": row.key})
    connection.execute(
        _SQL["bury_queue"], {"name": name, "expire_time": now + limits.queue_tombstone}
    )


def purge(connection: Connection, name: str, now: Micros) -> Queue:
    """Give a queue a new generation of tasks; the old one is swept later."""
    row = _existing(connection, name)
    _retire(connection, row, now)
    connection.execute(
        _SQL["purge_queue"], {"generation": _generation(connection), "now": now, "key": row.key}
    )
    return get(connection, name)


def set_state(connection: Connection, name: str, state: State) -> Queue:
    """Pause or resume a queue; one that is resumed begins as a new one, without back pressure."""
    row = _existing(connection, name)
    if state == State.RUNNING:
        connection.execute(_SQL["forget_throttle"], {"key": row.key})
    connection.execute(_SQL["set_state"], {"name": name, "state": int(state)})
    return get(connection, name)


def stats(connection: Connection) -> Stats:
    """Return the counters."""
    return Stats(*connection.execute(_SQL["stats"]).fetchone())


def queue_stats(connection: Connection, name: str, now: Micros) -> QueueStats:
    """Return the counters of a queue."""
    row = _existing(connection, name)
    pressure = back_pressure.loads(row.throttle)
    part = back_pressure.level(pressure, row.max_dispatches_per_second, now)
    (earliest,) = connection.execute(_SQL["earliest"], {"generation": row.generation}).fetchone()
    given = {"queue": name, "limit": DEAD_COUNTED}
    (dead,) = connection.execute(_SQL["count_dead"], given).fetchone()
    return QueueStats(row.in_flight, row.max_dispatches_per_second * part, pressure, earliest, dead)


def _existing(connection: Connection, name: str) -> QueueRow:
    row = find_queue(connection, name)
    if row is None:
        raise errors.queue_missing()
    return row


def _insert(connection: Connection, queue: Queue, now: Micros) -> Queue:
    buried = connection.execute(_SQL["queue_tombstone"], {"name": queue.name, "now": now})
    if buried.fetchone():
        raise errors.queue_existed()
    connection.execute(
        _SQL["insert_queue"],
        columns_of(queue) | {"generation": _generation(connection), "now": now},
    )
    return get(connection, queue.name)


def _generation(connection: Connection) -> int:
    (generation,) = connection.execute(_SQL["next_generation"]).fetchone()
    return int(generation)


def _retire(connection: Connection, row: QueueRow, now: Micros) -> None:
    connection.execute(_SQL["retire"], {"generation": row.generation, "key": row.key, "now": now})
