"""The outbox: tasks that programs create and delete within transactions of their own.

They do so by SQL functions (migration 0003), which write entries. A server reads entries,
checks them outside any transaction, and applies them: in one transaction it deletes the entries
and creates and deletes their tasks. So an entry takes effect exactly once, whoever dies when.

One server drains, the first by name of those that are alive. The others read only entries that are
left for ``LEFT``; if several apply the same entry, the first one takes it.
"""

import asyncio
import collections
import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg

from drayman.core import names
from drayman.core.clock import SECOND, Micros
from drayman.core.errors import ServiceError
from drayman.core.limits import Limits
from drayman.core.task import NewTask
from drayman.store.contract import OutboxChange, OutboxEntry, OutboxResult, StoreError
from drayman.store.postgres import connection
from drayman.store.postgres.connection import Connection
from drayman.store.postgres.session import PostgresSession
from drayman.store.store import Store
from drayman.store.verb import Phase, Verb, single
from drayman.store.verbs import tasks
from drayman.store.verbs.tasks import CreateTasks, DeleteTasks

NOTIFICATION = "outbox"
"""What the SQL functions notify the servers of."""
LEFT: Micros = 2 * SECOND
"""After this time any server takes an entry."""
AWAKE: Micros = 1 * SECOND
"""How long after a change the SQL functions notify nobody, because a server reads the outbox."""
MAX_ERRORS = 1_000
"""The most refused entries that are recorded."""
MAX_ERROR_TASK = 10_000
"""The most bytes of a task that is recorded with its error."""
DRAIN_TRIES = 50
DRAIN_PAUSE = 0.2
"""Seconds between two tries to find the entries of before drained."""

_Result = TypeVar("_Result")

_CONFIGURE = """
UPDATE outbox_state SET
  task_size = %(task_size)s, schedule_horizon = %(schedule_horizon)s,
  allow_http_tokens = %(allow_http_tokens)s, task_tombstone = %(task_tombstone)s
WHERE (task_size, schedule_horizon, allow_http_tokens, task_tombstone) IS DISTINCT FROM
  (%(task_size)s, %(schedule_horizon)s, %(allow_http_tokens)s, %(task_tombstone)s)
"""
_LIST = """
SELECT number, name, seq, task::text FROM (
  SELECT number, name, seq, task, sum(size) OVER (ORDER BY number) - size AS before
  FROM outbox
  WHERE number > %(after)s AND create_time <= clock_timestamp() - CASE
    WHEN EXISTS (
      SELECT FROM server
      WHERE name < %(server)s AND heartbeat > clock_timestamp() - interval '6 seconds'
    ) THEN %(left)s ELSE 0
  END * interval '1 microsecond'
  ORDER BY number
  LIMIT %(limit)s
) AS entry
WHERE before < %(size)s
ORDER BY number
"""
_TAKE_CREATIONS = """
DELETE FROM outbox WHERE number = ANY (ARRAY(
  SELECT number FROM outbox WHERE number = ANY (%(numbers)s) AND task IS NOT NULL
  FOR UPDATE SKIP LOCKED
))
RETURNING number
"""
# The creation of a task that is to be deleted may be in another server's hands.
_TAKE_DELETIONS = """
DELETE FROM outbox WHERE number = ANY (ARRAY(
  SELECT number FROM outbox AS deletion
  WHERE number = ANY (%(numbers)s) AND task IS NULL AND NOT EXISTS (
    SELECT FROM outbox AS creation
    WHERE creation.name = deletion.name AND creation.task IS NOT NULL
  )
  FOR UPDATE SKIP LOCKED
))
RETURNING number
"""
_STAY_AWAKE = """
UPDATE outbox_state SET awake_until = clock_timestamp() + %(awake)s * interval '1 microsecond'
WHERE awake_until < clock_timestamp() + %(awake)s / 2 * interval '1 microsecond'
"""
_COUNT_LEFT = """
SELECT count(*), max(number), EXISTS (
  SELECT FROM server
  WHERE heartbeat > clock_timestamp() - %(alive)s * interval '1 microsecond'
)
FROM outbox WHERE number <= %(last)s
"""
_LARGEST_NUMBER = 2**63 - 1
_RECORD_ERROR = """
INSERT INTO outbox_error (name, code, message, task)
VALUES (%(name)s, %(code)s, %(message)s, %(task)s::text::jsonb)
"""
_DELETE_OLD_ERRORS = """
DELETE FROM outbox_error
WHERE number <= (SELECT max(number) FROM outbox_error) - %(limit)s
"""


class Outbox:
    """Implements ``contract.Outbox``.

    Args:
        store: The store of the tasks.
        on_outbox: Takes the function to call, in any thread, when entries were committed.
        server: The name of this server, None if it is no member of those that share the database.
    """

    def __init__(
        self,
        store: Store,
        on_outbox: Callable[[Callable[[], object]], None],
        server: str | None,
    ) -> None:
        self._store = store
        self._on_outbox = on_outbox
        self._server = server or ""

    def on_commit(self, hint: Callable[[], object]) -> None:
        """Call ``hint`` in the event loop's thread when entries were committed."""
        loop = asyncio.get_running_loop()

        def hint_in_loop() -> None:
            with contextlib.suppress(RuntimeError):  # the event loop is closed
                loop.call_soon_threadsafe(hint)

        self._on_outbox(hint_in_loop)

    def configure(self, limits: Limits) -> asyncio.Future[None]:
        """Set the limits by which entries are checked when they are written."""
        return self._call(_configure_verb, limits)

    def list_entries(self, after: int, limit: int, size: int) -> asyncio.Future[list[OutboxEntry]]:
        """Return committed entries with a number above ``after``, in order."""
        return self._call(_list_verb, self._server, after, limit, size)

    def apply(
        self, changes: Sequence[OutboxChange], now: Micros
    ) -> asyncio.Future[list[OutboxResult]]:
        """Apply entries and delete them; return what became of each."""
        due = [change.task.schedule_time for change in changes if isinstance(change.task, NewTask)]
        return self._call(_apply_verb, changes, now, due=min(due, default=None))

    def _call(
        self, verb: Verb[Any, _Result], *args: Any, due: Micros | None = None
    ) -> asyncio.Future[_Result]:
        return self._store.call(verb, (args, {}), 0, due)


def wait_until_drained(link: Connection, alive: Micros, tries: int = DRAIN_TRIES) -> None:
    """Wait until servers have applied the entries that are committed by now.

    A server is alive for so long after its last heartbeat.
    StoreError if there are entries and no server is alive, or servers do not apply them in time.
    """
    last = _LARGEST_NUMBER
    for _ in range(tries):
        with connection.transaction(link):
            params = {"last": last, "alive": alive}
            count, last, is_served = connection.one(link, _COUNT_LEFT, params)
        if not count:
            return
        if not is_served:
            break
        threading.Event().wait(DRAIN_PAUSE)
    raise StoreError(
        f"store {link.address.url}: transactions of programs have created or deleted {count:,} "
        "tasks that no server has taken from the outbox yet; start a server, for example "
        "drayman serve --role api, which delivers nothing and takes them within a second, then try "
        "again"
    )


def _configure(session: PostgresSession, limits: Limits) -> None:
    task = limits.task
    _run(
        session,
        _CONFIGURE,
        task_size=task.task_size,
        schedule_horizon=task.schedule_horizon,
        allow_http_tokens=task.allow_http_tokens,
        task_tombstone=limits.retention.task_tombstone,
    )


def _list_entries(
    session: PostgresSession, server: str, after: int, limit: int, size: int
) -> list[OutboxEntry]:
    rows = _run(session, _LIST, server=server, left=LEFT, after=after, limit=limit, size=size)
    return [OutboxEntry(*row) for row in rows]


def _apply(
    session: PostgresSession, changes: Sequence[OutboxChange], now: Micros
) -> list[OutboxResult]:
    numbers = [change.entry.number for change in changes]
    results = _create(session, _taken(session, _TAKE_CREATIONS, numbers, changes), now)
    results += _delete(session, _taken(session, _TAKE_DELETIONS, numbers, changes), now)
    _record_errors(session, results)
    _run(session, _STAY_AWAKE, awake=AWAKE)
    return results


_configure_verb = single(_configure, Phase.UPKEEP, durable=False, bounded=False)  # type: ignore[arg-type] # on this dialect alone
_list_verb = single(_list_entries, Phase.READS, bounded=False)  # type: ignore[arg-type] # the same
# An entry that is lost with its task in a crash of PostgreSQL is in the outbox again.
_apply_verb = single(_apply, Phase.TASKS, durable=False, bounded=False)  # type: ignore[arg-type] # the same


def _taken(
    session: PostgresSession,
    statement: str,
    numbers: Sequence[int],
    changes: Sequence[OutboxChange],
) -> list[OutboxChange]:
    taken = {number for (number,) in _run(session, statement, numbers=numbers)}
    return [change for change in changes if change.entry.number in taken]


def _create(
    session: PostgresSession, changes: Sequence[OutboxChange], now: Micros
) -> list[OutboxResult]:
    refused = [
        OutboxResult(change.entry, change.task)
        for change in changes
        if isinstance(change.task, ServiceError)
    ]
    by_queue: dict[str, list[tuple[OutboxEntry, NewTask]]] = collections.defaultdict(list)
    for entry, task in changes:
        if isinstance(task, NewTask):
            by_queue[names.task(entry.name).queue].append((entry, task))
    calls = [
        CreateTasks(queue, [task for _, task in items], now) for queue, items in by_queue.items()
    ]
    created = tasks.create_tasks(session, calls) if calls else []
    return refused + [
        OutboxResult(entry, result)
        for items, results in zip(by_queue.values(), created, strict=True)
        for (entry, _), result in zip(items, results, strict=True)
    ]


def _delete(
    session: PostgresSession, changes: Sequence[OutboxChange], now: Micros
) -> list[OutboxResult]:
    entries = [change.entry for change in changes]
    if not entries:
        return []
    (results,) = tasks.delete_tasks(session, [DeleteTasks([entry.name for entry in entries], now)])
    return list(map(OutboxResult, entries, results))


def _record_errors(session: PostgresSession, results: Sequence[OutboxResult]) -> None:
    """Record creations that were refused; a task that is gone needs no deletion."""
    refused = [
        (entry, result)
        for entry, result in results
        if entry.task is not None and isinstance(result, ServiceError)
    ]
    for entry, error in refused:
        task = entry.task if len(entry.task or "") <= MAX_ERROR_TASK else None
        params = {"name": entry.name, "code": int(error.code), "message": error.message}
        _run(session, _RECORD_ERROR, **params, task=task)
    if refused:
        _run(session, _DELETE_OLD_ERRORS, limit=MAX_ERRORS)


def _run(session: PostgresSession, statement: str, **params: Any) -> list[tuple[Any, ...]]:
    """Run a statement; return its rows, none if it returns none."""
    cursor: psycopg.Cursor[Any] = session.connection.execute(
        statement, params, prepare=True, binary=True
    )
    return cursor.fetchall() if cursor.description else []
