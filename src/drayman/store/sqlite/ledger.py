"""The verbs of attempts and dead letters, on a connection inside a transaction."""

import dataclasses
import json
from collections.abc import Sequence
from typing import NamedTuple

from drayman.core import errors, names, record
from drayman.core.clock import Micros
from drayman.core.errors import ServiceError
from drayman.core.lifecycle import Settlement
from drayman.core.limits import Limits
from drayman.core.record import AttemptRecord, DeadLetter
from drayman.core.status import Code
from drayman.core.task import Attempt, NewTask, Task
from drayman.store import statements
from drayman.store.sqlite import tasks
from drayman.store.sqlite.rows import Connection


class DeadRow(NamedTuple):
    """A row of ``dead_letter``."""

    number: int
    queue: str
    id: str
    time: int
    reason: str
    answer: str
    create_time: int
    schedule_time: int
    dispatch_count: int
    response_count: int
    first_dispatch_time: int | None
    last_schedule_time: int | None
    last_dispatch_time: int | None
    last_response_time: int | None
    last_code: int
    last_message: str
    request: bytes


_SQL = statements.load("drayman.store.sqlite.sql", "ledger.sql", dead=", ".join(DeadRow._fields))


def note_attempts(connection: Connection, ended: Sequence[Settlement]) -> None:
    """Keep the attempts that are to be kept."""
    kept = [each.record for each in ended if each.record is not None]
    if kept:
        rows = [
            (*names.task("name", each.task), json.dumps(dataclasses.astuple(each))) for each in kept
        ]
        connection.execute(_SQL["add_attempts"], {"records": json.dumps(rows)})


def note_dead(
    connection: Connection, dead: Sequence[tuple[int, Settlement]], limits: Limits, now: Micros
) -> None:
    """Keep tasks that failed for good; called before they are removed."""
    rows = [
        (seq, each.reason, each.record.answer if each.record else "", each.response_time,
         int(each.code), each.message, int(each.responded))
        for seq, each in dead
    ]  # fmt: skip
    _add_dead(connection, rows, limits, now)


def note_old(connection: Connection, seqs: Sequence[int], limits: Limits, now: Micros) -> None:
    """Keep tasks that grew too old; called before they are removed."""
    rows = [(seq, "it has outlived its retention", "") for seq in seqs]
    _add_dead(connection, rows, limits, now)


def list_attempts(
    connection: Connection, queue: str, task: str | None, before: int, limit: int
) -> list[tuple[int, AttemptRecord]]:
    """Return attempts of a queue, the latest first."""
    given = {"queue": queue, "task": task, "before": before, "limit": limit}
    rows = connection.execute(_SQL["list_attempts"], given).fetchall()
    return [(number, _record_of(text)) for number, text in rows]


def list_dead(
    connection: Connection, queue: str, code: Code | None, after: int, limit: int
) -> list[DeadLetter]:
    """Return dead letters of a queue, the earliest first."""
    given = {"queue": queue, "code": code, "after": after, "limit": limit}
    rows = connection.execute(_SQL["list_dead"], given).fetchall()
    return [_dead_of(DeadRow(*row)) for row in rows]


def get_dead(connection: Connection, name: str) -> DeadLetter:
    """Return a dead letter."""
    queue, task_id = names.task("name", name)
    row = connection.execute(_SQL["get_dead"], {"queue": queue, "id": task_id}).fetchone()
    if row is None:
        raise errors.entity_missing()
    return _dead_of(DeadRow(*row))


def delete_dead(connection: Connection, given: Sequence[str]) -> list[ServiceError | None]:
    """Delete dead letters, each on its own."""
    results: list[ServiceError | None] = []
    for name in given:
        queue, task_id = names.task("name", name)
        deleted = connection.execute(_SQL["delete_dead"], {"queue": queue, "id": task_id})
        results.append(None if deleted.rowcount else errors.entity_missing())
    return results


def replay_dead(
    connection: Connection, given: Sequence[str], now: Micros, limits: Limits
) -> list[Task | ServiceError]:
    """Make tasks of dead letters again, each on its own."""
    return [_replay(connection, name, now, limits) for name in given]


def sweep(connection: Connection, now: Micros, limit: int, limits: Limits) -> int:
    """Forget what is too much or too old."""
    given = {"limit": limit, "most": record.ATTEMPTS_KEPT}
    removed: int = connection.execute(_SQL["sweep_attempts"], given).rowcount
    given = {"limit": limit, "most": record.DEAD_KEPT, "time": now - limits.dead_letters}
    removed += connection.execute(_SQL["sweep_dead"], given).rowcount
    return removed


def _add_dead(
    connection: Connection, rows: Sequence[tuple[object, ...]], limits: Limits, now: Micros
) -> None:
    if rows and limits.dead_letters:
        connection.execute(_SQL["add_dead"], {"dead": json.dumps(rows), "now": now})


def _replay(connection: Connection, name: str, now: Micros, limits: Limits) -> Task | ServiceError:
    queue, task_id = names.task("name", name)
    try:
        letter = get_dead(connection, name)
    except ServiceError as error:
        return error
    key = {"queue": queue, "id": task_id}
    connection.execute(_SQL["forget_tombstone"], key)
    new = NewTask(task_id, now, letter.task.request)
    ((made,),) = tasks.create(connection, [tasks.Creation(queue, [new], now)], limits)
    if isinstance(made, Task):
        connection.execute(_SQL["delete_dead"], key)
    return made


def _record_of(text: str) -> AttemptRecord:
    kept = AttemptRecord(*json.loads(text))
    return dataclasses.replace(kept, code=Code(kept.code))


def _dead_of(row: DeadRow) -> DeadLetter:
    last = None
    if row.last_schedule_time is not None and row.last_dispatch_time is not None:
        last = Attempt(
            row.last_schedule_time,
            row.last_dispatch_time,
            row.last_response_time,
            Code(row.last_code),
            row.last_message,
        )
    task = Task(
        name=names.join_task(row.queue, row.id),
        create_time=row.create_time,
        schedule_time=row.schedule_time,
        request=row.request,
        dispatch_count=row.dispatch_count,
        response_count=row.response_count,
        first_dispatch_time=row.first_dispatch_time,
        last_attempt=last,
    )
    return DeadLetter(row.number, task, row.time, row.reason, row.answer)
