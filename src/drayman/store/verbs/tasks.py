"""The verbs of tasks."""

import collections
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeGuard

from drayman.core import errors, names, task_ids
from drayman.core.clock import Micros
from drayman.core.errors import ServiceError
from drayman.core.task import NewTask, Task
from drayman.core.task_ids import NameUse
from drayman.store import paging
from drayman.store.contract import TaskPage
from drayman.store.rows import QueueRow, TaskRow, to_task
from drayman.store.session import Session
from drayman.store.verbs import queues

_Name = tuple[int, str]
"""The key of a queue and the id of a task."""


class CreateTasks(NamedTuple):
    """The arguments of one ``create_tasks``."""

    queue: str
    tasks: Sequence[NewTask]
    now: Micros


class DeleteTasks(NamedTuple):
    """The arguments of one ``delete_tasks``."""

    names: Sequence[str]
    now: Micros


class Lookup(NamedTuple):
    """A task name to look up at the time ``now``."""

    queue: QueueRow
    task_id: str
    now: Micros

    @property
    def name(self) -> _Name:
        """The key of the queue, and the id."""
        return self.queue.key, self.task_id


def create_tasks(session: Session, calls: Sequence[CreateTasks]) -> list[list[Task | ServiceError]]:
    """Create the tasks of all calls of a group, in a handful of statements."""
    rows = queues.share(session, {call.queue for call in calls})
    uses = look_up(
        session,
        [
            Lookup(queue, task.id, call.now)
            for call in calls
            if (queue := rows.get(call.queue))
            for task in call.tasks
            if task.id
        ],
    )
    creation = _Creation(uses, _reserve_seqs(session, calls))
    for call in calls:
        creation.add(call, rows.get(call.queue))
    creation.insert(session)
    return creation.results


def get_task(session: Session, name: str, now: Micros) -> Task:
    """Return a task."""
    queue_name, task_id = names.task(name)
    queue = queues.find(session, "get_queue", queue_name)
    if queue is None:
        raise errors.entity_missing()
    use = _use(session, queue, task_id, now)
    if use.seq is None:
        raise task_ids.missing_error(use, task_id, now, session.retention.task_tombstone)
    return to_task(queue.name, _get(session, use.seq))


def list_tasks(session: Session, queue: str, after: int, limit: int, size: int) -> TaskPage:
    """Return tasks of a queue after a cursor, by count and size."""
    row = queues.existing(session, "get_queue", queue)
    rows = session.each("list_tasks", generation=row.generation, after=after, limit=limit)
    page, _ = paging.take(map(TaskRow._make, rows), limit, size, lambda task: len(task.request))
    return TaskPage([to_task(queue, task) for task in page], page[-1].seq if page else None)


def delete_tasks(session: Session, calls: Sequence[DeleteTasks]) -> list[list[ServiceError | None]]:
    """Delete the tasks of all calls of a group, in a handful of statements."""
    rows: dict[str, QueueRow | None] = {}
    lookups = [[_lookup(session, name, call.now, rows) for name in call.names] for call in calls]
    uses = look_up(session, [each for call in lookups for each in call if _is_lookup(each)])
    deletion = _Deletion(uses)
    results = [[deletion.add(each) for each in call] for call in lookups]
    now = max((call.now for call in calls), default=0)
    removed = remove(session, deletion.tasks, now + session.retention.task_tombstone)
    count_removed(session, removed)
    return results


def run_task(session: Session, name: str, now: Micros) -> Task:
    """Grant a task one attempt."""
    queue_name, task_id = names.task(name)
    queue = queues.existing(session, "share_queue", queue_name)
    seq = _use(session, queue, task_id, now).seq
    if seq is None:
        raise errors.entity_missing()
    number = grant(session, seq, queue.key, now)
    if number is None:  # granted already
        return to_task(queue.name, _get(session, seq))
    row = session.first("claim_tasks", claims=json.dumps([[number, seq]]), now=now)
    if row is None:  # another server has deleted it since it was found
        raise errors.entity_missing()
    return to_task(queue.name, TaskRow(*row))


def grant(session: Session, seq: int, queue: int, forced_at: Micros) -> int | None:
    """Insert a claim that waits for a server; return its number, None if the task has one."""
    row = session.first("insert_grant", seq=seq, queue=queue, forced_at=forced_at)
    return None if row is None else int(row[0])


def remove(
    session: Session, tasks: Iterable[tuple[int, int]], expire_time: Micros
) -> Mapping[int, int]:
    """Delete tasks, given as seq and key of the queue, and their granted attempts.

    The names of named tasks are reserved by tombstones until ``expire_time``. Returns how many
    tasks there were, by generation: the caller subtracts them from the counts of their queues.
    """
    by_seq = dict(tasks)
    if not by_seq:
        return {}
    seqs = json.dumps(sorted(by_seq))
    session.run("delete_grants", seqs=seqs)
    rows = session.all("delete_tasks", seqs=seqs)
    names = {(by_seq[seq], task_id) for seq, task_id, _ in rows if task_id is not None}
    if names:
        session.run("add_task_tombstones", names=json.dumps(sorted(names)), expire_time=expire_time)
    return collections.Counter(generation for _, _, generation in rows)


def count_removed(session: Session, removed: Mapping[int, int]) -> None:
    """Subtract removed tasks, by generation, from the counts of their queues."""
    if removed:
        session.run("count_removed", removed=json.dumps(removed))


class _Creation:
    """The tasks that a group creates.

    Attributes:
        results: For each call its tasks, with an error in place of each that is refused.
    """

    def __init__(self, uses: Mapping[_Name, NameUse], first_seq: int) -> None:
        self.results: list[list[Task | ServiceError]] = []
        self._uses = uses
        self._next_seq = first_seq
        self._named: dict[_Name, tuple[Lookup, int, list[Task | ServiceError], int]] = {}
        self._rows: list[tuple[object, ...]] = []
        self._wake_times: dict[int, Micros] = {}
        self._counts: collections.Counter[int] = collections.Counter()

    def add(self, call: CreateTasks, queue: QueueRow | None) -> None:
        """Add the tasks of a call."""
        results: list[Task | ServiceError] = []
        self.results.append(results)
        for task in call.tasks:
            results.append(self._error(task, queue) or self._add(task, call, queue, results))

    def insert(self, session: Session) -> None:
        """Insert and count the tasks; make their queues ready when the first task is due."""
        if not self._rows:
            return
        if session.insert("insert_tasks", self._rows) < len(self._rows):
            self._refuse_conflicts(session)
        if self._rows:
            rows = [(key, self._wake_times.get(key), count) for key, count in self._counts.items()]
            counts = json.dumps(rows)
            if self._wake_times:
                session.run("wake_queues", queues=counts)
            else:
                session.run("count_created", queues=counts)

    def _error(self, task: NewTask, queue: QueueRow | None) -> ServiceError | None:
        if queue is None:
            return errors.queue_missing()
        if not task.id:
            return None
        name = queue.key, task.id
        if name in self._named:
            return errors.task_exists()
        return task_ids.creation_error(self._uses[name])

    def _add(
        self,
        task: NewTask,
        call: CreateTasks,
        queue: QueueRow | None,
        results: list[Task | ServiceError],
    ) -> Task:
        assert queue is not None  # noqa: S101 - an absent queue is an error
        seq, due = task.seq, task.schedule_time
        if seq is None:
            seq = self._next_seq
            self._next_seq += 1
        if task.id:
            lookup = Lookup(queue, task.id, call.now)
            self._named[lookup.name] = lookup, seq, results, len(results)
        self._rows.append((seq, queue.generation, task.id, call.now, due, task.request))
        self._counts[queue.key] += 1
        if queue.wake_time is None or due < queue.wake_time:  # or it is awake in time
            self._wake_times[queue.key] = min(self._wake_times.get(queue.key, due), due)
        return Task(names.join_task(call.queue, task.id or str(seq)), call.now, due, task.request)

    def _refuse_conflicts(self, session: Session) -> None:
        """Refuse the tasks whose names another server took after they were looked up."""
        uses = look_up(session, [lookup for lookup, *_ in self._named.values()])
        for name, (_, seq, results, index) in self._named.items():
            if uses[name].seq != seq:
                results[index] = task_ids.creation_error(uses[name]) or errors.task_exists()


def _reserve_seqs(session: Session, calls: Sequence[CreateTasks]) -> int:
    """Reserve a seq for each task that has none; return the first."""
    count = sum(task.seq is None for call in calls for task in call.tasks)
    if not count:
        return 0
    first = task_ids.first_seq(max((call.now for call in calls), default=0))
    (reserved,) = session.one("reserve_seqs", first=first, count=count)
    return int(reserved)


def look_up(session: Session, lookups: Sequence[Lookup]) -> dict[_Name, NameUse]:
    """Return for each name whether a task, a tombstone or a recently purged task uses it."""
    if not lookups:
        return {}
    tombstone = session.retention.task_tombstone
    rows = [
        (each.queue.key, each.queue.generation, each.task_id, task_ids.parse(each.task_id),
         each.now, each.now - tombstone)
        for each in lookups
    ]  # fmt: skip
    uses = session.all("look_up_names", names=json.dumps(rows))
    return {(key, task_id): NameUse(seq, bool(gone)) for key, task_id, seq, gone in uses}


def _use(session: Session, queue: QueueRow, task_id: str, now: Micros) -> NameUse:
    """Return what uses the name of a task."""
    lookup = Lookup(queue, task_id, now)
    return look_up(session, [lookup])[lookup.name]


def _get(session: Session, seq: int) -> TaskRow:
    row = session.first("get_task", seq=seq)
    if row is None:  # another server has removed it since it was found
        raise errors.task_gone()
    return TaskRow(*row)


def _lookup(
    session: Session, name: str, now: Micros, rows: dict[str, QueueRow | None]
) -> Lookup | ServiceError:
    """Return the lookup for a task's name, or the error if it is invalid or has no queue."""
    try:
        queue_name, task_id = names.task(name)
    except ServiceError as error:
        return error
    if queue_name not in rows:
        rows[queue_name] = queues.find(session, "share_queue", queue_name)
    queue = rows[queue_name]
    return errors.entity_missing() if queue is None else Lookup(queue, task_id, now)


def _is_lookup(item: Lookup | ServiceError) -> TypeGuard[Lookup]:
    return isinstance(item, Lookup)


class _Deletion:
    """The tasks that a group deletes.

    Attributes:
        tasks: Their seqs, each with the key of its queue.
    """

    def __init__(self, uses: dict[_Name, NameUse]) -> None:
        self.tasks: list[tuple[int, int]] = []
        self._uses = uses

    def add(self, item: Lookup | ServiceError) -> ServiceError | None:
        """Add a task; return None, or the error if it does not exist."""
        if isinstance(item, ServiceError):
            return item
        use = self._uses[item.name]
        if use.seq is None:
            return errors.entity_missing()
        self.tasks.append((use.seq, item.queue.key))
        self._uses[item.name] = NameUse(
            None, tombstone=True
        )  # the group may contain the name again
        return None
