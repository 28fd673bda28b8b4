"""The embedded store: the verbs of the contract, handed to the writer."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from drayman.core import errors
from drayman.core.batch import Batch
from drayman.core.clock import Micros
from drayman.core.errors import ServiceError
from drayman.core.history import AttemptRecord, DeadLetter
from drayman.core.keys import SigningKey
from drayman.core.lifecycle import AttemptResult, SettleResult
from drayman.core.limits import PAGE_BYTES, Limits
from drayman.core.queue import Queue, State
from drayman.core.status import Code
from drayman.core.task import NewTask, Task
from drayman.store.contract import (
    Claims,
    OperationPage,
    QueueStats,
    Stats,
    StoreError,
    TaskPage,
)
from drayman.store.sqlite import access, batches, database, dispatch, keys, ledger, queues, tasks
from drayman.store.sqlite.checkpoint import Checkpointer
from drayman.store.sqlite.rows import Connection
from drayman.store.sqlite.writer import Rank, Verb, Writer


def _each(verb: Callable[..., Any]) -> Callable[[Connection, Sequence[Any]], list[Any]]:
    """Make a verb of one call a verb of many: what one refuses is its own affair."""

    def run(connection: Connection, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        results: list[Any] = []
        for arguments in calls:
            try:
                results.append(verb(connection, *arguments))
            except ServiceError as error:  # raised before anything was written
                results.append(error)
        return results

    return run


class SqliteStore:
    """One SQLite file; fulfils ``contract.Store``."""

    def __init__(
        self,
        opened: database.Opened,
        path: str,
        limits: Limits,
        *,
        safe: bool,
    ) -> None:
        self._opened = opened
        self._path = path
        self._identity = database.identity(path)
        self._limits = limits
        self._checkpointer = Checkpointer(opened.second) if opened.second else None
        committed = self._checkpointer.committed if self._checkpointer else None
        self._writer = Writer(opened.connection, safe=safe, committed=committed)
        self._closed = False
        self._create_queue = Verb[Queue](_each(queues.create), Rank.QUEUES)
        self._update_queue = Verb[Queue](_each(queues.update), Rank.QUEUES, wakes=True)
        self._set_state = Verb[Queue](_each(queues.set_state), Rank.QUEUES, wakes=True)
        self._create_tasks = Verb[list[Task | ServiceError]](
            lambda c, calls: tasks.create(c, calls, limits), Rank.TASKS, wakes=True
        )
        self._run_task = Verb[Task](_each(tasks.run), Rank.TASKS, wakes=True)
        self._delete_tasks = Verb[list[ServiceError | None]](
            lambda c, calls: tasks.delete(c, calls, limits), Rank.DELETIONS
        )
        self._purge_queue = Verb[Queue](_each(queues.purge), Rank.DELETIONS)
        self._delete_queue = Verb[None](_each(queues.delete), Rank.DELETIONS)
        self._settle = Verb[list[SettleResult | None]](
            lambda c, calls: dispatch.settle(c, calls, limits),
            Rank.OUTCOMES,
            promise=False,
            wakes=True,
            bounded=False,
        )
        self._release = Verb[int](
            _each(dispatch.release), Rank.OUTCOMES, promise=False, wakes=True, bounded=False
        )
        self._claim_due = Verb[Claims](
            lambda c, calls: [dispatch.claim_due(c, turn, limits) for turn in calls],
            Rank.CLAIMS,
            promise=False,
            bounded=False,
        )
        self._sweep = Verb[int](_each(dispatch.sweep), Rank.UPKEEP, promise=False, bounded=False)
        self._replay_dead = Verb[list[Task | ServiceError]](
            _each(ledger.replay_dead), Rank.TASKS, wakes=True
        )
        self._delete_dead = Verb[list[ServiceError | None]](
            _each(ledger.delete_dead), Rank.DELETIONS
        )
        self._get_dead = Verb[DeadLetter](_each(ledger.get_dead), Rank.READS)
        self._list_dead = Verb[list[DeadLetter]](_each(ledger.list_dead), Rank.READS)
        self._dead_names = Verb[list[tuple[int, str]]](_each(ledger.dead_names), Rank.READS)
        self._list_attempts = Verb[list[tuple[int, AttemptRecord]]](
            _each(ledger.list_attempts), Rank.READS
        )
        self._put_key = Verb[None](_each(keys.put), Rank.UPKEEP)
        self._list_keys = Verb[list[SigningKey]](_each(keys.list_), Rank.READS)
        self._check = Verb[None](_each(_touch), Rank.UPKEEP)
        self._get_queue = Verb[Queue](_each(queues.get), Rank.READS)
        self._list_queues = Verb[list[Queue]](_each(queues.list_), Rank.READS)
        self._list_locations = Verb[list[str]](_each(queues.locations), Rank.READS)
        self._create_batch = Verb[bytes](_each(batches.create), Rank.TASKS, wakes=True)
        self._delete_batch = Verb[bytes](_each(batches.delete), Rank.DELETIONS)
        self._delete_operation = Verb[None](_each(batches.forget), Rank.DELETIONS)
        self._get_operation = Verb[bytes](_each(batches.get), Rank.READS)
        self._list_operations = Verb[OperationPage](_each(batches.list_), Rank.READS)
        self._update_policy = Verb[bytes](_each(access.update_policy), Rank.QUEUES)
        self._set_key = Verb[None](_each(access.set_key), Rank.QUEUES)
        self._get_policy = Verb[bytes](_each(access.get_policy), Rank.READS)
        self._get_key = Verb[str](_each(access.get_key), Rank.READS)
        self._get_task = Verb[Task](_each(tasks.get), Rank.READS)
        self._list_tasks = Verb[TaskPage](_each(tasks.list_), Rank.READS)
        self._queue_stats = Verb[QueueStats](_each(queues.queue_stats), Rank.READS)
        self._stats = Verb[Stats](_each(queues.stats), Rank.READS)

    @classmethod
    async def open(cls, path: str, limits: Limits, now: Micros, *, safe: bool = True) -> Self:
        """Open or create the store in a file, ``:memory:`` for none.

        The attempts of a server that died are returned to their queues. StoreError says why
        a store cannot be opened; with ``safe`` false promises are written but not fsynced.
        """
        opened = database.open_database(path)
        try:
            opened.connection.execute("BEGIN IMMEDIATE")
            dispatch.release(opened.connection, None, now)
            opened.connection.execute("COMMIT")
        except sqlite3.Error as error:
            opened.close()
            raise StoreError(database.why_not(path, error)) from None
        return cls(opened, path, limits, safe=safe)

    @property
    def url(self) -> str:
        """Where the store is, in the form of the ``--store`` option."""
        return "memory" if self._path == database.MEMORY else f"sqlite:{self._path}"

    async def create_queue(self, queue: Queue, now: Micros) -> Queue:
        """Create a queue."""
        return await self._writer.call(self._create_queue, (queue, now))

    async def get_queue(self, name: str) -> Queue:
        """Return a queue."""
        return await self._writer.call(self._get_queue, (name,))

    async def list_queues(self, location: str, after: str, limit: int) -> list[Queue]:
        """Return the queues of a location past ``after``."""
        return await self._writer.call(self._list_queues, (location, after, limit))

    async def list_locations(self, project: str) -> list[str]:
        """Return the locations in which a project has queues."""
        return await self._writer.call(self._list_locations, (project,))

    async def update_queue(
        self,
        name: str,
        change: Callable[[Queue | None], Queue],
        now: Micros,
        *,
        ignore_tombstone: bool = False,
    ) -> Queue:
        """Put what ``change`` makes of a queue in its place."""
        return await self._writer.call(self._update_queue, (name, change, now, ignore_tombstone))

    async def delete_queue(self, name: str, now: Micros) -> None:
        """Delete a queue with its tasks."""
        await self._writer.call(self._delete_queue, (name, now, self._limits))

    async def purge_queue(self, name: str, now: Micros) -> Queue:
        """Delete all tasks of a queue."""
        return await self._writer.call(self._purge_queue, (name, now))

    async def set_state(self, name: str, state: State, now: Micros) -> Queue:  # noqa: ARG002 - of the contract
        """Pause or resume a queue."""
        return await self._writer.call(self._set_state, (name, state))

    async def create_tasks(
        self, queue: str, tasks_: Sequence[NewTask], now: Micros
    ) -> list[Task | ServiceError]:
        """Create tasks, each on its own."""
        size = sum(len(task.request) for task in tasks_)
        creation = tasks.Creation(queue, tasks_, now)
        return await self._writer.call(self._create_tasks, creation, size)

    async def create_batch(
        self,
        batch: Batch,
        queue: str,
        tasks_: Sequence[NewTask],
        describe: Callable[[list[Task | ServiceError]], bytes],
        now: Micros,
    ) -> bytes:
        """Create the tasks of a batch, once."""
        size = sum(len(task.request) for task in tasks_)
        arguments = (batch, queue, tasks_, describe, now, self._limits)
        return await self._writer.call(self._create_batch, arguments, size)

    async def delete_batch(
        self,
        batch: Batch,
        names: Sequence[str],
        describe: Callable[[list[ServiceError | None]], bytes],
        now: Micros,
    ) -> bytes:
        """Delete the tasks of a batch, once."""
        arguments = (batch, names, describe, now, self._limits)
        return await self._writer.call(self._delete_batch, arguments)

    async def get_operation(self, name: str, now: Micros) -> bytes:
        """Return what a batch came to."""
        return await self._writer.call(self._get_operation, (name, now))

    async def list_operations(
        self, location: str, after: str, limit: int, size: int, now: Micros
    ) -> OperationPage:
        """Return what the batches of a location came to."""
        return await self._writer.call(self._list_operations, (location, after, limit, size, now))

    async def delete_operation(self, name: str, now: Micros) -> None:
        """Forget what a batch came to."""
        await self._writer.call(self._delete_operation, (name, now))

    async def get_policy(self, name: str) -> bytes:
        """Return the access policy of a queue."""
        return await self._writer.call(self._get_policy, (name,))

    async def update_policy(self, name: str, change: Callable[[bytes], bytes]) -> bytes:
        """Put what ``change`` makes of a queue's policy in its place."""
        return await self._writer.call(self._update_policy, (name, change))

    async def get_key(self, location: str) -> str:
        """Return the name of the key of a location."""
        return await self._writer.call(self._get_key, (location,))

    async def set_key(self, location: str, key: str) -> None:
        """Set the name of the key of a location."""
        await self._writer.call(self._set_key, (location, key))

    async def get_task(self, name: str, now: Micros) -> Task:
        """Return a task."""
        return await self._writer.call(self._get_task, (name, now, self._limits))

    async def list_tasks(self, queue: str, after: int, limit: int, size: int) -> TaskPage:
        """Return tasks of a queue past a cursor."""
        return await self._writer.call(self._list_tasks, (queue, after, limit, size))

    async def delete_tasks(self, names: Sequence[str], now: Micros) -> list[ServiceError | None]:
        """Delete tasks, each on its own."""
        return await self._writer.call(self._delete_tasks, (names, now))

    async def run_task(self, name: str, now: Micros) -> Task:
        """Grant a task one attempt now."""
        return await self._writer.call(self._run_task, (name, now, self._limits))

    async def claim_due(
        self, server: str, limit: int, held: Mapping[str, int], slots: int, now: Micros
    ) -> Claims:
        """Claim attempts for ``server``."""
        oldest = dispatch.oldest(now, self._limits)
        turn = dispatch.Turn(server, limit, held, slots, now, oldest)
        return await self._writer.call(self._claim_due, turn)

    async def settle(
        self, settlements: Sequence[AttemptResult], now: Micros
    ) -> list[SettleResult | None]:
        """Note how attempts ended."""
        return await self._writer.call(self._settle, (settlements, now))

    async def release(self, server: str, now: Micros) -> int:
        """Return all attempts of a server to their queues."""
        return await self._writer.call(self._release, (server, now))

    async def sweep(self, now: Micros, limit: int) -> int:
        """Remove remains, up to ``limit``."""
        return await self._writer.call(self._sweep, (now, limit, self._limits))

    async def list_attempts(
        self, queue: str, task: str | None, before: int, limit: int, size: int = PAGE_BYTES
    ) -> list[tuple[int, AttemptRecord]]:
        """Return attempts of a queue that were kept."""
        return await self._writer.call(self._list_attempts, (queue, task, before, limit, size))

    async def list_dead(
        self, queue: str, code: Code | None, after: int, limit: int, size: int = PAGE_BYTES
    ) -> list[DeadLetter]:
        """Return dead letters of a queue."""
        return await self._writer.call(self._list_dead, (queue, code, after, limit, size))

    async def dead_names(
        self, queue: str, code: Code | None, after: int, limit: int
    ) -> list[tuple[int, str]]:
        """Return numbers and names of dead letters of a queue."""
        return await self._writer.call(self._dead_names, (queue, code, after, limit))

    async def get_dead(self, name: str) -> DeadLetter:
        """Return a dead letter."""
        return await self._writer.call(self._get_dead, (name,))

    async def replay_dead(self, names: Sequence[str], now: Micros) -> list[Task | ServiceError]:
        """Make tasks of dead letters again."""
        return await self._writer.call(self._replay_dead, (names, now, self._limits))

    async def delete_dead(self, names: Sequence[str]) -> list[ServiceError | None]:
        """Delete dead letters."""
        return await self._writer.call(self._delete_dead, (names,))

    async def signing_keys(self) -> list[SigningKey]:
        """Return the keys that sign tokens."""
        return await self._writer.call(self._list_keys, ())

    async def put_signing_key(self, key: SigningKey) -> None:
        """Keep a key."""
        await self._writer.call(self._put_key, (key,))

    def on_change(self, hint: Callable[[], object]) -> None:
        """Have ``hint`` called after work may have become due."""
        self._writer.on_change(hint)

    async def check(self) -> None:
        """Return if the store can be written at present, and still is the file of its name."""
        if self._path != database.MEMORY and database.identity(self._path) != self._identity:
            raise errors.Unavailable(
                f"The store's file {self._path} was moved, replaced or deleted under the server."
            )
        await self._writer.call(self._check, ())

    async def stats(self) -> Stats:
        """Return counters."""
        return await self._writer.call(self._stats, ())

    async def queue_stats(self, name: str, now: Micros) -> QueueStats:
        """Return the counters of a queue."""
        return await self._writer.call(self._queue_stats, (name, now))

    async def close(self) -> None:
        """Finish what waits and let go of the file."""
        await self._writer.close()
        if not self._closed:
            self._closed = True
            if self._checkpointer is not None:
                await asyncio.to_thread(self._checkpointer.close)
            self._opened.close()


def _touch(connection: Connection) -> None:
    # A new value each time: SQLite does not write what is there already.
    connection.execute("UPDATE counter SET value = value + 1 WHERE name = 'check'")
