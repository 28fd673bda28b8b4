"""The verbs of attempts and dead letters, on a connection inside a transaction."""

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from drayman.core import errors, history, names
from drayman.core.clock import Micros
from drayman.core.errors import ServiceError
from drayman.core.history import AttemptRecord, DeadLetter
from drayman.core.lifecycle import AttemptResult, SettleResult, as_it_came
from drayman.core.limits import Limits
from drayman.core.status import Code
from drayman.core.task import Attempt, NewTask, Task
from drayman.store import statements
from drayman.store.sqlite import tasks
from drayman.store.sqlite.rows import Connection, text

_Item = TypeVar("_Item")


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


def note_attempts(
    connection: Connection, ended: Sequence[tuple[AttemptResult, SettleResult]]
) -> None:
    """Keep the attempts that are to be kept."""
    kept = [as_it_came(each.record, fate) for each, fate in ended if each.record is not None]
    if kept:
        rows = [(*names.task("name", each.task), history.dumps(each)) for each in kept]
        connection.execute(_SQL["add_attempts"], {"records": json.dumps(rows)})


def note_dead(
    connection: Connection, dead: Sequence[tuple[int, AttemptResult]], limits: Limits, now: Micros
) -> None:
    """Keep tasks that failed for good; called before they are removed."""
    rows = [
        (seq, text(each.reason), text(each.record.answer) if each.record else "",
         each.response_time, int(each.code), text(each.message), int(each.responded))
        for seq, each in dead
    ]  # fmt: skip
    _add_dead(connection, rows, limits, now)


def note_old(connection: Connection, seqs: Sequence[int], limits: Limits, now: Micros) -> None:
    """Keep tasks that grew too old; called before they are removed."""
    rows = [(seq, "it has outlived its retention", "") for seq in seqs]
    _add_dead(connection, rows, limits, now)


def list_attempts(
    connection: Connection, queue: str, task: str | None, before: int, limit: int, size: int
) -> list[tuple[int, AttemptRecord]]:
    """Return attempts of a queue, the latest first, by count and size."""
    given = {"queue": queue, "task": task, "before": before, "limit": limit}
    found = connection.execute(_SQL["list_attempts" if task is None else "list_attempts_of"], given)
    sized = ((len(kept), (number, history.loads(kept))) for number, kept in found)
    page = _page(sized, size)
    found.close()
    return page


def list_dead(
    connection: Connection, queue: str, code: Code | None, after: int, limit: int, size: int
) -> list[DeadLetter]:
    """Return dead letters of a queue, the earliest first, by count and size."""
    given = {"queue": queue, "code": code, "after": after, "limit": limit}
    found = connection.execute(_SQL["list_dead" if code is None else "list_dead_coded"], given)
    rows = map(DeadRow._make, found)
    page = _page(((len(row.request), _dead_of(row)) for row in rows), size)
    found.close()
    return page


def _page(sized: Iterable[tuple[int, _Item]], size: int) -> list[_Item]:
    """Return items up to a size, the first in any case."""
    page: list[_Item] = []
    total = 0
    for weight, item in sized:
        total += weight
        if page and total > size:
            break
        page.append(item)
    return page


def dead_names(
    connection: Connection, queue: str, code: Code | None, after: int, limit: int
) -> list[tuple[int, str]]:
    """Return numbers and names of dead letters of a queue, the earliest first."""
    given = {"queue": queue, "code": code, "after": after, "limit": limit}
    rows = connection.execute(_SQL["dead_names" if code is None else "dead_names_coded"], given)
    return [(number, names.join_task(queue, task_id)) for number, task_id in rows.fetchall()]


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
    surplus = min(limit, _kept(connection, "attempts") - history.ATTEMPTS_KEPT)
    removed: int = 0
    if surplus > 0:
        removed = connection.execute(_SQL["sweep_attempts"], {"limit": surplus}).rowcount
    return removed + _sweep_dead(connection, now, limit - removed, limits)


def _sweep_dead(connection: Connection, now: Micros, limit: int, limits: Limits) -> int:
    count = _kept(connection, "dead") - history.DEAD_KEPT
    size = _kept(connection, "dead_bytes") - history.DEAD_BYTES
    last = None
    for number, time, length in connection.execute(_SQL["oldest_dead"], {"limit": limit}):
        if count <= 0 and size <= 0 and time > now - limits.dead_letters:
            break
        last = number
        count, size = count - 1, size - length
    if last is None:
        return 0
    removed: int = connection.execute(_SQL["sweep_dead"], {"number": last}).rowcount
    return removed


def _kept(connection: Connection, name: str) -> int:
    """Return how much there is: of "attempts", "dead" or "dead_bytes"."""
    (value,) = connection.execute(_SQL["kept"], {"name": name}).fetchone()
    return int(value)


def _add_dead(
    connection: Connection, rows: Sequence[tuple[object, ...]], limits: Limits, now: Micros
) -> None:
    if rows and limits.dead_letters:
        given = {"dead": json.dumps(rows)}
        connection.execute(_SQL["forget_dead"], given)  # of an earlier life of the same name
        connection.execute(_SQL["add_dead"], given | {"now": now})


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
