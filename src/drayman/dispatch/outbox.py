"""Draining the outbox: entries become tasks, by the rules of CreateTask and DeleteTask."""

import asyncio
import collections
from collections.abc import Sequence
from typing import Any

from drayman.core import errors, names
from drayman.core.clock import SECOND, Clock, Micros
from drayman.core.errors import FailedPrecondition, InvalidArgument, ServiceError
from drayman.core.events import Emit, OutboxRefused, StoreFailed, TasksCreated, TasksDeleted
from drayman.core.limits import Limits
from drayman.core.task import NewTask
from drayman.dispatch.periodic import Periodic
from drayman.encryption.tasks import TaskEncryption
from drayman.store.contract import Outbox, OutboxChange, OutboxEntry, OutboxResult
from drayman.tasks_v2 import types
from drayman.wire import protojson, tasks

POLL_INTERVAL: Micros = 1 * SECOND
"""The pause while nothing arrives. Without notifications, an entry waits that long."""
AWAKE_INTERVAL: Micros = SECOND // 50
"""The pause while entries arrive. Nobody notifies the servers then."""
AWAKE: Micros = 3 * SECOND // 2
"""How long the short pause lasts after entries were applied: longer than nobody notifies."""
BATCH = 200
"""The most entries of one step."""
BATCH_BYTES = 1 << 19
"""About the most bytes of the tasks of one step."""

_Request = types.CreateTaskRequest.pb()


def parse(entry: OutboxEntry, now: Micros, limits: Limits) -> NewTask | ServiceError | None:
    """Return the task that an entry asks for, the error if it breaks a rule, None to delete it."""
    if entry.task is None:
        return None
    request = _Request()
    try:
        protojson.parse({"task": protojson.decode(entry.task.encode())}, request)
        queue = names.task(entry.name).queue
        return tasks.parse(queue, request.task, now, limits.task)._replace(seq=entry.seq)
    except InvalidArgument as error:
        return error
    except Exception as error:  # noqa: BLE001 - one entry must not keep the others waiting
        return errors.ServiceError(errors.describe(error))


class _Scan:
    """From which number on entries are read.

    Numbers grow, but a transaction that stays open commits small ones late. So entries are read
    from the beginning once in a while and after each hint, otherwise from where they were a moment
    ago: while an old transaction is open, PostgreSQL cannot remove the rows before.
    """

    def __init__(self) -> None:
        self._after = self._recent = self._previous = self._highest = 0
        self._whole_at: Micros = 0

    def restart(self) -> None:
        """Read from the beginning next."""
        self._whole_at = 0

    def start(self, now: Micros) -> int:
        """Return the number after which to read now."""
        if now >= self._whole_at:
            self._whole_at = now + POLL_INTERVAL
            self._recent, self._previous = self._previous, self._highest
            return 0
        return self._after

    def end(self, entries: Sequence[OutboxEntry]) -> None:
        """Note which entries were read: the next ones follow, or are recent."""
        self._after = self._recent
        if entries:
            last = entries[-1].number
            self._highest = max(self._highest, last)
            self._after = min(self._after, last)


class OutboxDrain(Periodic):
    """Drains an outbox."""

    def __init__(
        self, outbox: Outbox, clock: Clock, encryption: TaskEncryption, limits: Limits, emit: Emit
    ) -> None:
        super().__init__(clock)
        self._outbox = outbox
        self._encryption = encryption
        self._limits = limits
        self._emit = emit
        self._configured = False
        self._awake_until: Micros = 0
        self._scan = _Scan()
        outbox.on_commit(self._hint)

    async def step(self) -> Micros:
        """Apply a batch of entries; return how long to pause before the next step."""
        try:
            return await self._drain()
        except Exception as error:  # noqa: BLE001 - the next step tries again
            self._emit(StoreFailed("outbox", errors.describe(error)))
            return POLL_INTERVAL

    async def _drain(self) -> Micros:
        if not self._configured:
            await self._outbox.configure(self._limits)
            self._configured = True
        now = self._clock.now()
        after = self._scan.start(now)
        entries = await self._outbox.list_entries(after, BATCH, BATCH_BYTES)
        self._scan.end(entries)
        if entries:
            changes = await self._check(entries, now)
            results = await self._outbox.apply(changes, now)
            self._emit_results(results, now)
            if results:
                self._awake_until = self._clock.now() + AWAKE
                return 0
        return AWAKE_INTERVAL if now < self._awake_until else POLL_INTERVAL

    def _hint(self) -> None:
        self._scan.restart()
        self._wake.set()

    async def _check(self, entries: Sequence[OutboxEntry], now: Micros) -> list[OutboxChange]:
        """Return what entries ask for, checked and encrypted."""
        changes = await asyncio.to_thread(
            lambda: [OutboxChange(entry, parse(entry, now, self._limits)) for entry in entries]
        )
        return [await self._seal(change) for change in changes]

    async def _seal(self, change: OutboxChange) -> OutboxChange:
        """Encrypt a task, if its location got a KMS key after the entry was written."""
        if not isinstance(change.task, NewTask):
            return change
        try:
            queue = names.task(change.entry.name).queue
            (sealed,) = await self._encryption.seal(queue, [change.task])
        except FailedPrecondition as error:
            return change._replace(task=error)
        return change._replace(task=sealed)

    def _emit_results(self, results: Sequence[OutboxResult], now: Micros) -> None:
        by_queue: dict[tuple[str, bool], list[OutboxResult]] = collections.defaultdict(list)
        for each in results:
            by_queue[names.task(each.entry.name).queue, each.entry.task is None].append(each)
        for (queue, deletion), items in by_queue.items():
            requested = [_requested_name(entry) for entry, _ in items]
            outcomes: Any = [result for _, result in items]
            kind = TasksDeleted if deletion else TasksCreated
            self._emit(kind(queue, requested, outcomes, now))
        for entry, result in results:
            if entry.task is not None and isinstance(result, ServiceError):
                self._emit(OutboxRefused(entry.name, result.code, result.message))


def _requested_name(entry: OutboxEntry) -> str:
    """Return the name that the creator of a task chose, "" for a generated one."""
    generated = entry.name.endswith(f"/tasks/{entry.seq}")
    return "" if generated else entry.name
