"""Group commit: one transaction for all calls that wait.

Calls come from the event loop and wait here. A writer's thread takes all that wait, runs them in
one transaction, commits once and resolves every caller; meanwhile the next group gathers. There is
no timer: a call that arrives alone is a group of one.

A database has one writer, or two: then one commits the durable calls, and claims and results need
not wait for the disk.

Calls that wait at the same time are concurrent, so they may run in any order. A group runs verb by
verb, in the order of ``Verb.phase``, and each verb gets all of its calls at once. Reads run beside
the writer if the database has connections for them (``store.readers``), otherwise after the commit.

This module is independent of the kind of database.
"""

import asyncio
import collections
import contextlib
import dataclasses
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from drayman.core import errors
from drayman.core.clock import Micros, monotonic
from drayman.store.contract import GroupMeter, StoreLoad
from drayman.store.readers import Reader, Readers
from drayman.store.session import Session
from drayman.store.verb import Phase, Verb

MAX_GROUP = 1_000
"""The most calls of a group."""
MAX_WAITING = 20_000
"""The most calls that may wait; further ones are refused with RESOURCE_EXHAUSTED."""
MAX_WAITING_BYTES = 256 << 20
"""The most bytes that waiting calls may hold."""
MAX_READING = 1_000
"""The most reads that may wait beside the writer; further ones are refused with UNAVAILABLE."""
REPEATS = 3
"""How often a group is repeated on a full disk, where each time more room is made."""
FAILURES = 3
"""A verb is failing when its last transactions failed, this many in a row."""

_WRITERS = {1: ("all",), 2: ("durable", "claims")}
"""What the writers of a database are for, by their number."""
MAX_TRIES = 5
"""How often a transaction is tried that conflicts with those of other servers."""

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


class Writer(Protocol):
    """A session that writes, used by one thread."""

    @property
    def session(self) -> Session:
        """The session on which verbs run."""

    def begin(self, *, durable: bool) -> None:
        """Begin a transaction; a ``durable`` one is on disk when its commit returns."""

    def commit(self) -> None:
        """Commit the transaction."""

    def rollback(self, error: Exception) -> None:
        """Undo the transaction after an error; the database may have done so itself."""

    def announce(self, due: Micros) -> None:
        """Notify the other servers that a task may be due from a time on."""


class Database(Protocol):
    """A database as group commit sees it; it is used by the threads of its writers."""

    @property
    def writers(self) -> Sequence[Writer]:
        """One writer, or one for durable calls and one for the others, whose calls commit apart."""

    @property
    def readers(self) -> Sequence[Reader]:
        """What reads beside the writer, each in a thread of its own; none if the writer reads."""

    def watch(self, hint: Callable[[Micros], object]) -> None:
        """Call ``hint``, in any thread, with the time from which another server's task may be due.

        Called once, by the thread of the event loop.
        """

    @property
    def shared(self) -> bool:
        """Whether other servers may write to it at the same time."""

    @property
    def reconnections(self) -> int:
        """How many connections were lost and opened again since the start."""

    @property
    def refuses(self) -> bool:
        """Whether ``refusal`` refuses some calls at present."""

    def refusal(self, *, durable: bool, grows: bool) -> errors.ServiceError | None:
        """Return the error of a call that is refused at present, None for one that may run."""

    def make_room(self, error: Exception) -> bool:
        """Make room if the error of an undone transaction means a full disk.

        Returns whether it does: then ``refusal`` refuses calls that grow, and the others can be
        repeated.
        """

    def is_conflict(self, error: Exception) -> bool:
        """Return whether an error is a conflict with another server: a second try may succeed."""

    def affects_all(self, error: Exception) -> bool:
        """Return whether an error concerns the whole database rather than one statement."""

    def translate(self, error: Exception) -> errors.ServiceError | None:
        """Return the error that a caller gets, None for a fault of this program."""


@dataclasses.dataclass(slots=True)
class _Call:
    verb: Verb[Any, Any]
    argument: Any
    size: int
    due: Micros | None
    future: asyncio.Future[Any]
    result: Any = None


@dataclasses.dataclass(slots=True)
class _Lane:
    """A writer, and the calls that wait for it.

    Attributes:
        writer: The writer.
        gathering: The calls of this turn of the event loop.
        submitted: The calls of earlier turns, None at the end.
        meter: Counts its groups; the thread alone adds to it.
        backlog: Those that the thread has received; it alone uses the fields from here on.
        ended: Whether there will be no more.
    """

    writer: Writer
    meter: GroupMeter
    gathering: list[_Call] = dataclasses.field(default_factory=list)
    submitted: queue.SimpleQueue[list[_Call] | None] = dataclasses.field(
        default_factory=queue.SimpleQueue
    )
    backlog: collections.deque[_Call] = dataclasses.field(default_factory=collections.deque)
    ended: bool = False


@dataclasses.dataclass(slots=True)
class _Streak:
    """Failed transactions of a verb, with no successful one since the first of them."""

    length: int = 0
    error: Exception | None = None


class GroupCommit:
    """The threads of the writers, and the calls that wait for them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._loop = asyncio.get_running_loop()
        writers = zip(database.writers, _WRITERS[len(database.writers)], strict=True)
        self._lanes = [_Lane(writer, GroupMeter(name)) for writer, name in writers]
        self._durable, self._claiming = self._lanes[0], self._lanes[-1]
        self._gathering = False
        self._count = 0
        self._bytes = 0
        self._closed = False
        self._due: Micros | None = None
        self._hints: list[Callable[[Micros], object]] = []
        self._streaks: dict[Verb[Any, Any], _Streak] = {}
        self._threads = [
            threading.Thread(target=self._work, args=[lane], name="drayman-store", daemon=True)
            for lane in self._lanes
        ]
        self._readers = Readers(database.readers, self._read) if database.readers else None
        self._reading = 0
        database.watch(self._hint_in_loop)
        for thread in self._threads:
            thread.start()

    @property
    def meters(self) -> Sequence[GroupMeter]:
        """The groups of each writer since the start."""
        return [lane.meter for lane in self._lanes]

    @property
    def load(self) -> StoreLoad:
        """The calls that wait or run, and how often the database was lost."""
        return StoreLoad(self._count - self._reading, self._reading, self._database.reconnections)

    @property
    def idle(self) -> bool:
        """Whether no call waits or runs."""
        return self._count == 0

    def failure(self, verb: Verb[Any, Any]) -> Exception | None:
        """Return the last error of a verb that is failing, None for others."""
        streak = self._streaks.get(verb, _Streak())
        return streak.error if streak.length >= FAILURES else None

    def on_change(self, hint: Callable[[Micros], object]) -> None:
        """Call ``hint`` in the loop's thread when calls may make tasks due.

        Its argument is the earliest time at which one may be due. If the calls and claims have the
        same writer, it is called before they are submitted: a claim that ``hint`` makes joins their
        group, and needs no transaction of its own. Otherwise it is called after their commit.
        """
        self._hints.append(hint)

    def call(
        self, verb: Verb[Any, _Result], argument: Any, size: int = 0, due: Micros | None = None
    ) -> asyncio.Future[_Result]:
        """Run one call; return the future of its result, Unavailable or ResourceExhausted."""
        future: asyncio.Future[_Result] = self._loop.create_future()
        if self._closed:
            future.set_exception(errors.Unavailable("The store is closed: the server is stopping."))
            return future
        if verb.bounded and (self._count >= MAX_WAITING or self._bytes + size > MAX_WAITING_BYTES):
            future.set_exception(
                errors.ResourceExhausted("Too many calls are waiting for the store.")
            )
            return future
        beside = self._readers is not None and verb.phase is Phase.READS
        if beside and self._reading >= MAX_READING:
            future.set_exception(errors.Unavailable("Too many reads are waiting for the store."))
            return future
        self._count += 1
        self._bytes += size
        if beside:
            self._submit_read(_Call(verb, argument, size, due, future))
            return future
        if not self._gathering:  # all calls of a turn of the event loop are submitted together
            self._gathering = True
            self._loop.call_soon(self._submit)
        lane = self._durable if verb.durable else self._claiming
        lane.gathering.append(_Call(verb, argument, size, due, future))
        if due is not None and lane is self._claiming:
            self._due = due if self._due is None else min(self._due, due)
        return future

    async def close(self) -> None:
        """Finish the waiting calls, then stop the threads; return when all have stopped."""
        if not self._closed:
            self._closed = True
            self._hints.clear()
            self._submit()
            for lane in self._lanes:
                lane.submitted.put(None)
            if self._readers is not None:
                self._readers.stop()
        if self._readers is not None:  # whoever closes it waits for the reads, too
            await asyncio.to_thread(self._readers.join)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _submit_read(self, call: _Call) -> None:
        assert self._readers is not None  # noqa: S101 - the caller has checked it
        self._reading += 1
        self._readers.submit(call)

    def _submit(self) -> None:
        due, self._due = self._due, None
        if due is not None:
            self._hint(due)
        self._gathering = False
        for lane in self._lanes:
            if lane.gathering:
                lane.submitted.put(lane.gathering)
                lane.gathering = []

    def _hint(self, due: Micros) -> None:
        for hint in self._hints:
            hint(due)

    def _hint_in_loop(self, due: Micros) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(self._hint, due)

    # -- in the writers' threads ----------------------------------------------------------

    def _work(self, lane: _Lane) -> None:
        resolve = self._resolve if lane is self._claiming else self._hint_and_resolve
        while group := _gather(lane):
            began = monotonic()
            self._run(lane.writer, group)
            lane.meter.add(len(group), monotonic() - began)
            due = _earliest(group)
            self._post(resolve, group)
            if due is not None:
                lane.writer.announce(due)

    def _run(self, writer: Writer, group: list[_Call]) -> None:
        writes = [call for call in group if call.verb.phase < Phase.MAINTENANCE]
        for calls in _transactions(writes) if self._database.shared else [writes]:
            if calls:
                self._transact(writer, calls)
        for call in group:
            if call.verb.phase >= Phase.MAINTENANCE:
                self._run_alone(writer, call)

    def _run_alone(self, writer: Writer, call: _Call) -> None:
        try:
            (call.result,) = call.verb.run(writer.session, [call.argument])
        except Exception as error:  # noqa: BLE001 - the caller gets it
            call.result = self._translate(error)

    def _transact(
        self, writer: Writer, calls: list[_Call], repeats: int = REPEATS, tries: int = MAX_TRIES
    ) -> None:
        database = self._database
        if database.refuses and not (calls := self._admit(calls)):
            return
        try:
            writer.begin(durable=any(call.verb.durable for call in calls))
            _run_verbs(writer, calls)
            writer.commit()
        except Exception as error:  # noqa: BLE001 - the callers get it
            writer.rollback(error)
            if tries > 1 and database.is_conflict(error):
                self._transact(writer, calls, repeats, tries - 1)
            elif repeats and database.make_room(error):
                self._transact(writer, calls, repeats - 1, tries)
            elif len(calls) == 1 or database.affects_all(error):
                self._fail(calls, error)
            else:  # one call broke the transaction: separate it from the others
                middle = len(calls) // 2
                self._transact(writer, calls[:middle])
                self._transact(writer, calls[middle:])
        else:
            if self._streaks:
                for call in calls:
                    self._streaks.pop(call.verb, None)

    def _admit(self, calls: list[_Call]) -> list[_Call]:
        """Return the calls that may run; the others are refused."""
        admitted = []
        for call in calls:
            verb = call.verb
            refusal = self._database.refusal(durable=verb.durable, grows=verb.grows(call.argument))
            if refusal is None:
                admitted.append(call)
            else:
                call.result = refusal
        return admitted

    def _fail(self, calls: list[_Call], error: Exception) -> None:
        for call in calls:
            call.result = self._translate(error)
        for verb in {call.verb for call in calls}:
            length = self._streaks.get(verb, _Streak()).length + 1
            self._streaks[verb] = _Streak(length, self._translate(error))

    def _translate(self, error: Exception) -> Exception:
        return self._database.translate(error) or error

    def _post(self, resolve: Callable[[list[_Call]], None], group: list[_Call]) -> None:
        try:
            self._loop.call_soon_threadsafe(resolve, group)
        except RuntimeError:  # the event loop is closed, and no caller is left
            _log.debug("the event loop ended before the store did")

    # -- in the threads of readers --------------------------------------------------------

    def _read(self, reader: Reader, call: _Call) -> None:
        if not call.future.cancelled():
            try:
                (call.result,) = reader(lambda session: call.verb.run(session, [call.argument]))
            except Exception as error:  # noqa: BLE001 - the caller gets it
                call.result = self._translate(error)
        self._post(self._resolve_reads, [call])

    # -- in the event loop ----------------------------------------------------------------

    def _resolve_reads(self, calls: list[_Call]) -> None:
        self._reading -= len(calls)
        self._resolve(calls)

    def _hint_and_resolve(self, group: list[_Call]) -> None:
        due = _earliest(group)
        if due is not None:
            self._hint(due)
        self._resolve(group)

    def _resolve(self, group: list[_Call]) -> None:
        self._count -= len(group)
        for call in group:
            self._bytes -= call.size
            if call.future.done():  # its caller was cancelled
                continue
            if isinstance(call.result, BaseException):
                call.future.set_exception(call.result)
            else:
                call.future.set_result(call.result)


def _gather(lane: _Lane) -> list[_Call]:
    """Return the next group of a writer; an empty one when the store is closed."""
    while not lane.backlog and not lane.ended:
        _receive(lane, lane.submitted.get())
    with contextlib.suppress(queue.Empty):
        while len(lane.backlog) < MAX_GROUP and not lane.ended:
            _receive(lane, lane.submitted.get_nowait())
    count = min(len(lane.backlog), MAX_GROUP)
    return [lane.backlog.popleft() for _ in range(count)]


def _receive(lane: _Lane, calls: list[_Call] | None) -> None:
    if calls is None:
        lane.ended = True
    else:
        lane.backlog.extend(calls)


def _earliest(group: list[_Call]) -> Micros | None:
    """Return from when on a task may be due because of the calls that have succeeded."""
    return min(
        (
            call.due
            for call in group
            if call.due is not None and not isinstance(call.result, BaseException)
        ),
        default=None,
    )


def _transactions(calls: list[_Call]) -> list[list[_Call]]:
    """Split the calls of a group into transactions: changes of queues come first."""
    alone = [call for call in calls if call.verb.alone]
    first = [[call] for call in alone if call.verb.phase == Phase.QUEUES]
    last = [[call] for call in alone if call.verb.phase > Phase.QUEUES]
    return [*first, [call for call in calls if not call.verb.alone], *last]


def _run_verbs(writer: Writer, calls: list[_Call]) -> None:
    by_verb: dict[Verb[Any, Any], list[_Call]] = collections.defaultdict(list)
    for call in calls:
        by_verb[call.verb].append(call)
    for verb in sorted(by_verb, key=lambda verb: verb.phase):
        same = by_verb[verb]
        results = verb.run(writer.session, [call.argument for call in same])
        for call, result in zip(same, results, strict=True):
            call.result = result
