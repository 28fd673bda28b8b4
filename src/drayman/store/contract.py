"""The contract of a store.

A store keeps queues, tasks, attempts in flight and the names of the recently gone. Its verbs
are the transitions of ``core.lifecycle``. For all of them:

* **A promise is on disk.** A mutating verb of the first two groups returns when its effect
  would survive a power cut. ``claim_due``, ``settle``, ``release`` and ``sweep`` are notes: they
  survive the death of the process, but a power cut may undo them, which costs a second delivery.
* **Atomic.** A verb happens whole or not at all. Batches may share a transaction, yet each of
  their items succeeds or fails alone.
* **Linear.** A verb that begins after another has returned sees its effect.
* **Time is an argument.** No store reads a clock.
* **Errors** are ``core.errors``: those named below, and at any time Unavailable (the disk or
  the database does not answer) and ResourceExhausted (disk full, or too many calls waiting);
  after these two nothing has changed, or the verb's effect is unknown, never half done.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from drayman.core.back_pressure import State as Pressure
from drayman.core.batch import Batch
from drayman.core.clock import Micros
from drayman.core.errors import ServiceError
from drayman.core.history import AttemptRecord, DeadLetter
from drayman.core.keys import SigningKey
from drayman.core.lifecycle import AttemptResult, Claim, SettleResult
from drayman.core.limits import PAGE_BYTES
from drayman.core.queue import Queue, State
from drayman.core.status import Code
from drayman.core.task import NewTask, Task


class StoreError(Exception):
    """A store that cannot be opened; the message is for the person who starts the server."""


@dataclasses.dataclass(frozen=True, slots=True)
class Claims:
    """What ``claim_due`` found.

    Attributes:
        claims: The attempts to make now.
        next_due: When there may be more, None for not before a change. Queues that were
            passed over because this server's share was full do not count: the end of any
            attempt is the time to ask again.
        levels: The part of its rate that back pressure leaves to each queue it looked at.
    """

    claims: list[Claim]
    next_due: Micros | None
    levels: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class TaskPage:
    """A page of tasks.

    Attributes:
        tasks: The tasks, in the order of their creation.
        cursor: Where to go on, None at the end.
    """

    tasks: list[Task]
    cursor: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class OperationPage:
    """A page of what batches came to.

    Attributes:
        operations: Their descriptions, by name.
        cursor: Where to go on, "" at the end.
    """

    operations: list[bytes]
    cursor: str


@dataclasses.dataclass(frozen=True, slots=True)
class Stats:
    """What a store can say of itself without a scan.

    Attributes:
        queues: How many queues there are.
        in_flight: How many attempts are in flight.
    """

    queues: int
    in_flight: int


@dataclasses.dataclass(frozen=True, slots=True)
class QueueStats:
    """What a store can say of a queue without a scan.

    Attributes:
        in_flight: How many attempts are in flight.
        effective_rate: Attempts a second that back pressure leaves of its rate.
        pressure: That back pressure.
        next_schedule_time: When the earliest of the tasks that wait is or was due, None if none
            waits.
        dead: How many dead letters it has, ``DEAD_COUNTED`` for so many or more.
    """

    in_flight: int
    effective_rate: float
    pressure: Pressure
    next_schedule_time: Micros | None
    dead: int


DEAD_COUNTED = 10_000
"""No more dead letters of a queue are counted: to count is to read."""


class Store(Protocol):
    """Queues and tasks that outlive the process."""

    @property
    def url(self) -> str:
        """Where the store is, in the form of the ``--store`` option."""

    # -- queues ---------------------------------------------------------------------------

    async def create_queue(self, queue: Queue, now: Micros) -> Queue:
        """Create a queue. AlreadyExists; FailedPrecondition while its name has a tombstone."""

    async def get_queue(self, name: str) -> Queue:
        """Return a queue. NotFound."""

    async def list_queues(self, location: str, after: str, limit: int) -> list[Queue]:
        """Return the queues of a location in the order of their names, past ``after``."""

    async def list_locations(self, project: str) -> list[str]:
        """Return the names of the locations in which a project has queues, in order."""

    async def update_queue(
        self,
        name: str,
        change: Callable[[Queue | None], Queue],
        now: Micros,
        *,
        ignore_tombstone: bool = False,
    ) -> Queue:
        """Put what ``change`` makes of a queue in its place; it gets None for an absent one.

        Of a present queue the settings change; its name, state and purge time stay. Returned
        is the queue as it is kept.
        ``change`` is a pure function, called inside the transaction; what it raises is raised
        here and nothing changes. FailedPrecondition while the name has a tombstone, unless the
        queue is to be exhumed: its operator wants it, whoever deleted it.
        """

    async def delete_queue(self, name: str, now: Micros) -> None:
        """Delete a queue with its tasks, in constant time. NotFound ("entity")."""

    async def purge_queue(self, name: str, now: Micros) -> Queue:
        """Delete all tasks of a queue, in constant time. NotFound."""

    async def set_state(self, name: str, state: State, now: Micros) -> Queue:
        """Pause or resume a queue, which ends the back pressure on it. NotFound."""

    async def get_policy(self, name: str) -> bytes:
        """Return the access policy of a queue, empty when none was set. NotFound."""

    async def update_policy(self, name: str, change: Callable[[bytes], bytes]) -> bytes:
        """Put what ``change`` makes of a queue's policy in its place. NotFound.

        ``change`` is used as in ``update_queue``. A policy is gone with its queue.
        """

    async def get_key(self, location: str) -> str:
        """Return the name of the key that encrypts new tasks of a location, "" for none."""

    async def set_key(self, location: str, key: str) -> None:
        """Set the name of the key that encrypts new tasks of a location, "" for none."""

    # -- tasks ----------------------------------------------------------------------------

    async def create_tasks(
        self, queue: str, tasks: Sequence[NewTask], now: Micros
    ) -> list[Task | ServiceError]:
        """Create tasks, each on its own: its task, or NotFound or AlreadyExists in its place.

        A generated id is a decimal number; in one store they grow with time and are never
        used twice.
        """

    async def create_batch(
        self,
        batch: Batch,
        queue: str,
        tasks: Sequence[NewTask],
        describe: Callable[[list[Task | ServiceError]], bytes],
        now: Micros,
    ) -> bytes:
        """Create tasks as ``create_tasks`` does, and keep what ``describe`` makes of the results.

        All in one transaction: a batch whose operation is there already creates nothing, its
        description is returned. ``describe`` is a pure function. NotFound for the queue;
        InvalidArgument when the operation is that of another request.
        """

    async def delete_batch(
        self,
        batch: Batch,
        names: Sequence[str],
        describe: Callable[[list[ServiceError | None]], bytes],
        now: Micros,
    ) -> bytes:
        """Delete tasks as ``delete_tasks`` does; the rest is as in ``create_batch``."""

    async def get_operation(self, name: str, now: Micros) -> bytes:
        """Return the description of a batch. NotFound."""

    async def list_operations(
        self, location: str, after: str, limit: int, size: int, now: Micros
    ) -> OperationPage:
        """Return a location's batches by name, past ``after``.

        At most ``limit``, and no more than fit into ``size`` bytes, but one at least.
        """

    async def delete_operation(self, name: str, now: Micros) -> None:
        """Forget a batch. NotFound."""

    async def get_task(self, name: str, now: Micros) -> Task:
        """Return a task. NotFound, with different words for one that is recently gone."""

    async def list_tasks(self, queue: str, after: int, limit: int, size: int) -> TaskPage:
        """Return tasks of a queue past the cursor ``after`` (0 for the first page).

        At most ``limit`` of them and about ``size`` bytes. What existed throughout a
        listing is in it exactly once. NotFound.
        """

    async def delete_tasks(self, names: Sequence[str], now: Micros) -> list[ServiceError | None]:
        """Delete tasks, each on its own: None, or NotFound in its place."""

    async def run_task(self, name: str, now: Micros) -> Task:
        """Grant a task one attempt now, whatever its queue's state, tokens and slots.

        It takes the place of the scheduled attempt, and of one that is granted already and has
        not begun: asking twice for what is about to happen makes it happen once. An attempt in
        flight goes on: if it succeeds the task is done, if not, the last of them decides.
        Returns the task with the attempt counted. NotFound.
        """

    # -- dispatch -------------------------------------------------------------------------

    async def claim_due(
        self, server: str, limit: int, held: Mapping[str, int], slots: int, now: Micros
    ) -> Claims:
        """Claim attempts for ``server``: granted ones first, then due tasks.

        At most ``limit`` in all. Of a queue at most what its state, its token bucket under the
        back pressure on it (``core.back_pressure``) and its concurrency allow, and no more than leaves
        this server's slots fairly shared (``core.fairness``): ``slots`` of them are free, and
        ``held`` says how many attempts of each queue are in flight on it. Granted attempts heed
        none of this, but leave others some slots. The queue that has been ready longest comes
        first; within it, the task that has been due longest.
        """

    async def settle(
        self, settlements: Sequence[AttemptResult], now: Micros
    ) -> list[SettleResult | None]:
        """Note how attempts ended, and return what that came to.

        None for a claim that is no longer held, which is ignored.

        A task that was deleted meanwhile stays deleted. Where RunTask has put several attempts of
        a task in flight, a success completes it and of the failures the last one decides.
        """

    async def release(self, server: str, now: Micros) -> int:
        """Return all attempts of a server to their queues; how many it were.

        Their tasks are due as they were, which is at once; but for one on which an earlier
        attempt had been left to decide: that one is due as the other said.
        """

    async def sweep(self, now: Micros, limit: int) -> int:
        """Remove up to ``limit`` remains: purged tasks, old tasks, expired tombstones and keys.

        Returns how many were removed; fewer than ``limit`` means there is no more to do now.
        """

    # -- the ledger -----------------------------------------------------------------------

    async def list_attempts(
        self, queue: str, task: str | None, before: int, limit: int, size: int = PAGE_BYTES
    ) -> list[tuple[int, AttemptRecord]]:
        """Return attempts of a queue that were kept, and their numbers, the latest first.

        At most ``limit`` of them and about ``size`` bytes, one if there is one: those whose
        number is below ``before``, of one task (its id) or of all. ``settle`` keeps an attempt
        whose settlement has a record; the store keeps ``ATTEMPTS_KEPT`` in all.
        """

    async def list_dead(
        self, queue: str, code: Code | None, after: int, limit: int, size: int = PAGE_BYTES
    ) -> list[DeadLetter]:
        """Return dead letters of a queue past the number ``after``, the earliest first.

        At most ``limit`` of them and about ``size`` bytes, one if there is one: of those whose
        last attempt ended with ``code``, or of all. ``settle`` and ``sweep`` make a dead letter of
        each task that fails for good or grows too old; it outlives its queue, and ``sweep``
        removes it after ``limits.dead_letters``, and the oldest when there are more than
        ``DEAD_KEPT`` or their tasks take more than ``DEAD_BYTES``.
        """

    async def dead_names(
        self, queue: str, code: Code | None, after: int, limit: int
    ) -> list[tuple[int, str]]:
        """Return numbers and names of the dead letters that ``list_dead`` returns."""

    async def get_dead(self, name: str) -> DeadLetter:
        """Return a dead letter by its task's name. NotFound ("entity")."""

    async def replay_dead(self, names: Sequence[str], now: Micros) -> list[Task | ServiceError]:
        """Make tasks of dead letters again, each on its own, due now, nothing counted.

        The task has its old name, whatever tombstone that has; the dead letter is gone.
        NotFound for the letter or the queue; AlreadyExists when the name has been used again.
        """

    async def delete_dead(self, names: Sequence[str]) -> list[ServiceError | None]:
        """Delete dead letters, each on its own: None, or NotFound in its place."""

    # -- keys -----------------------------------------------------------------------------

    async def signing_keys(self) -> list[SigningKey]:
        """Return the keys that sign tokens, the oldest first."""

    async def put_signing_key(self, key: SigningKey) -> None:
        """Keep a key; one of the same id is replaced. A promise."""

    # -- around ---------------------------------------------------------------------------

    def on_change(self, hint: Callable[[], object]) -> None:
        """Have ``hint`` called, in the loop's thread, after work may have become due."""

    async def check(self) -> None:
        """Return if the store can be written at present; Unavailable or ResourceExhausted."""

    async def stats(self) -> Stats:
        """Return counters, without a scan of tasks."""

    async def queue_stats(self, name: str, now: Micros) -> QueueStats:
        """Return the counters of a queue. NotFound."""

    async def close(self) -> None:
        """Finish what waits and let go of the database. Harmless when repeated."""
