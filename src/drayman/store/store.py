"""The store: the verbs of the contract, run by group commit on a database."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from drayman.core import errors
from drayman.core.clock import Micros
from drayman.core.document import Document
from drayman.core.limits import POLICY_SIZE, SETTINGS_SIZE
from drayman.core.task import NewTask
from drayman.store import group_commit
from drayman.store.contract import GroupMeter, Outbox, StoreLoad, StoreSize
from drayman.store.group_commit import GroupCommit
from drayman.store.session import Session
from drayman.store.verb import Phase, Verb, at_once, grouped, single
from drayman.store.verbs import (
    batches,
    claims,
    documents,
    history,
    queues,
    reset,
    results,
    sweep,
    tasks,
)
from drayman.store.verbs.results import Settle
from drayman.store.verbs.tasks import CreateTasks, DeleteTasks

_Result = TypeVar("_Result")


class Database(group_commit.Database, Protocol):
    """A database as the store sees it."""

    @property
    def url(self) -> str:
        """Its URL, as given to the ``--store`` option."""

    @property
    def format(self) -> int:
        """The number of its format."""

    @property
    def recovered(self) -> int:
        """How many claims of a server that had died were released when it was opened."""

    def inspect(self) -> None:
        """Find out which calls to refuse.

        Called in the writer's thread, outside any transaction, at regular intervals.
        """

    def vacuum(self) -> bool:
        """Give some free space back to the disk; return whether more is left.

        Called in the writer's thread, outside any transaction.
        """

    def close(self) -> None:
        """Close the database."""


def _touch(session: Session) -> None:
    session.run("touch")


def _size(session: Session) -> StoreSize:
    return StoreSize(*session.one("database_size"))


def _always(_call: object) -> bool:
    return True


def _tasks_size(queue: str, tasks: Sequence[NewTask], now: Micros) -> int:  # noqa: ARG001
    return sum(len(task.request) for task in tasks)


def _earliest(queue: str, tasks: Sequence[NewTask], now: Micros) -> Micros | None:  # noqa: ARG001
    return min((task.schedule_time for task in tasks), default=None)


def _names_size(names: Sequence[str], now: Micros) -> int:  # noqa: ARG001
    return sum(map(len, names))


def _document_size(document: Document) -> int:
    return len(document.content)


def _queue_size(*_: Any, **__: Any) -> int:
    return SETTINGS_SIZE + POLICY_SIZE  # the most that the new queue holds


class Store:
    """Implements ``contract.Store`` on any database. The contract describes the verbs."""

    get_queue = single(queues.get_queue, Phase.READS)
    list_queues = single(queues.list_queues, Phase.READS)
    list_locations = single(queues.list_locations, Phase.READS)
    queue_stats = single(queues.queue_stats, Phase.READS)
    list_queue_stats = single(queues.list_queue_stats, Phase.READS)
    count_queues = single(queues.count_queues, Phase.READS)
    update_queue = single(
        queues.update_queue, Phase.QUEUES, due=at_once, size=_queue_size, alone=True
    )
    purge_queue = single(queues.purge_queue, Phase.DELETIONS, alone=True)
    delete_queue = single(queues.delete_queue, Phase.DELETIONS, alone=True)

    create_tasks = grouped(
        tasks.create_tasks,
        CreateTasks,
        Phase.TASKS,
        due=_earliest,
        size=_tasks_size,
        grows=_always,
    )
    get_task = single(tasks.get_task, Phase.READS)
    list_tasks = single(tasks.list_tasks, Phase.READS)
    delete_tasks = grouped(tasks.delete_tasks, DeleteTasks, Phase.DELETIONS, size=_names_size)
    run_task = single(tasks.run_task, Phase.TASKS, due=at_once, alone=True)
    run_batch = single(
        batches.run_batch, Phase.TASKS, due=at_once, size=batches.size, grows=batches.grows,
        alone=True,
    )  # fmt: skip

    claim_due = single(claims.claim_due, Phase.CLAIMS, durable=False, bounded=False)
    settle = grouped(
        results.settle, Settle, Phase.OUTCOMES, durable=False, bounded=False, due=at_once
    )
    release = single(claims.release, Phase.OUTCOMES, durable=False, bounded=False, due=at_once)
    release_unsent = single(
        claims.release_unsent, Phase.OUTCOMES, durable=False, bounded=False, due=at_once
    )
    release_unknown = single(
        claims.release_unknown, Phase.OUTCOMES, durable=False, bounded=False, due=at_once
    )
    sweep = single(sweep.sweep, Phase.UPKEEP, durable=False, bounded=False)

    list_attempts = single(history.list_attempts, Phase.READS)
    list_dead_letters = single(history.list_dead_letters, Phase.READS)
    replay_dead_letters = single(history.replay_dead_letters, Phase.TASKS, due=at_once)
    delete_dead_letters = single(history.delete_dead_letters, Phase.DELETIONS)

    get_document = single(documents.get_document, Phase.READS)
    list_documents = single(documents.list_documents, Phase.READS)
    put_document = single(documents.put_document, Phase.UPKEEP, size=_document_size)
    delete_document = single(documents.delete_document, Phase.DELETIONS)

    reset = single(reset.reset, Phase.UPKEEP)
    size = single(_size, Phase.READS)
    _touch = single(_touch, Phase.UPKEEP)

    def __init__(self, database: Database) -> None:
        self._database = database
        self._group_commit = GroupCommit(database)
        self._closed = False
        self.outbox: Outbox | None = None

    @property
    def url(self) -> str:
        """The URL of the store, as given to the ``--store`` option."""
        return self._database.url

    @property
    def format(self) -> int:
        """The number of the store's format."""
        return self._database.format

    @property
    def recovered(self) -> int:
        """How many claims of a server that had died were released at the start."""
        return self._database.recovered

    @property
    def group_meters(self) -> Sequence[GroupMeter]:
        """The groups of each writer since the start."""
        return self._group_commit.meters

    @property
    def load(self) -> StoreLoad:
        """What is asked of the store at present."""
        return self._group_commit.load

    def call(
        self, verb: Verb[Any, _Result], argument: Any, size: int, due: Micros | None = None
    ) -> asyncio.Future[_Result]:
        """Run one call of a verb."""
        return self._group_commit.call(verb, argument, size, due)

    def on_change(self, hint: Callable[[Micros], object]) -> None:
        """Call ``hint`` when tasks may become due."""
        self._group_commit.on_change(hint)

    async def inspect(self) -> None:
        """Find out whether the store can keep its promises at present."""
        await self.call(_INSPECT, self._database, 0)
        for verb in _VITAL:
            error = self._group_commit.failure(verb)
            if error is not None:
                reason = errors.describe(error)
                raise errors.Unavailable(f"The store's {verb.name} keeps failing: {reason}")

    async def check(self) -> None:
        """Check that the store can be written at present."""
        await self.inspect()
        await self._touch()

    @property
    def idle(self) -> bool:
        """Whether no call waits for the store or runs in it."""
        return self._group_commit.idle

    async def vacuum(self) -> bool:
        """Give some free space of the database back to the disk; return whether more is left."""
        return await self.call(_VACUUM, self._database, 0)

    async def close(self) -> None:
        """Finish the waiting calls and close the database."""
        await self._group_commit.close()
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._database.close)


def _inspect(_session: Session, databases: Sequence[Database]) -> list[None]:
    """Inspect the database; the error by which a promise would be refused."""
    for database in databases:
        database.inspect()
        refusal = database.refusal(durable=True, grows=True)
        if refusal is not None:
            raise refusal
    return [None] * len(databases)


def _vacuum(_session: Session, databases: Sequence[Database]) -> list[bool]:
    return [database.vacuum() for database in databases]


_VACUUM = grouped(_vacuum, lambda database: database, Phase.MAINTENANCE, bounded=False)
_INSPECT = grouped(_inspect, lambda database: database, Phase.MAINTENANCE, bounded=False)
_VITAL: tuple[Verb[Any, Any], ...] = (Store.claim_due, Store.settle)
"""The verbs without which no task is delivered or completed."""
