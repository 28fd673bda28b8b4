"""The contract of a store, in protocols by subject.

A store holds queues, tasks, attempts in flight, tombstones of names, the history of attempts and
documents. Its verbs are the transitions of ``core.lifecycle``. For all of them:

* **Durable.** When a mutating verb returns, its effect survives a power cut. That of the verbs in
  ``Dispatch`` survives the end of the process; a power cut may undo it, which costs one more
  delivery of a task.
* **Atomic.** A verb takes effect completely or not at all. Calls may share a transaction; even then
  each call, and each item of a batch, succeeds or fails on its own.
* **Linearizable.** A verb that begins after another has returned sees its effect.
* **Time is an argument.** No store reads a clock.
* **Errors** are those of ``core.errors``: the ones named below, and at any time Unavailable (the
  database does not respond) and ResourceExhausted (disk full, or too many calls waiting). After
  these two, the verb has taken effect completely or not at all; which of the two is unknown.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from drayman.core.batch import Batch, BatchResult
from drayman.core.clock import Micros
from drayman.core.document import Document
from drayman.core.errors import ServiceError
from drayman.core.histogram import COMMIT_BOUNDS, GROUP_BOUNDS, Histogram
from drayman.core.history import AttemptRecord, DeadLetter
from drayman.core.lifecycle import AttemptResult, Claim, SettleResult
from drayman.core.limits import PAGE_BYTES, Limits
from drayman.core.queue import Change, Queue
from drayman.core.status import Code
from drayman.core.task import NewTask, Task


class QueueDamagedError(Exception):
    """Rows of a queue cannot be read; the claim is undone, and the next one skips the queue."""


class StoreError(Exception):
    """The store cannot be opened; the message is shown to the operator."""


@dataclasses.dataclass(frozen=True, slots=True)
class Claims:
    """The result of ``claim_due``.

    Attributes:
        claims: The attempts to make now.
        next_due: When to claim again, None for not before a hint (``on_change``).
        short: Whether more might have been claimed with more free slots: claim again when an
            attempt has ended.
        rate_factors: The fraction of its rate that back pressure leaves to each queue that was
            considered, by the queue's name.
        damaged: The queues that are skipped because their rows cannot be read, by name, each with
            the time at which claims try it again.
    """

    claims: list[Claim]
    next_due: Micros | None
    short: bool = False
    rate_factors: Mapping[str, float] = dataclasses.field(default_factory=dict)
    damaged: Mapping[str, Micros] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class TaskPage:
    """A page of tasks.

    Attributes:
        tasks: The tasks, in order of creation.
        cursor: The ``after`` of the next page, which may be empty; None after an empty page.
    """

    tasks: list[Task]
    cursor: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class DocumentPage:
    """A page of documents.

    Attributes:
        documents: The documents, in order of their names.
        cursor: The ``after`` of the next page, "" for the last page.
    """

    documents: list[Document]
    cursor: str


@dataclasses.dataclass(frozen=True, slots=True)
class QueueStats:
    """Statistics of a queue that can be read without a scan.

    Attributes:
        queue: The queue.
        tasks: The number of its tasks, exactly: those that wait, and those with an attempt that is
            granted or in flight.
        due: The number of tasks that wait and are due, at most ``MAX_DUE_COUNTED``.
        in_flight: Attempts in flight.
        effective_rate: The rate of the queue under back pressure, in attempts per second.
        recent_responses: Recent responses of its targets, weighted and decayed
            (``core.back_pressure``).
        recent_errors: Those that failed or pushed back.
        recent_pushbacks: Those that pushed back.
        recovery_time: When its rate starts to recover from back pressure.
        next_schedule_time: The earliest schedule time of its waiting tasks, None if none waits.
        dead_letters: The number of its dead letters, at most ``MAX_DEAD_LETTERS_COUNTED``.
    """

    queue: Queue
    tasks: int
    due: int
    in_flight: int
    effective_rate: float
    recent_responses: float
    recent_errors: float
    recent_pushbacks: float
    recovery_time: Micros
    next_schedule_time: Micros | None
    dead_letters: int


class QueueCounts(NamedTuple):
    """How much a queue has, exactly.

    Attributes:
        name: The queue's name.
        tasks: The number of its tasks.
        in_flight: Attempts in flight, on all servers.
    """

    name: str
    tasks: int
    in_flight: int


class StoreSize(NamedTuple):
    """How large the database is.

    Attributes:
        used: The bytes of its tables and indexes, without what is free.
        free: The bytes that are allocated and free.
    """

    used: int
    free: int


class StoreLoad(NamedTuple):
    """What is asked of the store, and how it is connected.

    Attributes:
        writes: The calls that wait for a writer or run in it.
        reads: The calls that wait for a reader or run in one, where reads run beside the writer.
        reconnections: How many connections to the database were lost and opened again.
    """

    writes: int
    reads: int
    reconnections: int


class GroupMeter:
    """The groups of one writer of group commit, since the start.

    Attributes:
        writer: What the writer is for: "all", "durable" or "claims".
        sizes: The number of calls of each group.
        durations: The time of each group in the database, in microseconds.
    """

    def __init__(self, writer: str) -> None:
        self.writer = writer
        self.sizes = Histogram(GROUP_BOUNDS)
        self.durations = Histogram(COMMIT_BOUNDS)

    def add(self, size: int, duration: Micros) -> None:
        """Count a group."""
        self.sizes.add(size)
        self.durations.add(duration)


MAX_DUE_COUNTED = 1_000
"""Statistics count due tasks up to this number, because each is read in an index."""
MAX_DEAD_LETTERS_COUNTED = 10_000
"""Statistics count dead letters up to this number, because each is read in an index."""


class Queues(Protocol):
    """Queues."""

    def get_queue(self, name: str) -> Awaitable[Queue]:
        """Return a queue. NotFound."""

    def list_queues(self, location: str, after: str, limit: int) -> Awaitable[list[Queue]]:
        """Return the queues of a location, or of all with "", whose names follow ``after``.

        They come in the order of their names.
        """

    def list_locations(self, project: str) -> Awaitable[list[str]]:
        """Return the names of the locations in which a project has queues, in order."""

    def update_queue(
        self,
        name: str,
        change: Change,
        now: Micros,
        *,
        ignore_tombstone: bool = False,
        reset_pressure: bool = False,
    ) -> Awaitable[Queue]:
        """Replace a queue by the result of ``change``, and return the stored queue.

        ``change`` is a pure function that runs inside the transaction, possibly more than once. It
        gets the queue, or None if there is none; then its result is created. If it raises an error,
        nothing changes and the error is raised here. Name and purge time of an existing queue stay
        as they are.

        FailedPrecondition if the tombstone of a deleted queue reserves the name and
        ``ignore_tombstone`` is false. ``reset_pressure`` ends the back pressure on the queue.
        """

    def purge_queue(self, name: str, now: Micros) -> Awaitable[Queue]:
        """Delete all tasks of a queue, in constant time. NotFound."""

    def delete_queue(self, name: str, now: Micros) -> Awaitable[None]:
        """Delete a queue with its tasks, in constant time. NotFound ("entity")."""

    def queue_stats(self, name: str, now: Micros) -> Awaitable[QueueStats]:
        """Return the statistics of a queue. NotFound."""

    def list_queue_stats(
        self, parent: str, after: str, limit: int, now: Micros
    ) -> Awaitable[list[QueueStats]]:
        """Return the statistics of queues whose names follow ``after``, in order.

        They are the queues of ``parent``: a location, a project, or "" for the whole store.
        """

    def count_queues(self, after: str, limit: int) -> Awaitable[list[QueueCounts]]:
        """Return the counts of queues of the store whose names follow ``after``, in order.

        Cheaper than their statistics: only the rows of queues are read.
        """


class Tasks(Protocol):
    """Tasks."""

    def create_tasks(
        self, queue: str, tasks: Sequence[NewTask], now: Micros
    ) -> Awaitable[list[Task | ServiceError]]:
        """Create tasks, each on its own: the task, or NotFound or AlreadyExists in its place.

        A generated id is a decimal number; ids grow with time and are never used twice.
        """

    def get_task(self, name: str, now: Micros) -> Awaitable[Task]:
        """Return a task. NotFound, with a message of its own for a task that is recently gone."""

    def list_tasks(self, queue: str, after: int, limit: int, size: int) -> Awaitable[TaskPage]:
        """Return tasks of a queue after the cursor ``after`` (0 for the first page).

        At most ``limit`` tasks and about ``size`` bytes. A task that exists throughout a listing
        is in it exactly once. NotFound.
        """

    def delete_tasks(
        self, names: Sequence[str], now: Micros
    ) -> Awaitable[list[ServiceError | None]]:
        """Delete tasks, each on its own: None, or NotFound in its place."""

    def run_task(self, name: str, now: Micros) -> Awaitable[Task]:
        """Grant a task one attempt now, whatever its queue's state, tokens and concurrency limit.

        The granted attempt replaces the scheduled one. If the task already has a granted attempt
        that has not started, nothing changes. If an attempt is in flight, it continues: a success
        of either completes the task, and of failures the last one decides. Returns the task,
        including the granted attempt in its ``dispatch_count``. NotFound, with a message of its own
        if there is no queue.
        """

    def run_batch(self, batch: Batch, now: Micros) -> Awaitable[BatchResult]:
        """Create or delete the tasks of a batch and store the result under its operation.

        Everything happens in one transaction. InvalidArgument if the operation exists: nothing
        changes then.
        """


class Dispatch(Protocol):
    """Attempts."""

    def claim_due(
        self, server: str, limit: int, held: Mapping[str, int], slots: int, now: Micros
    ) -> Awaitable[Claims]:
        """Claim up to ``limit`` attempts for ``server``: granted ones first, then due tasks.

        ``slots`` is the number of free attempt slots of the server; ``held`` has the number of its
        attempts in flight, by queue name. A queue gets no more attempts than its state, token
        bucket, back pressure and concurrency limit allow (``core.admission``), and no more than its
        fair share of the slots (``core.fairness``). None of this applies to granted attempts, but
        they leave some slots free. Queues come in the order in which they became ready, tasks of a
        queue in the order of their schedule times.

        QueueDamagedError if rows of a queue cannot be read: claim again at once.
        """

    def settle(
        self, results: Sequence[AttemptResult], now: Micros
    ) -> Awaitable[list[SettleResult | None]]:
        """Apply results of attempts; return what became of each, None if its claim is not held.

        A task that was deleted meanwhile stays deleted. If several attempts of a task are in flight
        (``run_task``), a success completes the task, and of failures the last one decides.
        """

    def release(self, server: str, now: Micros) -> Awaitable[int]:
        """Return all claims of a server to their queues; return their number.

        Their tasks are due again at once, except a task that another attempt had already
        rescheduled.
        """

    def release_unsent(self, numbers: Sequence[int], now: Micros) -> Awaitable[int]:
        """Return claims whose requests were not sent to their queues, by number; return how many.

        Their attempts do not count: their tasks are due again at once with the ``dispatch_count``
        of before, and the granted ones are granted again. Claims that are not held are ignored.
        """

    def release_unknown(self, server: str, known: Collection[int], now: Micros) -> Awaitable[int]:
        """Return claims of a server whose numbers are not ``known`` to their queues.

        They were committed although ``claim_due`` failed, because its connection was lost in the
        commit. Their requests were not sent: their attempts do not count, as with
        ``release_unsent``. Returns their number.
        """

    def sweep(self, now: Micros, limit: int) -> Awaitable[int]:
        """Delete up to ``limit`` rows that no other verb can see; return how many.

        These are purged tasks, tasks beyond their retention, expired tombstones and documents, and
        history beyond its bounds. Fewer than ``limit`` means that none are left.
        """


class History(Protocol):
    """Recorded attempts, and dead letters."""

    def list_attempts(
        self, queue: str, task: str | None, before: int, limit: int, size: int = PAGE_BYTES
    ) -> Awaitable[list[tuple[int, AttemptRecord]]]:
        """Return recorded attempts of a queue with their numbers, the latest first.

        Returns attempts with a number below ``before``, of the task with the id ``task`` or, with
        None, of all tasks: at most ``limit`` and about ``size`` bytes, but at least one if there
        is one. ``settle`` records the attempts for which ``AttemptResult.recorded`` is true. The
        store holds the latest ``history.MAX_ATTEMPTS``.
        """

    def list_dead_letters(
        self,
        queue: str,
        after: int,
        limit: int,
        size: int = PAGE_BYTES,
        *,
        task: str | None = None,
        code: Code | None = None,
        with_request: bool = True,
    ) -> Awaitable[list[DeadLetter]]:
        """Return dead letters of a queue with a number above ``after``, the earliest first.

        Returns at most ``limit`` letters and about ``size`` bytes of requests, but at least one if
        there is one. ``task`` selects the letter of a task id, ``code`` those whose last attempt
        ended with that code. With ``with_request`` false, requests are empty and a long list is
        cheap.

        ``settle`` and ``sweep`` insert a dead letter for each task that fails for good or exceeds
        its retention. It still exists when its queue is deleted. ``sweep`` deletes dead letters
        after their retention, and the oldest ones beyond ``history.MAX_DEAD_LETTERS`` and
        ``history.MAX_DEAD_LETTER_BYTES``.
        """

    def replay_dead_letters(
        self, names: Sequence[str], now: Micros
    ) -> Awaitable[list[Task | ServiceError]]:
        """Create the tasks of dead letters again, each on its own, due now, with counts at zero.

        Each task gets its old name, even if a tombstone reserves it, and its dead letter is
        deleted. In place of a task: NotFound for the letter or the queue, AlreadyExists if a task
        of that name exists.
        """

    def delete_dead_letters(self, names: Sequence[str]) -> Awaitable[list[ServiceError | None]]:
        """Delete dead letters, each on its own: None, or NotFound in its place."""


class Documents(Protocol):
    """Documents: operations, names of KMS keys, signing keys (``core.document``)."""

    def get_document(self, kind: str, name: str, now: Micros) -> Awaitable[Document | None]:
        """Return a document, None if it does not exist or has expired."""

    def list_documents(
        self, kind: str, prefix: str, after: str, limit: int, size: int, now: Micros
    ) -> Awaitable[DocumentPage]:
        """Return documents whose names start with ``prefix`` and follow ``after``, by name.

        At most ``limit`` documents and about ``size`` bytes, but at least one if there is one.
        """

    def put_document(self, document: Document) -> Awaitable[None]:
        """Store a document; one of the same kind and name is replaced."""

    def delete_document(self, kind: str, name: str, now: Micros) -> Awaitable[bool]:
        """Delete a document; return whether it existed."""


class OutboxEntry(NamedTuple):
    """A creation or deletion that a program has written to the outbox.

    Attributes:
        number: Its number; numbers grow in the order in which entries are written.
        name: The full name of the task.
        seq: The seq that is reserved for the task, None in a deletion.
        task: The task as JSON, None in a deletion.
    """

    number: int
    name: str
    seq: int | None
    task: str | None


class OutboxChange(NamedTuple):
    """What an entry of the outbox asks for, checked.

    Attributes:
        entry: The entry.
        task: The task to create, the error by which it is refused, or None in a deletion.
    """

    entry: OutboxEntry
    task: NewTask | ServiceError | None


class OutboxResult(NamedTuple):
    """What became of an entry of the outbox.

    Attributes:
        entry: The entry.
        result: The created task, None for a deleted one, or the error.
    """

    entry: OutboxEntry
    result: Task | ServiceError | None


class Outbox(Protocol):
    """Tasks that programs create and delete within transactions of their own on the database."""

    def on_commit(self, hint: Callable[[], object]) -> None:
        """Call ``hint`` in the event loop's thread when entries were committed. It may be lost."""

    def configure(self, limits: Limits) -> Awaitable[None]:
        """Set the limits by which entries are checked when they are written."""

    def list_entries(self, after: int, limit: int, size: int) -> Awaitable[list[OutboxEntry]]:
        """Return committed entries with a number above ``after``, in order.

        At most ``limit`` entries and about ``size`` bytes, but at least one if there is one. Of
        several servers, the others get an entry only when the first one leaves it for seconds.
        """

    def apply(self, changes: Sequence[OutboxChange], now: Micros) -> Awaitable[list[OutboxResult]]:
        """Apply entries and delete them, in one transaction; return what became of each.

        An entry that another server has taken is left out, and so is the deletion of a task whose
        creation is in the outbox still. Refused entries are recorded, the latest ones.
        """


class Store(Queues, Tasks, Dispatch, History, Documents, Protocol):
    """All verbs, and those of the store itself."""

    outbox: Outbox | None
    """The outbox, None in a database that has none."""

    @property
    def url(self) -> str:
        """The URL of the store, as given to the ``--store`` option."""

    @property
    def format(self) -> int:
        """The number of the store's format, which migrations increase."""

    @property
    def recovered(self) -> int:
        """How many claims of a server that had died were released when the store was opened."""

    @property
    def group_meters(self) -> Sequence[GroupMeter]:
        """The groups of each writer since the start."""

    @property
    def load(self) -> StoreLoad:
        """What is asked of the store at present."""

    def size(self) -> Awaitable[StoreSize]:
        """Return how large the database is."""

    def on_change(self, hint: Callable[[Micros], object]) -> None:
        """Call ``hint`` in the event loop's thread when tasks may become due.

        Its argument is the earliest time at which one may be due. The hint comes before the change
        is made: a claim that begins after the hint, or within it, sees the change.
        """

    async def inspect(self) -> None:
        """Find out whether the store can keep its promises; call it at regular intervals.

        Unavailable if the database was replaced under the server: no mutating call of the API is
        accepted then. ResourceExhausted if the disk is full: no new task is accepted. Unavailable
        if claims or results keep failing. All of this ends when an inspection finds it ended.
        """

    async def check(self) -> None:
        """Check that the store can be written: ``inspect``, and a durable write."""

    def reset(self) -> Awaitable[None]:
        """Delete everything but the signing keys, for tests.

        Claims that are held settle nothing afterwards; ids of tasks begin again.
        """

    async def vacuum(self) -> bool:
        """Give some free space of the database back to the disk; return whether more is left.

        Calls that arrive meanwhile wait for a few milliseconds.
        """

    @property
    def idle(self) -> bool:
        """Whether no call waits for the store or runs in it."""

    async def close(self) -> None:
        """Finish the waiting calls and close the database. Repeated calls have no effect."""
