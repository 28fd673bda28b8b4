"""The verbs of tasks, on a connection inside a transaction."""

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from drayman.core import errors, names
from drayman.core.clock import Micros
from drayman.core.errors import ServiceError
from drayman.core.limits import Limits
from drayman.core.task import NewTask, Task
from drayman.store.contract import TaskPage
from drayman.store.sqlite.rows import Connection, QueueRow, TaskRow, find_queue, sql, task_of

_SQL = sql("task.sql")
_LARGEST_INSERT = 256
SEQ_PER_MICRO = 1_000


class Creation(NamedTuple):
    """The arguments of one ``create_tasks``."""

    queue: str
    tasks: Sequence[NewTask]
    now: Micros


class _Found(NamedTuple):
    queue: QueueRow
    task: TaskRow


def create(
    connection: Connection, calls: Sequence[Creation], limits: Limits
) -> list[list[Task | ServiceError]]:
    """Create the tasks of all calls of a group, in a handful of statements."""
    mint = _Mint(connection)
    queues = {name: find_queue(connection, name) for name in {call.queue for call in calls}}
    rows: list[tuple[object, ...]] = []
    earliest: dict[int, Micros] = {}
    taken: set[tuple[int, str]] = set()
    results: list[list[Task | ServiceError]] = []
    for call in calls:
        queue = queues[call.queue]
        if queue is None:
            results.append([errors.queue_missing() for _ in call.tasks])
            continue
        made: list[Task | ServiceError] = []
        for task in call.tasks:
            refusal = task.id and _refusal(connection, queue, task.id, taken, call.now, limits)
            if refusal:
                made.append(refusal)
                continue
            seq = mint.next(call.now)
            rows.append(
                (seq, queue.generation, task.id, call.now, task.schedule_time, task.request)
            )
            earliest[queue.key] = min(earliest.get(queue.key, task.schedule_time),
                                      task.schedule_time)  # fmt: skip
            made.append(
                Task(
                    name=names.join_task(call.queue, task.id or str(seq)),
                    create_time=call.now,
                    schedule_time=task.schedule_time,
                    request=task.request,
                )
            )
        results.append(made)
    _insert(connection, rows)
    mint.note()
    for key, time in earliest.items():
        connection.execute(_SQL["wake_queue"], {"key": key, "time": time})
    return results


def get(connection: Connection, name: str, now: Micros, limits: Limits) -> Task:
    """Return a task."""
    found = _find(connection, name, now, limits)
    return task_of(found.queue.name, found.task)


def list_(connection: Connection, queue: str, after: int, limit: int, size: int) -> TaskPage:
    """Return tasks of a queue past a cursor, by count and size."""
    row = find_queue(connection, queue)
    if row is None:
        raise errors.queue_missing()
    found = connection.execute(
        _SQL["list_tasks"], {"generation": row.generation, "after": after, "limit": limit + 1}
    )
    page: list[Task] = []
    last = total = 0
    for task in map(TaskRow._make, found):
        if len(page) == limit or (page and total + len(task.request) > size):
            found.close()
            return TaskPage(page, last)
        page.append(task_of(queue, task))
        total += len(task.request)
        last = task.seq
    return TaskPage(page, None)


def delete(
    connection: Connection, calls: Sequence[tuple[Sequence[str], Micros]], limits: Limits
) -> list[list[ServiceError | None]]:
    """Delete the tasks of all calls of a group."""
    return [[_delete_one(connection, name, now, limits) for name in given] for given, now in calls]


def run(connection: Connection, name: str, now: Micros, limits: Limits) -> Task:
    """Grant a task one attempt."""
    queue, task = _find(connection, name, now, limits)
    if connection.execute(_SQL["open_grant"], {"seq": task.seq}).fetchone():
        return task_of(queue.name, task)
    (number,) = connection.execute(
        _SQL["grant"], {"seq": task.seq, "queue": queue.key, "now": now}
    ).fetchone()
    row = connection.execute(
        _SQL["claim_granted_task"], {"seq": task.seq, "number": number, "now": now}
    ).fetchone()
    return task_of(queue.name, TaskRow(*row))


def remove(connection: Connection, queue: int, seqs: Sequence[int], expire_time: Micros) -> None:
    """Remove tasks of a queue, granted attempts included, leaving tombstones for the named."""
    given = {"seqs": json.dumps(seqs)}
    connection.execute(_SQL["bury_tasks"], given | {"queue": queue, "expire_time": expire_time})
    connection.execute(_SQL["delete_grants"], given)
    connection.execute(_SQL["delete_tasks"], given)


class _Mint:
    """Numbers for tasks: growing with time, past all there were, whatever the clock does."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        (self._last,) = self._first = connection.execute(_SQL["last_seq"]).fetchone()

    def next(self, now: Micros) -> int:
        # Not the even number: it is what people name tasks after who take the time for an id.
        self._last = max(self._last + 1, now * SEQ_PER_MICRO + 1)
        return int(self._last)

    def note(self) -> None:
        if (self._last,) != self._first:
            self._connection.execute(_SQL["note_seq"], {"seq": self._last})


def _insert(connection: Connection, rows: Sequence[tuple[object, ...]]) -> None:
    # Few large statements instead of many small ones: the thread takes the interpreter's
    # lock back after each, and beside a busy event loop that is what it waits for.
    start = 0
    for count in _powers(len(rows)):
        chunk = rows[start : start + count]
        connection.execute(
            f"{_SQL['insert_tasks']} {', '.join(['(?, ?, ?, ?, ?, ?)'] * count)}",
            tuple(itertools.chain.from_iterable(chunk)),
        )
        start += count


def _powers(total: int) -> Iterator[int]:
    """Cut a number into powers of two: nine texts, which all stay in the statement cache."""
    count = _LARGEST_INSERT
    while total:
        while count > total:
            count //= 2
        yield count
        total -= count


def _refusal(
    connection: Connection,
    queue: QueueRow,
    task_id: str,
    taken: set[tuple[int, str]],
    now: Micros,
    limits: Limits,
) -> ServiceError | None:
    """Return why a task may not have a name, None (and the name taken) if it may."""
    if (queue.key, task_id) in taken or _live(connection, queue, task_id):
        return errors.task_exists()
    if _buried(connection, queue, task_id, now, limits):
        return errors.task_existed()
    taken.add((queue.key, task_id))
    return None


def _live(connection: Connection, queue: QueueRow, task_id: str) -> TaskRow | None:
    given = {"generation": queue.generation, "id": task_id}
    row = connection.execute(_SQL["get_named"], given).fetchone()
    if row is None and _is_number(task_id):
        given = {"generation": queue.generation, "seq": int(task_id)}
        row = connection.execute(_SQL["get_numbered"], given).fetchone()
    return None if row is None else TaskRow(*row)


def _buried(
    connection: Connection, queue: QueueRow, task_id: str, now: Micros, limits: Limits
) -> bool:
    since = now - limits.retention.task_tombstone  # what was purged before has no claim to its name
    given = {"queue": queue.key, "id": task_id, "now": now, "since": since}
    tombstone = connection.execute(_SQL["task_tombstone"], given).fetchone()
    return bool(tombstone or connection.execute(_SQL["retired_name"], given).fetchone())


def _find(connection: Connection, name: str, now: Micros, limits: Limits) -> _Found:
    queue_name, task_id = names.task("name", name)
    queue = find_queue(connection, queue_name)
    if queue is None:
        raise errors.entity_missing()
    task = _live(connection, queue, task_id)
    if task is not None:
        return _Found(queue, task)
    if _buried(connection, queue, task_id, now, limits) or _was_minted(task_id, now, limits):
        raise errors.task_gone()
    raise errors.entity_missing()


def _is_number(task_id: str) -> bool:
    return task_id.isascii() and task_id.isdigit() and len(task_id) == 19 and task_id < str(1 << 63)  # noqa: PLR2004 - the digits of a generated id  # fmt: skip


def _was_minted(task_id: str, now: Micros, limits: Limits) -> bool:
    # A generated id carries its time: no tombstone is needed to know that it was recent.
    recent = now - limits.retention.task_tombstone
    return _is_number(task_id) and recent <= int(task_id) // SEQ_PER_MICRO <= now


def _delete_one(
    connection: Connection, name: str, now: Micros, limits: Limits
) -> ServiceError | None:
    try:
        queue, task = _find(connection, name, now, limits)
    except ServiceError as error:
        return error
    remove(connection, queue.key, [task.seq], now + limits.retention.task_tombstone)
    return None
