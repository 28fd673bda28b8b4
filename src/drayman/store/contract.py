"""The contract of a store, in protocols by subject.

A store holds queues, tasks, attempts in flight, tombstones of names, the history of attempts and
documents. Its verbs are the transitions of ``core.lifecycle``. For all of them:

* **Durable.** A mutating verb returns when its effect would survive a power cut. The verbs of
  ``Dispatch`` survive the death of the process; a power cut may undo them, which costs one more
  delivery.
* **Atomic.** A verb takes effect whole or not at all. Calls may share a transaction, yet each call,
  and each item of a batch, succeeds or fails alone.
* **Linear.** A verb that begins after another has returned sees its effect.
* **Time is an argument.** No store reads a clock.
* **Errors** are those of ``core.errors``: the ones named below, and at any time Unavailable (the
  database does not answer) and ResourceExhausted (disk full, or too many calls waiting). After
  these two nothing has changed, or the effect is unknown, never half done.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from drayman.core.batch import Batch, BatchResult
from drayman.core.clock import Micros
from drayman.core.document import Document
from drayman.core.errors import ServiceError
from drayman.core.history import AttemptRecord, DeadLetter
from drayman.core.lifecycle import AttemptResult, Claim, SettleResult
from drayman.core.limits import PAGE_BYTES
from drayman.core.queue import Change, Queue
from drayman.core.status import Code
from drayman.core.task import NewTask, Task


class StoreError(Exception):
    """A store that cannot be opened; the message is for the person who starts the server."""


@dataclasses.dataclass(frozen=True, slots=True)
class Claims:
    """The claims of one ``claim_due``.

    Attributes:
        claims: The attempts to make now.
        next_due: When there may be more, None for not before a change. A queue that was skipped
            because it held its share of this server's slots does not count: claim again when any
            attempt has ended.
        rate_factors: The fraction of its rate that back pressure leaves to each queue that was
            considered.
    """

    claims: list[Claim]
    next_due: Micros | None
    rate_factors: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class TaskPage:
    """A page of tasks.

    Attributes:
        tasks: The tasks, in the order of their creation.
        cursor: Where the next page starts, None at the end.
    """

    tasks: list[Task]
    cursor: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class DocumentPage:
    """A page of documents.

    Attributes:
        documents: The documents, by name.
        cursor: The name after which the next page starts, "" at the end.
    """

    documents: list[Document]
    cursor: str


@dataclasses.dataclass(frozen=True, slots=True)
class QueueStats:
    """Statistics of a queue that need no scan.

    Attributes:
        in_flight: Attempts in flight.
        effective_rate: Attempts a second that back pressure leaves of the queue's rate.
        recent_responses: Recent responses of its targets, weighted and decayed.
        recent_errors: Those that failed or pushed back.
        recent_pushbacks: Those that pushed back.
        recovery_time: When its rate begins to recover from back pressure.
        next_schedule_time: The schedule time of the earliest waiting task, None if none waits.
        dead_letters: Its dead letters, ``MAX_DEAD_LETTERS_COUNTED`` at most.
    """

    in_flight: int
    effective_rate: float
    recent_responses: float
    recent_errors: float
    recent_pushbacks: float
    recovery_time: Micros
    next_schedule_time: Micros | None
    dead_letters: int


MAX_DEAD_LETTERS_COUNTED = 10_000
"""Counting reads each row, so ``queue_stats`` stops here."""


class Queues(Protocol):
    """Queues."""

    async def get_queue(self, name: str) -> Queue:
        """Return a queue. NotFound."""

    async def list_queues(self, location: str, after: str, limit: int) -> list[Queue]:
        """Return the queues of a location whose names follow ``after``, in order."""

    async def list_locations(self, project: str) -> list[str]:
        """Return the names of the locations in which a project has queues, in order."""

    async def update_queue(
        self,
        name: str,
        change: Change,
        now: Micros,
        *,
        ignore_tombstone: bool = False,
        reset_pressure: bool = False,
    ) -> Queue:
        """Replace a queue by what ``change`` returns for it; None stands for an absent queue.

        Settings, policy and state are replaced; name and purge time stay. Returns the stored
        queue. ``change`` is a pure function that runs inside the transaction, more than once if
        need be; an error that it raises is raised here, and nothing changes.

        An absent queue is created. FailedPrecondition while a deleted queue's tombstone reserves
        the name, unless ``ignore_tombstone`` is set. ``reset_pressure`` ends the back pressure on
        the queue.
        """

    async def purge_queue(self, name: str, now: Micros) -> Queue:
        """Delete all tasks of a queue, in constant time. NotFound."""

    async def delete_queue(self, name: str, now: Micros) -> None:
        """Delete a queue with its tasks, in constant time. NotFound ("entity")."""

    async def queue_stats(self, name: str, now: Micros) -> QueueStats:
        """Return the statistics of a queue. NotFound."""


class Tasks(Protocol):
    """Tasks."""

    async def create_tasks(
        self, queue: str, tasks: Sequence[NewTask], now: Micros
    ) -> list[Task | ServiceError]:
        """Create tasks, each on its own: the task, or NotFound or AlreadyExists in its place.

        A generated id is a decimal number; ids grow with time and are never used twice.
        """

    async def get_task(self, name: str, now: Micros) -> Task:
        """Return a task. NotFound, with a message of its own for a task that is recently gone."""

    async def list_tasks(self, queue: str, after: int, limit: int, size: int) -> TaskPage:
        """Return tasks of a queue after the cursor ``after`` (0 for the first page).

        At most ``limit`` tasks and about ``size`` bytes. A task that exists throughout a listing
        is in it exactly once. NotFound.
        """

    async def delete_tasks(self, names: Sequence[str], now: Micros) -> list[ServiceError | None]:
        """Delete tasks, each on its own: None, or NotFound in its place."""

    async def run_task(self, name: str, now: Micros) -> Task:
        """Grant a task one attempt now, whatever its queue's state, tokens and slots.

        It replaces the scheduled attempt. If a granted attempt has not begun yet, nothing changes.
        An attempt in flight goes on: if it succeeds the task is completed, otherwise the last of
        its attempts decides. Returns the task with the attempt counted. NotFound.
        """

    async def run_batch(self, batch: Batch, now: Micros) -> BatchResult:
        """Create or delete the tasks of a batch and store the result under its operation.

        All in one transaction, once: if the operation exists, nothing happens and its result is
        returned. NotFound for the queue of creations; InvalidArgument if the operation belongs to
        another request.
        """


class Dispatch(Protocol):
    """Attempts."""

    async def claim_due(
        self, server: str, limit: int, held: Mapping[str, int], slots: int, now: Micros
    ) -> Claims:
        """Claim attempts for ``server``: granted ones first, then due tasks.

        At most ``limit`` attempts. A queue gets at most what its state, token bucket, back
        pressure and concurrency allow (``core.admission``), and its fair share of this server's
        attempt slots (``core.fairness``): ``slots`` are free, and ``held`` has the number of
        attempts in flight by queue. Granted attempts ignore all of this, but leave some slots to
        others. The queue that has been ready longest comes first; within it, the task that has
        been due longest.
        """

    async def settle(
        self, results: Sequence[AttemptResult], now: Micros
    ) -> list[SettleResult | None]:
        """Apply results of attempts; return what each came to, None if its claim is not held.

        A task that was deleted meanwhile stays deleted. If RunTask put several attempts of a task
        in flight, a success completes the task, and of failures the last one decides.
        """

    async def release(self, server: str, now: Micros) -> int:
        """Return all claims of a server to their queues; return their number.

        Their tasks are due again at once, except a task that another attempt had already
        rescheduled.
        """

    async def sweep(self, now: Micros, limit: int) -> int:
        """Remove up to ``limit`` rows that nobody can see any more; return how many.

        These are purged tasks, tasks beyond their retention, expired tombstones and documents,
        and history beyond its bounds. Fewer than ``limit`` means that nothing is left to remove.
        """


class History(Protocol):
    """Recorded attempts, and dead letters."""

    async def list_attempts(
        self, queue: str, task: str | None, before: int, limit: int, size: int = PAGE_BYTES
    ) -> list[tuple[int, AttemptRecord]]:
        """Return recorded attempts of a queue with their numbers, the latest first.

        At most ``limit`` attempts and about ``size`` bytes, but at least one if there is one: those
        with a number below ``before``, of one task (its id) or of all. ``settle`` records the
        attempts whose result says so; the store holds ``history.MAX_ATTEMPTS``.
        """

    async def list_dead_letters(
        self,
        queue: str,
        after: int,
        limit: int,
        size: int = PAGE_BYTES,
        *,
        task: str | None = None,
        code: Code | None = None,
        with_request: bool = True,
    ) -> list[DeadLetter]:
        """Return dead letters of a queue with a number above ``after``, the earliest first.

        At most ``limit`` letters and about ``size`` bytes of requests, but at least one if there is
        one. ``task`` selects the letter of one task id, or ``code`` those whose last attempt ended
        with it. Without requests a long list is cheap.

        ``settle`` and ``sweep`` make a dead letter of each task that fails for good or outlives its
        retention. It outlives its queue; ``sweep`` removes it after its retention, and the oldest
        beyond ``history.MAX_DEAD_LETTERS`` and ``history.MAX_DEAD_LETTER_BYTES``.
        """

    async def replay_dead_letters(
        self, names: Sequence[str], now: Micros
    ) -> list[Task | ServiceError]:
        """Create the tasks of dead letters anew, each on its own, due now, with counts at zero.

        Each task gets its old name, whatever its tombstone; its dead letter is removed. NotFound
        for the letter or the queue; AlreadyExists if the name is in use again.
        """

    async def delete_dead_letters(self, names: Sequence[str]) -> list[ServiceError | None]:
        """Delete dead letters, each on its own: None, or NotFound in its place."""


class Documents(Protocol):
    """Documents: operations, names of KMS keys, signing keys (``core.document``)."""

    async def get_document(self, kind: str, name: str, now: Micros) -> Document | None:
        """Return a document, None if it does not exist or has expired."""

    async def list_documents(
        self, kind: str, prefix: str, after: str, limit: int, size: int, now: Micros
    ) -> DocumentPage:
        """Return documents whose names start with ``prefix`` and follow ``after``, by name.

        At most ``limit`` documents and about ``size`` bytes, but at least one if there is one.
        """

    async def put_document(self, document: Document) -> None:
        """Store a document; one of the same kind and name is replaced."""

    async def delete_document(self, kind: str, name: str, now: Micros) -> bool:
        """Delete a document; return whether it existed."""


class Store(Queues, Tasks, Dispatch, History, Documents, Protocol):
    """All of the above, and the life of the store itself."""

    @property
    def url(self) -> str:
        """Where the store is, in the form of the ``--store`` option."""

    def on_change(self, hint: Callable[[], object]) -> None:
        """Call ``hint`` in the event loop's thread after tasks may have become due."""

    async def check(self) -> None:
        """Return if the store can be written at present; Unavailable or ResourceExhausted."""

    async def close(self) -> None:
        """Finish the waiting calls and close the database. May be repeated."""
