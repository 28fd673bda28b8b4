"""The servers that share a database: their heartbeats, and what they notify each other of.

One thread with a connection of its own. Once a second it renews the row of its server. It returns
the claims of servers that are not alive to their queues: they have ended without a release, or are
frozen or cut off. What such a server does later with a claim has no effect, because claims that are
not held settle nothing. The database's clock alone decides who is alive.

Between two heartbeats the thread waits for notifications of the others' changes. They are hints: a
lost one costs at most the dispatcher's poll interval. A pooler passes no notifications on; through
one, the thread reads a few times a second from when on tasks are due.
"""

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

import psycopg

from drayman.core.clock import SECOND, Micros
from drayman.core.limits import Limits
from drayman.store.postgres import checks, connection, outbox
from drayman.store.postgres.address import Address
from drayman.store.postgres.checks import Checks
from drayman.store.postgres.link import Link
from drayman.store.postgres.session import PostgresSession
from drayman.store.verbs import claims

INTERVAL: Micros = 1 * SECOND
"""The time between two heartbeats."""
POLL: Micros = SECOND // 20
"""The time between two polls through a pooler."""
ALIVE: Micros = 6 * SECOND
"""How long a server is alive after its last heartbeat."""
_FOLD_INTERVAL = 3600
"""The number of heartbeats after which counts of ended connections are added up; also at start."""
_STEADY = ALIVE // INTERVAL
"""The number of heartbeats in a row after which a server judges others. After an interruption of
the database all heartbeats are old, and each server must have had the time to renew its own."""
_MAX_TRIES = 3
"""How often claims are released if that conflicts with another server. PostgreSQL finds a deadlock
after a second, so this server is still alive then."""

_BEAT = """
INSERT INTO server (name, heartbeat) VALUES (%(name)s, clock_timestamp())
ON CONFLICT (name) DO UPDATE SET heartbeat = excluded.heartbeat
RETURNING (extract(epoch FROM heartbeat) * 1000000)::bigint
"""
_COUNT_OTHERS = """
SELECT count(*) FROM server
WHERE name <> %(name)s AND heartbeat > clock_timestamp() - %(alive)s * interval '1 microsecond'
"""
_FIND_DEAD = """
SELECT DISTINCT claim.server FROM claim
WHERE claim.server IS NOT NULL AND NOT EXISTS (
  SELECT FROM server WHERE server.name = claim.server
    AND heartbeat > clock_timestamp() - %(alive)s * interval '1 microsecond'
)
"""
_FORGET_DEAD = """
DELETE FROM server WHERE heartbeat < clock_timestamp() - 10 * %(alive)s * interval '1 microsecond'
"""
_FOLD_COUNTS = """
WITH ended AS (
  DELETE FROM task_count WHERE (generation, backend) IN (
    SELECT generation, backend FROM task_count
    WHERE backend <> 0 AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = backend)
    LIMIT 10000 FOR UPDATE SKIP LOCKED
  )
  RETURNING generation, tasks
)
INSERT INTO task_count (generation, backend, tasks)
SELECT generation, 0, sum(tasks) FROM ended GROUP BY generation ORDER BY generation
ON CONFLICT (generation, backend) DO UPDATE SET tasks = task_count.tasks + excluded.tasks
"""
_LEAVE = "DELETE FROM server WHERE name = %(name)s"
_NOTIFY = "SELECT pg_notify(%s, %s)"
_EARLIEST = """
SELECT CASE
  WHEN EXISTS (SELECT FROM claim WHERE server IS NULL) THEN 0
  ELSE (SELECT min(wake_time) FROM queue)
END
"""

_log = logging.getLogger(__name__)


class Members:
    """The row of one server among those that share a database.

    Attributes:
        others: The number of other servers that are alive.
    """

    def __init__(
        self,
        address: Address,
        limits: Limits,
        name: str,
        hint: Callable[[Micros], object],
        outbox_hint: Callable[[], object],
        regular: Checks,
    ) -> None:
        self.others = 0
        self._address = address
        self._limits = limits
        self._name = name
        self._params = {"name": name, "alive": ALIVE}
        self._hint = hint
        self._outbox_hint = outbox_hint
        self._checks = regular
        self._next_check: Micros = 0
        self._session: PostgresSession | None = None
        self._last_beat: Micros = 0
        self._beats = 0
        self._earliest: Micros | None = None
        self._closing = threading.Event()
        try:
            self._beat()  # before the first claim
        except BaseException:
            self._disconnect()
            raise
        self._thread = threading.Thread(target=self._work, name="drayman-members", daemon=True)
        self._thread.start()

    def close(self, writer: Link) -> None:
        """Stop the thread and delete the server's row."""
        self._closing.set()
        with contextlib.suppress(psycopg.Error):
            notify(writer.connection, self._address, 0, self._name)  # ends the wait of the thread
        self._thread.join()
        with contextlib.suppress(psycopg.Error), connection.transaction(writer.connection):
            writer.connection.execute(_LEAVE, self._params)
        self._disconnect()

    def _work(self) -> None:
        while not self._closing.is_set():
            try:
                self._await_changes()
                self._beat()
            except Exception as error:  # noqa: BLE001 - the next heartbeat tries again
                _log.warning("no heartbeat: %s", connection.describe(error))
                self._disconnect()
                self._closing.wait(INTERVAL / SECOND)

    def _await_changes(self) -> None:
        """Pass hints on until the next heartbeat is due."""
        if self._session is None:
            return
        if self._session.connection.address.pooled:
            self._poll(self._session)
        else:
            self._listen(self._session)

    def _poll(self, session: PostgresSession) -> None:
        for _ in range(INTERVAL // POLL):
            if self._closing.wait(POLL / SECOND):
                return
            if self.others:  # nobody else changes what is due
                self._pass_on_earliest(session)

    def _pass_on_earliest(self, session: PostgresSession) -> None:
        with connection.transaction(session.connection):
            (earliest,) = connection.one(session.connection, _EARLIEST)
        if earliest is not None and earliest != self._earliest:
            self._hint(earliest)
        self._earliest = earliest

    def _listen(self, session: PostgresSession) -> None:
        for notification in session.connection.notifies(timeout=INTERVAL / SECOND):
            if notification.payload == outbox.NOTIFICATION:
                self._outbox_hint()
            due, _, sender = notification.payload.partition(" ")
            if sender != self._name and due.isdecimal():
                self.others = max(self.others, 1 if sender else 0)
                self._hint(int(due))
            if self._closing.is_set():
                return

    def _beat(self) -> None:
        """Renew the server's row; release the claims of servers that are not alive."""
        session = self._session or self._connect()
        with connection.transaction(session.connection):
            (now,) = connection.one(session.connection, _BEAT, self._params)
            (self.others,) = connection.one(session.connection, _COUNT_OTHERS, self._params)
        self._beats = self._beats + 1 if now - self._last_beat < 2 * INTERVAL else 0
        self._last_beat = now
        if self._beats % _FOLD_INTERVAL == 0:
            with connection.transaction(session.connection):
                session.connection.execute(_FOLD_COUNTS)
        if now >= self._next_check:
            self._next_check = now + checks.INTERVAL
            self._checks.run(session.connection)
        if self._beats >= _STEADY:
            for name in self._dead_servers(session):
                self._release(session, name, now)

    def _dead_servers(self, session: PostgresSession) -> list[str]:
        """Return the servers with claims that are not alive; forget those that ended long ago."""
        with connection.transaction(session.connection):
            session.connection.execute(_FORGET_DEAD, self._params)
            rows = session.connection.execute(_FIND_DEAD, self._params).fetchall()
        return [name for (name,) in rows]

    def _release(
        self, session: PostgresSession, name: str, now: Micros, tries: int = _MAX_TRIES
    ) -> None:
        try:
            with connection.transaction(session.connection):
                count = claims.release(session, name, now)
        except psycopg.Error as error:
            if tries > 1 and connection.is_conflict(error):
                self._release(session, name, now, tries - 1)
                return
            raise
        if count:
            _log.warning("released %d attempts of server %s, which is not alive", count, name)
            self._hint(now)
            notify(session.connection, self._address, now, "")

    def _connect(self) -> PostgresSession:
        link = connection.connect(self._address)
        self._session = PostgresSession(link, self._limits)
        if not link.address.pooled:
            link.execute(f"LISTEN {channel(self._address)}")
        notify(link, self._address, 0, self._name)  # from now on the others notify this server
        self._hint(0)  # whatever happened before
        return self._session

    def _disconnect(self) -> None:
        if self._session is not None:
            self._session.connection.close()
        self._session = None
        self._beats = 0


def channel(address: Address) -> str:
    """Return the name of the channel that the servers of a store listen on."""
    return f"drayman_{address.schema}"[:63]


def notify(link: psycopg.Connection[Any], address: Address, due: Micros, sender: str) -> None:
    """Notify the other servers that tasks may be due at a time."""
    link.execute(_NOTIFY, [channel(address), f"{max(due, 0)} {sender}"])
