"""Group commit: one thread, one connection, one transaction for all who wait.

Verbs come from the event loop and wait here. Each turn of the writer takes all that wait, runs
them in one transaction, commits once and resolves every caller; while it commits, the next
group gathers. There is no timer: alone, a verb is a group of one.

What waits together has no order among itself (nobody has been answered yet), so the writer
runs a group verb by verb, in the order of ``Verb.rank``, and gives each verb all of its calls at
once. Reads come last, after the commit.
"""

import asyncio
import collections
import dataclasses
import enum
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from drayman.core import errors
from drayman.store.sqlite import database
from drayman.store.sqlite.rows import Connection

GROUP = 1_000
"""The most calls of a group."""
WAITING = 20_000
"""The most calls that may wait; beyond, callers are told to come back."""
WAITING_BYTES = 256 << 20
"""The most bytes that waiting calls may hold."""

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


class Rank(enum.IntEnum):
    """The turns of a group: what makes work due comes before what looks for it."""

    QUEUES = 0
    TASKS = 1
    DELETIONS = 2
    OUTCOMES = 3
    CLAIMS = 4
    UPKEEP = 5
    READS = 6


@dataclasses.dataclass(frozen=True)
class Verb(Generic[_Result]):
    """A verb of the store as the writer runs it.

    Attributes:
        run: Takes the connection and the arguments of its calls; returns a result for each, an
            exception in the place of one that failed.
        rank: Its turn within a group; reads need no transaction.
        promise: Whether its effect must be on disk before it returns.
        wakes: Whether work may have become due by it.
        bounded: Whether it is refused when too much waits (the outcomes of attempts are not:
            the attempts themselves are bounded).
    """

    run: Callable[[Connection, Sequence[Any]], Sequence[Any]]
    rank: Rank
    promise: bool = True
    wakes: bool = False
    bounded: bool = True


@dataclasses.dataclass(slots=True)
class _Call:
    verb: Verb[Any]
    argument: Any
    size: int
    future: asyncio.Future[Any]
    result: Any = None


class Writer:
    """The thread, and what waits for it."""

    def __init__(
        self,
        connection: Connection,
        *,
        safe: bool,
        committed: Callable[[], object] | None = None,
    ) -> None:
        self._connection = connection
        self._safe = safe
        self._committed = committed
        self._loop = asyncio.get_running_loop()
        self._waiting: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._count = 0
        self._bytes = 0
        self._closed = False
        self._synchronous: str | None = None
        self._hints: list[Callable[[], object]] = []
        self._thread = threading.Thread(target=self._work, name="drayman-store", daemon=True)
        self._thread.start()

    def on_change(self, hint: Callable[[], object]) -> None:
        """Have ``hint`` called in the loop's thread after a verb that may have made work due."""
        self._hints.append(hint)

    async def call(self, verb: Verb[_Result], argument: Any, size: int = 0) -> _Result:
        """Run a verb; ``size`` is how many bytes its argument holds, roughly."""
        if self._closed:
            raise errors.Unavailable("The store is closed: the server is stopping.")
        if verb.bounded and (self._count >= WAITING or self._bytes + size > WAITING_BYTES):
            raise errors.ResourceExhausted("Too many calls are waiting for the store.")
        call = _Call(verb, argument, size, self._loop.create_future())
        self._count += 1
        self._bytes += size
        self._waiting.put(call)
        result: _Result = await call.future
        return result

    async def close(self) -> None:
        """Finish what waits, then stop the thread; whoever calls returns when it has stopped."""
        if not self._closed:
            self._closed = True
            self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    # -- the thread -----------------------------------------------------------------------

    def _work(self) -> None:
        open_ = True
        while open_:
            group, open_ = self._gather()
            if group:
                self._run(group)
                self._post(group)

    def _gather(self) -> tuple[list[_Call], bool]:
        group: list[_Call] = []
        call = self._waiting.get()
        while call is not None:
            group.append(call)
            if len(group) >= GROUP:
                return group, True
            try:
                call = self._waiting.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _run(self, group: list[_Call]) -> None:
        writes = [call for call in group if call.verb.rank is not Rank.READS]
        reads = [call for call in group if call.verb.rank is Rank.READS]
        if writes:
            self._transact(writes)
        for call in reads:
            try:
                (call.result,) = call.verb.run(self._connection, [call.argument])
            except Exception as error:  # noqa: BLE001 - it becomes the caller's answer
                call.result = _as_answer(error)

    def _transact(self, calls: list[_Call]) -> None:
        try:
            self._set_synchronous(any(call.verb.promise for call in calls))
            self._connection.execute("BEGIN IMMEDIATE")
            self._run_verbs(calls)
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - it becomes the callers' answer
            database.rollback(self._connection)
            of_all = isinstance(error, sqlite3.Error) and database.is_of_the_disk(error)
            if of_all or len(calls) == 1:
                answer = _as_answer(error)
                for call in calls:
                    call.result = answer
                return
            # One call spoils the group: let each stand for itself.
            for call in calls:
                self._transact([call])
            return
        if self._committed is not None:
            self._committed()

    def _run_verbs(self, calls: list[_Call]) -> None:
        by_verb: dict[Verb[Any], list[_Call]] = collections.defaultdict(list)
        for call in calls:
            by_verb[call.verb].append(call)
        for verb in sorted(by_verb, key=lambda verb: verb.rank):
            same = by_verb[verb]
            results = verb.run(self._connection, [call.argument for call in same])
            for call, result in zip(same, results, strict=True):
                call.result = result

    def _set_synchronous(self, promise: bool) -> None:
        # A promise is fsynced; a note is only written, and reaches the disk with the next promise.
        mode = "FULL" if promise and self._safe else "NORMAL"
        if mode != self._synchronous:
            self._connection.execute(f"PRAGMA synchronous = {mode}")
            self._synchronous = mode

    def _post(self, group: list[_Call]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._resolve, group)
        except RuntimeError:  # the loop is gone, and with it everyone who could have cared
            _log.debug("the event loop ended before the store did")

    # -- back in the loop -----------------------------------------------------------------

    def _resolve(self, group: list[_Call]) -> None:
        self._count -= len(group)
        wakes = False
        for call in group:
            self._bytes -= call.size
            wakes = wakes or call.verb.wakes
            if call.future.done():  # its caller was cancelled
                continue
            if isinstance(call.result, BaseException):
                call.future.set_exception(call.result)
            else:
                call.future.set_result(call.result)
        if wakes:
            for hint in self._hints:
                hint()


def _as_answer(error: Exception) -> Exception:
    return database.as_service_error(error) or error
