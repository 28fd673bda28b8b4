"""A database of PostgreSQL: its transactions, and a new connection when one is lost."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg

from drayman.core import errors
from drayman.core.clock import SECOND, Micros
from drayman.core.limits import Limits
from drayman.store import inspection
from drayman.store.contract import StoreError
from drayman.store.inspection import Report
from drayman.store.postgres import address, connection, schema
from drayman.store.postgres.address import Address
from drayman.store.postgres.members import Members, notify
from drayman.store.postgres.outbox import Outbox
from drayman.store.postgres.session import PostgresSession
from drayman.store.store import Store

FIRST_WAIT = 0.05
"""Seconds between the first two attempts to connect again; it doubles with each."""
LONGEST_WAIT = 1.0
MAX_CLOCK_DIFFERENCE: Micros = 1 * SECOND
"""A larger difference between the clocks of server and database is reported."""

_log = logging.getLogger(__name__)

# A snapshot lasts as long as its reader takes.
_WITHOUT_TIMEOUTS = (
    "SET LOCAL statement_timeout TO 0; SET LOCAL idle_in_transaction_session_timeout TO 0"
)
_BEGIN_DURABLE = "BEGIN"
_BEGIN_WRITTEN = "BEGIN; SET LOCAL synchronous_commit TO off"
# A statement that was interrupted may have left the lock of reserve_seqs.
_ROLLBACK = "ROLLBACK; SELECT pg_advisory_unlock_all()"


async def open_store(
    url: str, limits: Limits, now: Micros, *, server: str | None = None, safe: bool = True
) -> Store:
    """Open the store in a database, and create or migrate its tables.

    A clock of this server that differs from the database's is reported.

    ``server`` is the name under which this server claims attempts; with None it is no member of the
    servers that share the database. If ``safe`` is false, no transaction waits until it is on disk.
    StoreError if it cannot be opened.
    """
    database = PostgresDatabase(address.parse(url), limits, server=server, safe=safe)
    try:
        database.compare_clocks(now)
        store = Store(database)
    except BaseException:
        database.close()
        raise
    store.outbox = Outbox(store, database.on_outbox, server)
    return store


def migrate(url: str) -> int:
    """Create or migrate the tables of a store; return their format. StoreError."""
    parsed = address.parse(url)
    with contextlib.closing(_first_connection(parsed)) as first:
        return _migrate(first, parsed)


@contextlib.contextmanager
def transaction(url: str) -> Iterator[PostgresSession]:
    """Give the session of one transaction beside those of servers. StoreError."""
    parsed = address.parse(url)
    with contextlib.closing(_first_connection(parsed)) as first:
        _migrate(first, parsed)
        try:
            with first.transaction():
                yield PostgresSession(first, Limits())
        except psycopg.Error as error:
            raise _cannot_open(parsed, error) from None


@contextlib.contextmanager
def snapshot(url: str) -> Iterator[PostgresSession]:
    """Give a session that reads the store as it is now, for as long as it takes. StoreError."""
    parsed = address.parse(url)
    with contextlib.closing(_first_connection(parsed)) as first:
        try:
            if not schema.probe(first, parsed):
                raise StoreError(f"store {parsed.url} does not exist")
            first.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            first.read_only = True
            with first.transaction():
                first.execute(_WITHOUT_TIMEOUTS, prepare=False)
                yield PostgresSession(first, Limits())
        except psycopg.Error as error:
            raise _cannot_open(parsed, error) from None


def probe(url: str) -> bool:
    """Return whether a store exists, without changing anything; StoreError if it is unusable."""
    parsed = address.parse(url)
    with contextlib.closing(_first_connection(parsed)) as first:
        try:
            return schema.probe(first, parsed)
        except psycopg.Error as error:
            raise _cannot_open(parsed, error) from None


def inspect(url: str) -> Report:
    """Check a store in one transaction that only reads. StoreError if it cannot be read."""
    parsed = address.parse(url)
    with contextlib.closing(_first_connection(parsed)) as first:
        try:
            with first.transaction():
                # Whole tables are read, which the settings of a server's connection avoid.
                first.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                first.execute("SET LOCAL statement_timeout TO 0")
                first.execute("SET LOCAL enable_seqscan TO on")
                first.execute("SET LOCAL enable_hashjoin TO on")
                return _inspect(first, parsed)
        except psycopg.Error as error:
            raise _cannot_open(parsed, error) from None


def _inspect(connection: psycopg.Connection[Any], parsed: Address) -> Report:
    if schema.find_format(connection, parsed) is None:
        raise StoreError(f"store {parsed.url} does not exist")

    def count(statement: str) -> int:
        row = connection.execute(statement.encode()).fetchone()
        return int(row[0]) if row else 0

    number = schema.check_format(connection, parsed)
    in_use = count("SELECT count(*) FROM server") > 0
    rows, broken = inspection.counts(count), inspection.broken_rules(count)
    return Report(number, in_use, rows, broken, [])


class PostgresDatabase:
    """A database that any number of servers share; implements ``store.Database``.

    Attributes:
        session: The session of the writer thread.
    """

    shared = True
    recovered = 0
    """Claims of servers that died are released by ``members``, while others are alive."""

    def __init__(
        self, address: Address, limits: Limits, *, server: str | None = None, safe: bool = True
    ) -> None:
        self._address = address
        self._limits = limits
        self._server = server
        self._safe = safe
        self._members: Members | None = None
        self._outbox_hint: Callable[[], object] = lambda: None
        first = _first_connection(address)
        try:
            self._opened_at = connection.database_time(first)
            self.format = _migrate(first, address)
        except BaseException:
            first.close()
            raise
        self.session = PostgresSession(first, limits)
        self._closing = threading.Event()
        self._reconnecting: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Its URL, without a password."""
        return self._address.url

    def compare_clocks(self, now: Micros) -> None:
        """Log a warning if the clock of this server differs from the database's.

        ``now`` is the time of this server when the database was opened.
        """
        ahead = now - self._opened_at
        if abs(ahead) > MAX_CLOCK_DIFFERENCE:
            _log.warning(
                "the clock of this server is %.1f s %s the clock of the database: tasks are due by "
                "the clock of the server that claims them",
                abs(ahead) / SECOND,
                "ahead of" if ahead > 0 else "behind",
            )

    @property
    def refuses(self) -> bool:
        """Whether ``refusal`` refuses some calls: never, PostgreSQL itself does."""
        return False

    def refusal(self, *, durable: bool, grows: bool) -> errors.ServiceError | None:  # noqa: ARG002
        """Return None: a transaction shows whether the database can be used."""
        return None

    def make_room(self, error: Exception) -> bool:  # noqa: ARG002 - the disk is another machine's
        """Return False: no space is reserved on the disk of the database."""
        return False

    def inspect(self) -> None:
        """Do nothing: a transaction shows whether the database can be used."""

    def vacuum(self) -> bool:
        """Return False: PostgreSQL vacuums by itself."""
        return False

    def close(self) -> None:
        """Leave the other servers and close the connection."""
        self._closing.set()
        if self._members is not None:
            self._members.close(self.session.connection)
        if self._reconnecting is not None:
            self._reconnecting.join()
        self.session.connection.close()

    def watch(self, hint: Callable[[Micros], object]) -> None:
        """Join the servers that share the database; call ``hint`` when one makes tasks due."""
        if self._server is None:
            return
        try:
            self._members = Members(
                self._address, self._limits, self._server, hint, self._hint_outbox
            )
        except psycopg.Error as error:
            raise _cannot_open(self._address, error) from None

    def on_outbox(self, hint: Callable[[], object]) -> None:
        """Call ``hint``, in any thread, when entries of the outbox were committed."""
        self._outbox_hint = hint

    def _hint_outbox(self) -> None:
        self._outbox_hint()

    def announce(self, due: Micros) -> None:
        """Notify the other servers, if there are any, that tasks may be due at a time."""
        if self._members is None or not self._members.others:
            return
        with contextlib.suppress(psycopg.Error):  # a hint may be lost
            notify(self.session.connection, self._address, due, self._server or "")

    def begin(self, *, durable: bool) -> None:
        """Begin a transaction.

        One that is not durable is on disk a moment after its commit, in the order of all commits.
        """
        statements = _BEGIN_DURABLE if durable and self._safe else _BEGIN_WRITTEN
        try:
            self.session.connection.execute(statements, prepare=False)
        except psycopg.OperationalError:
            if self._is_reconnecting or not self.session.connection.closed:
                raise
            # PostgreSQL closed the connection while it was idle, for example in a restart.
            self.session.connection = connection.connect(self._address)
            self.session.connection.execute(statements, prepare=False)

    def commit(self) -> None:
        """Commit the transaction."""
        done = self.session.connection.execute("COMMIT", prepare=False)
        if done.statusmessage != "COMMIT":  # PostgreSQL rolls a failed transaction back instead
            raise psycopg.errors.InFailedSqlTransaction("the transaction has failed")

    def rollback(self) -> None:
        """Undo the transaction; PostgreSQL may have done so itself."""
        with contextlib.suppress(psycopg.Error):
            self.session.connection.execute(_ROLLBACK, prepare=False)

    def is_conflict(self, error: Exception) -> bool:
        """Return whether an error ends when the transaction is repeated."""
        return connection.is_conflict(error)

    def affects_all(self, error: Exception) -> bool:
        """Return whether an error concerns the whole database rather than one statement."""
        return connection.affects_all(error)

    def translate(self, error: Exception) -> errors.ServiceError | None:
        """Return the error that a caller gets; connect again if the connection is lost."""
        if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
            self.session.connection.close()  # a standby: another host takes the writes now
        if self.session.connection.closed and not self._is_reconnecting:
            self._reconnecting = threading.Thread(
                target=self._reconnect, name="drayman-reconnect", daemon=True
            )
            self._reconnecting.start()
        return connection.translate(error)

    @property
    def _is_reconnecting(self) -> bool:
        return self._reconnecting is not None and self._reconnecting.is_alive()

    def _reconnect(self) -> None:
        """Connect again and again, so that calls fail at once rather than wait for a connection."""
        wait = FIRST_WAIT
        while not self._closing.is_set():
            with contextlib.suppress(psycopg.Error):
                self.session.connection = connection.connect(self._address)
                return
            self._closing.wait(wait)
            wait = min(2 * wait, LONGEST_WAIT)


def _first_connection(address: Address) -> psycopg.Connection[Any]:
    try:
        return connection.connect(address)
    except psycopg.Error as error:
        raise _cannot_open(address, error) from None


def _migrate(first: psycopg.Connection[Any], address: Address) -> int:
    try:
        return schema.migrate(first, address)
    except psycopg.Error as error:
        raise _cannot_open(address, error) from None


def _cannot_open(address: Address, error: psycopg.Error) -> StoreError:
    return StoreError(f"store {address.url} cannot be opened: {connection.describe(error)}")
