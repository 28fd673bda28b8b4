"""Reading a whole store, and inserting queues, tasks and dead letters as they were in another.

No verbs of servers: a command runs these functions in transactions of its own (``opening``).
"""

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from drayman.core import errors, names, task_ids
from drayman.core.clock import Micros
from drayman.core.history import DeadLetter
from drayman.core.queue import Queue
from drayman.core.task import Attempt, Task
from drayman.store.rows import DeadLetterRow, QueueRow, TaskRow, to_dead_letter, to_queue, to_task
from drayman.store.session import Session
from drayman.store.verbs import history, queues, tasks

_ALL = 1 << 62
"""More rows than a table has."""
_PAGE = 500
_NO_ATTEMPT = Attempt(0, 0)


class StoredTask(NamedTuple):
    """A task with what callers do not see.

    Attributes:
        task: The task.
        seq: Its place in the order of creation; None to give it the next one.
    """

    task: Task
    seq: int | None


class Tombstone(NamedTuple):
    """The name of a task that is recently gone.

    Attributes:
        name: Its full name.
        expire_time: Until when it is reserved.
    """

    name: str
    expire_time: Micros


def list_queues(session: Session) -> Iterator[Queue]:
    """Yield all queues, by name."""
    last = ""
    while rows := session.all("list_queues", after=last, end=chr(0x10FFFF), limit=_PAGE):
        for row in map(QueueRow._make, rows):
            last = row.name
            yield to_queue(row)


def list_tasks(session: Session, queue: str) -> Iterator[StoredTask]:
    """Yield the tasks of a queue in the order of their creation, those in flight as waiting."""
    generation = queues.existing(session, "get_queue", queue).generation
    rows = session.each("list_tasks", generation=generation, after=0, limit=_ALL)
    for row in map(TaskRow._make, rows):
        yield StoredTask(to_task(queue, row), row.seq)


def list_tombstones(session: Session, queue: str, now: Micros) -> Iterator[Tombstone]:
    """Yield the names of a queue that are reserved, by id."""
    key = queues.existing(session, "get_queue", queue).key
    retention = session.retention.task_tombstone
    rows = session.each("list_task_tombstones", queue=key, now=now, retention=retention)
    for task_id, expire_time in rows:
        yield Tombstone(names.join_task(queue, task_id), expire_time)


def list_dead_letters(session: Session) -> Iterator[DeadLetter]:
    """Yield all dead letters, also those of deleted queues, in the order of failure."""
    for request, *row in session.each("list_all_dead_letters"):
        yield to_dead_letter(DeadLetterRow(*row), request)


def find_existing(session: Session, names: Sequence[str]) -> list[str]:
    """Return those queues that exist, by name."""
    return sorted(queues.share(session, names))


def insert_queue(session: Session, queue: Queue, now: Micros) -> None:
    """Insert a queue that does not exist; a tombstone of its name is deleted."""

    def create(existing: Queue | None) -> Queue:
        if existing is not None:
            raise errors.queue_exists()
        return queue

    queues.update_queue(session, queue.name, create, now, ignore_tombstone=True)
    session.run("set_purge_time", name=queue.name, purge_time=queue.purge_time)


def insert_tasks(session: Session, stored: Sequence[StoredTask], now: Micros) -> int:
    """Insert tasks with their counts; return how many.

    A task whose name exists or is reserved is left out. NotFound for a queue that does not exist;
    Aborted if a server has changed the same names at the same time: nothing is inserted.
    """
    by_queue = queues.share(session, {_queue_of(each) for each in stored})
    if any(_queue_of(each) not in by_queue for each in stored):
        raise errors.queue_missing()
    new = _select_new(session, stored, by_queue, now)
    _advance_seqs(session, new)
    rows = _rows(session, new, by_queue, now)
    if session.insert("insert_stored_tasks", rows) != len(rows):
        raise errors.Aborted("Tasks were created by a server at the same time.")
    _wake(session, new, by_queue)
    return len(rows)


def insert_tombstones(session: Session, tombstones: Sequence[Tombstone]) -> int:
    """Reserve names of tasks until the times given; return how many."""
    named = [(names.task(each.name), each.expire_time) for each in tombstones]
    by_queue = queues.share(session, {queue for (queue, _), _ in named})
    rows = {
        (by_queue[queue].key, task_id): (by_queue[queue].key, task_id, expire_time)
        for (queue, task_id), expire_time in named
        if queue in by_queue
    }
    return session.insert("insert_task_tombstones", list(rows.values())) if rows else 0


def insert_dead_letters(session: Session, letters: Sequence[DeadLetter]) -> int:
    """Insert dead letters in their order; return how many. One that exists is left out."""
    inserted = [
        letter
        for letter in letters
        if session.insert("insert_stored_dead_letters", [_dead_letter_row(letter)])
    ]
    history.adjust_totals(session, len(inserted), sum(len(each.task.request) for each in inserted))
    return len(inserted)


def _queue_of(stored: StoredTask) -> str:
    return names.task(stored.task.name).queue


def _id_of(stored: StoredTask) -> str:
    return names.task(stored.task.name).id


def _select_new(
    session: Session, stored: Sequence[StoredTask], by_queue: dict[str, QueueRow], now: Micros
) -> list[StoredTask]:
    """Return the tasks whose names are free, each name once."""
    by_name = {each.task.name: each for each in stored}
    lookups = {
        name: tasks.Lookup(by_queue[_queue_of(each)], _id_of(each), now)
        for name, each in by_name.items()
    }
    uses = tasks.look_up(session, list(lookups.values()))
    return [
        by_name[name]
        for name, lookup in lookups.items()
        if uses[lookup.name].seq is None and not uses[lookup.name].tombstone
    ]


def _advance_seqs(session: Session, stored: Sequence[StoredTask]) -> None:
    """Let no task get a seq from now on that one of these may have."""
    last = max((each.seq for each in stored if each.seq is not None), default=None)
    if last is not None:
        session.one("reserve_seqs", first=last + 1, count=0)


def _rows(
    session: Session, stored: Sequence[StoredTask], by_queue: dict[str, QueueRow], now: Micros
) -> list[tuple[object, ...]]:
    """Return the rows of tasks. One whose seq is taken gets another and keeps its name."""
    rows = []
    for each, seq in zip(stored, _assign_seqs(session, stored, now), strict=True):
        task_id, generation = _id_of(each), by_queue[_queue_of(each)].generation
        generated = task_id == str(seq)
        rows.append(_task_row(each.task, seq, generation, None if generated else task_id))
    return rows


def _assign_seqs(session: Session, stored: Sequence[StoredTask], now: Micros) -> list[int]:
    """Return the seqs of tasks: their own, or new ones where they have none that is free."""
    seqs = [each.seq for each in stored if each.seq is not None]
    taken = {seq for (seq,) in session.all("list_taken_seqs", seqs=json.dumps(seqs))}
    own: list[int | None] = []
    for each in stored:
        own.append(None if each.seq in taken else each.seq)
        taken.add(each.seq)
    (reserved,) = session.one("reserve_seqs", first=task_ids.first_seq(now), count=own.count(None))
    numbers = itertools.count(reserved)
    return [next(numbers) if seq is None else seq for seq in own]


def _task_row(task: Task, seq: int, generation: int, task_id: str | None) -> tuple[object, ...]:
    """Return a row of ``task``."""
    row = TaskRow(
        seq=seq,
        generation=generation,
        id=task_id,
        create_time=task.create_time,
        schedule_time=task.schedule_time,
        claim=None,
        dispatch_count=task.dispatch_count,
        response_count=task.response_count,
        execution_count=task.execution_count,
        previous_response=task.previous_response,
        first_dispatch_time=task.first_dispatch_time,
        request=task.request,
        **_attempt_columns(task.last_attempt),
    )
    return tuple(row)


def _attempt_columns(last: Attempt | None) -> dict[str, Any]:
    attempt = last or _NO_ATTEMPT
    return {
        "last_schedule_time": None if last is None else attempt.schedule_time,
        "last_dispatch_time": None if last is None else attempt.dispatch_time,
        "last_response_time": attempt.response_time,
        "last_code": int(attempt.code),
        "last_message": attempt.message,
    }


def _dead_letter_row(letter: DeadLetter) -> tuple[object, ...]:
    """Return a row of ``dead_letter`` without its number, and its request."""
    queue, task_id = names.task(letter.task.name)
    row = DeadLetterRow(
        number=0,
        queue=queue,
        id=task_id,
        time=letter.time,
        reason=letter.reason,
        response_body=letter.response_body,
        create_time=letter.task.create_time,
        schedule_time=letter.task.schedule_time,
        dispatch_count=letter.task.dispatch_count,
        response_count=letter.task.response_count,
        first_dispatch_time=letter.task.first_dispatch_time,
        **_attempt_columns(letter.task.last_attempt),
    )
    return (*row[1:], letter.task.request)


def _wake(session: Session, stored: Sequence[StoredTask], by_queue: dict[str, QueueRow]) -> None:
    woken: dict[int, tuple[Micros, int]] = {}
    for each in stored:
        key, time = by_queue[_queue_of(each)].key, each.task.schedule_time
        earliest, count = woken.get(key, (time, 0))
        woken[key] = min(earliest, time), count + 1
    if woken:
        rows = [(key, *values) for key, values in sorted(woken.items())]
        session.run("wake_queues", queues=json.dumps(rows))
