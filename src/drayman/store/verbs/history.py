"""The verbs of recorded attempts and dead letters."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from drayman.core import errors, history, names
from drayman.core.clock import Micros
from drayman.core.errors import ServiceError
from drayman.core.history import AttemptRecord, DeadLetter
from drayman.core.lifecycle import AttemptResult, EndedClaim, SettleResult
from drayman.core.limits import PAGE_BYTES
from drayman.core.status import Code
from drayman.core.task import NewTask, Task
from drayman.store import paging, text
from drayman.store.rows import DeadLetterRow, to_dead_letter
from drayman.store.session import Session
from drayman.store.verbs import tasks

_Result = TypeVar("_Result")
_COUNT, _BYTES = "dead_letters", "dead_letter_bytes"


def list_attempts(
    session: Session,
    queue: str,
    task: str | None,
    before: int,
    limit: int,
    size: int = PAGE_BYTES,
) -> list[tuple[int, AttemptRecord]]:
    """Return recorded attempts of a queue, the latest first, by count and size."""
    if task is None:
        rows = session.each("list_attempts", queue=queue, before=before, limit=limit)
    else:
        rows = session.each(
            "list_attempts_of_task", queue=queue, task=task, before=before, limit=limit
        )
    page, _ = paging.take(rows, limit, size, lambda row: len(row[1]))
    return [(number, history.decode(record)) for number, record in page]


def list_dead_letters(
    session: Session,
    queue: str,
    after: int,
    limit: int,
    size: int = PAGE_BYTES,
    *,
    task: str | None = None,
    code: Code | None = None,
    with_request: bool = True,
) -> list[DeadLetter]:
    """Return dead letters of a queue, the earliest first, by count and size."""
    params = {"queue": queue, "after": after, "limit": limit, "with_request": with_request}
    if task is not None:
        rows = session.each("list_dead_letters_of_task", task=task, **params)
    elif code is not None:
        rows = session.each("list_dead_letters_of_code", code=int(code), **params)
    else:
        rows = session.each("list_dead_letters", **params)
    page, _ = paging.take(rows, limit, size, lambda row: len(row[0]))
    return [to_dead_letter(DeadLetterRow(*row), request) for request, *row in page]


def replay_dead_letters(
    session: Session, letters: Sequence[str], now: Micros
) -> list[Task | ServiceError]:
    """Create the tasks of dead letters again, each on its own."""
    return [_each(name, lambda queue, id_: _replay(session, queue, id_, now)) for name in letters]


def delete_dead_letters(session: Session, letters: Sequence[str]) -> list[ServiceError | None]:
    """Delete dead letters, each on its own."""
    return [_each(name, lambda queue, id_: _delete(session, queue, id_)) for name in letters]


def _each(name: str, verb: Callable[[str, str], _Result | ServiceError]) -> _Result | ServiceError:
    """Return what a verb makes of a task's queue and id, or the error of a malformed name."""
    try:
        queue, task_id = names.task(name)
    except ServiceError as error:
        return error
    return verb(queue, task_id)


def add_attempts(
    session: Session,
    ended: Sequence[EndedClaim],
    results: Mapping[int, AttemptResult],
    settled: Mapping[int, SettleResult],
) -> None:
    """Insert the records of those attempts that are to be recorded."""
    records = [
        history.record(results[claim.number], settled[claim.number])
        for claim in ended
        if results[claim.number].recorded
    ]
    rows = [(*names.task(each.task), history.encode(each)) for each in records]
    if rows:
        session.run("insert_attempts", attempts=json.dumps(rows))


def add_dead_letters(session: Session, failed: Mapping[int, AttemptResult], now: Micros) -> None:
    """Insert dead letters for tasks that failed for good, by seq, before the tasks are deleted."""
    rows = [
        (seq, text.clean(result.reason), text.clean(result.response_body), result.end_time,
         int(result.outcome.code), text.clean(result.outcome.message),
         int(result.outcome.responded))
        for seq, result in failed.items()
    ]  # fmt: skip
    _insert(session, rows, now)


def add_expired(session: Session, seqs: Sequence[int], now: Micros) -> None:
    """Insert dead letters for tasks beyond their retention, before the tasks are deleted."""
    reason = "it has outlived its retention"
    _insert(session, [(seq, reason, "", None, None, None, 0) for seq in seqs], now)


def sweep(session: Session, now: Micros, limit: int) -> int:
    """Delete what exceeds the bounds of the history."""
    if limit <= 0:
        return 0
    (count,) = session.one("count_attempts")
    surplus = min(limit, count - history.MAX_ATTEMPTS)
    removed = session.run("sweep_attempts", limit=surplus) if surplus > 0 else 0
    return removed + _sweep_dead_letters(session, now, limit - removed)


def _sweep_dead_letters(session: Session, now: Micros, limit: int) -> int:
    rows = session.all("oldest_dead_letters", limit=limit)
    count = history.count_expired(
        [(time, size) for _, time, size in rows],
        _counter(session, _COUNT) - history.MAX_DEAD_LETTERS,
        _counter(session, _BYTES) - history.MAX_DEAD_LETTER_BYTES,
        now - session.retention.dead_letters,
    )
    if count:
        session.run("sweep_dead_letters", number=rows[count - 1][0])
        adjust_totals(session, -count, -sum(size for *_, size in rows[:count]))
    return count


def _insert(session: Session, rows: Sequence[tuple[object, ...]], now: Micros) -> None:
    if not rows or not session.retention.dead_letters:
        return
    letters = json.dumps(rows)
    # It replaces the dead letter of an earlier task with the same name.
    old = session.all("delete_namesakes", letters=letters)
    new = session.all("insert_dead_letters", letters=letters, now=now)
    adjust_totals(session, len(new) - len(old), sum(n for (n,) in new) - sum(n for (n,) in old))


def _replay(session: Session, queue: str, task_id: str, now: Micros) -> Task | ServiceError:
    letters = list_dead_letters(session, queue, 0, 1, 0, task=task_id)
    if not letters:
        return errors.entity_missing()
    session.run("delete_task_tombstone", queue=queue, id=task_id)
    new = NewTask(task_id, now, letters[0].task.request)
    ((created,),) = tasks.create_tasks(session, [tasks.CreateTasks(queue, [new], now)])
    if isinstance(created, Task):
        _delete(session, queue, task_id)
    return created


def _delete(session: Session, queue: str, task_id: str) -> ServiceError | None:
    row = session.first("delete_dead_letter", queue=queue, id=task_id)
    if row is None:
        return errors.entity_missing()
    adjust_totals(session, -1, -row[0])
    return None


def _counter(session: Session, name: str) -> int:
    (value,) = session.one("get_counter", name=name)
    return int(value)


def adjust_totals(session: Session, count: int, size: int) -> None:
    """Maintain the totals of dead letters, so that no sweep has to count them."""
    for name, delta in ((_COUNT, count), (_BYTES, size)):
        if delta:
            session.run("adjust_counter", name=name, delta=delta)
