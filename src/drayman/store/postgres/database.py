"""A database of PostgreSQL: its transactions, and a new connection when one is lost."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import psycopg

from drayman.core import errors
from drayman.core.clock import Clock, Micros
from drayman.core.limits import Limits
from drayman.store import inspection
from drayman.store.contract import StoreError
from drayman.store.inspection import Report
from drayman.store.postgres import address, checks, connection, schema
from drayman.store.postgres.address import Address
from drayman.store.postgres.connection import Connection
from drayman.store.postgres.link import Link
from drayman.store.postgres.members import ALIVE, Members, notify
from drayman.store.postgres.outbox import Outbox, wait_until_drained
from drayman.store.postgres.session import PostgresSession
from drayman.store.readers import Reader
from drayman.store.store import Store

WRITERS = 2
READERS = 4
"""The number of connections for reads."""
_NOT_ON_DISK = "synchronous_commit TO off"
_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


async def open_store(
    url: str,
    limits: Limits,
    now: Micros,
    *,
    server: str | None = None,
    safe: bool = True,
    clock: Clock | None = None,
) -> Store:
    """Open the store in a database, and create or migrate its tables.

    ``clock`` is corrected by the clock of the database, from now on; without it, a difference to
    ``now`` is only reported.

    ``server`` is the name under which this server claims attempts; with None it is no member of the
    servers that share the database. If ``safe`` is false, no transaction waits until it is on disk.
    StoreError if it cannot be opened.
    """
    database = PostgresDatabase(address.parse(url), limits, server=server, safe=safe, clock=clock)
    try:
        if clock is None:
            checks.report(now - database.opened_at)
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
            with connection.transaction(first):
                yield PostgresSession(first, Limits())
        except psycopg.Error as error:
            raise _cannot_open(parsed, error) from None


@contextlib.contextmanager
def snapshot(url: str) -> Iterator[PostgresSession]:
    """Give a session that reads the store as it is now, for as long as it takes.

    Tasks of transactions that were committed before are in their queues. StoreError.
    """
    parsed = address.parse(url)
    with contextlib.closing(_first_connection(parsed)) as first:
        try:
            with connection.transaction(first):
                number = _existing_format(first, parsed)
            if number >= _OUTBOX_FORMAT:
                wait_until_drained(first, ALIVE)
            with connection.transaction(first):
                first.execute(_SNAPSHOT, prepare=False)
                yield PostgresSession(first, Limits())
        except psycopg.Error as error:
            raise _cannot_open(parsed, error) from None


def probe(url: str) -> bool:
    """Return whether a store exists, without changing anything; StoreError if it is unusable."""
    parsed = address.parse(url)
    with contextlib.closing(_first_connection(parsed)) as first:
        try:
            with connection.transaction(first):
                return schema.probe(first, parsed)
        except psycopg.Error as error:
            raise _cannot_open(parsed, error) from None


def _existing_format(first: Connection, parsed: Address) -> int:
    """Return the format of a store that this version can use; StoreError."""
    if schema.find_format(first, parsed) is None:
        raise StoreError(f"store {parsed.url} does not exist")
    return schema.check_format(first, parsed)


_TASK_COUNTS_FORMAT = 2
"""The format from which on tasks are counted."""
_TASK_COUNTS = {
    inspection.TASKS_COUNTED_WRONGLY: (
        "SELECT count(*) FROM queue WHERE "
        "(SELECT count(*) FROM task WHERE task.generation = queue.generation) <> coalesce("
        "(SELECT sum(tasks) FROM task_count WHERE task_count.generation = queue.generation), 0)"
    )
}
"""A rule of the rows, beside those of both databases."""
_OUTBOX_FORMAT = 3
"""The format from which on there is an outbox."""
_OUTBOX_COUNTS = {"outboxEntries": "SELECT count(*) FROM outbox"}


def inspect(url: str) -> Report:
    """Check a store in one transaction that only reads. StoreError if it cannot be read."""
    parsed = address.parse(url)
    with contextlib.closing(_first_connection(parsed)) as first:
        try:
            with connection.transaction(first):
                # Whole tables are read, which the settings of a server's connection avoid.
                first.execute(_SNAPSHOT, prepare=False)
                first.execute("SET LOCAL enable_seqscan TO on")
                first.execute("SET LOCAL enable_hashjoin TO on")
                return _inspect(first, parsed)
        except psycopg.Error as error:
            raise _cannot_open(parsed, error) from None


def _inspect(first: Connection, parsed: Address) -> Report:
    number = _existing_format(first, parsed)

    def count(statement: str) -> int:
        row = first.execute(statement.encode()).fetchone()
        return int(row[0]) if row else 0

    in_use = count("SELECT count(*) FROM server") > 0
    own = _TASK_COUNTS if number >= _TASK_COUNTS_FORMAT else {}
    outbox = _OUTBOX_COUNTS if number >= _OUTBOX_FORMAT else {}
    rows, broken = inspection.counts(count, outbox), inspection.broken_rules(count, own)
    return Report(number, in_use, rows, broken, [])


class PostgresWriter:
    """A session that writes; implements ``group_commit.Writer``.

    Attributes:
        link: Its connection.
    """

    def __init__(self, link: Link, database: "PostgresDatabase") -> None:
        self.link = link
        self._database = database

    @property
    def session(self) -> PostgresSession:
        """The session on which verbs run."""
        return self.link.session

    def begin(self, *, durable: bool) -> None:
        """Begin a transaction.

        One that is not durable is on disk a moment after its commit, in the order of all commits.
        """
        settings = [] if durable and self._database.safe else [_NOT_ON_DISK]
        self.link.begin(*settings)

    def commit(self) -> None:
        """Commit the transaction."""
        connection.commit(self.link.connection)

    def rollback(self, error: Exception) -> None:
        """Undo the transaction after an error; connect again if the connection is lost."""
        self.link.rollback(error)

    def announce(self, due: Micros) -> None:
        """Notify the other servers, if there are any, that tasks may be due at a time."""
        self._database.announce(self.link, due)


class PostgresDatabase:
    """A database that any number of servers share; implements ``store.Database``.

    Attributes:
        opened_at: The time of its clock when it was opened.
        safe: Whether durable transactions wait until they are on disk.
    """

    shared = True
    recovered = 0
    """Claims of servers that died are released by ``members``, while others are alive."""

    def __init__(
        self,
        address: Address,
        limits: Limits,
        *,
        server: str | None = None,
        safe: bool = True,
        clock: Clock | None = None,
    ) -> None:
        self._limits = limits
        self._server = server
        self._checks = checks.Checks(clock)
        self.safe = safe
        self._members: Members | None = None
        self._outbox_hint: Callable[[], object] = lambda: None
        with contextlib.closing(_first_connection(address)) as first:
            self.opened_at = connection.database_time(first)
            self.format = _migrate(first, address)
            if clock is not None:
                checks.report(checks.correct(clock, first))
            self._address = first.address
        self._writers = [PostgresWriter(Link(self._address, limits), self) for _ in range(WRITERS)]
        self._readers = [Link(self._address, limits) for _ in range(READERS)]

    @property
    def writers(self) -> Sequence[PostgresWriter]:
        """One writer for durable calls and one for the others."""
        return self._writers

    @property
    def readers(self) -> Sequence[Reader]:
        """Functions that read on connections of their own, each for one thread."""
        return [reader.read for reader in self._readers]

    @property
    def reconnections(self) -> int:
        """How many connections were lost and opened again."""
        return sum(link.reconnections for link in self._links())

    @property
    def url(self) -> str:
        """Its URL, without a password."""
        return self._address.url

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
        """Find out whether PostgreSQL responds; Unavailable."""
        try:
            self._writers[0].link.ping()
        except psycopg.Error as error:
            raise connection.translate(error) or error from None

    def vacuum(self) -> bool:
        """Return False: PostgreSQL vacuums by itself."""
        return False

    def close(self) -> None:
        """Leave the other servers and close the connection."""
        if self._members is not None:
            self._members.close(self._writers[0].link)
        for link in self._links():
            link.close()

    def _links(self) -> Iterator[Link]:
        yield from (writer.link for writer in self._writers)
        yield from self._readers

    def watch(self, hint: Callable[[Micros], object]) -> None:
        """Join the servers that share the database; call ``hint`` when one makes tasks due."""
        if self._server is None:
            return
        try:
            self._members = Members(
                self._address, self._limits, self._server, hint, self._hint_outbox, self._checks
            )
        except psycopg.Error as error:
            raise _cannot_open(self._address, error) from None

    def on_outbox(self, hint: Callable[[], object]) -> None:
        """Call ``hint``, in any thread, when entries of the outbox were committed."""
        self._outbox_hint = hint

    def _hint_outbox(self) -> None:
        self._outbox_hint()

    def announce(self, link: Link, due: Micros) -> None:
        """Notify the other servers, if there are any, that tasks may be due at a time."""
        if self._members is None or not self._members.others:
            return
        name = self._server or ""
        with contextlib.suppress(psycopg.Error):  # a hint may be lost
            link.use(lambda connection: notify(connection, self._address, due, name))

    def is_conflict(self, error: Exception) -> bool:
        """Return whether an error ends when the transaction is repeated."""
        return connection.is_conflict(error)

    def affects_all(self, error: Exception) -> bool:
        """Return whether an error concerns the whole database rather than one statement."""
        return connection.affects_all(error)

    def translate(self, error: Exception) -> errors.ServiceError | None:
        """Return the error that a caller gets, None for a fault of this program."""
        return connection.translate(error)


def _first_connection(address: Address) -> Connection:
    try:
        return connection.connect(address, limited=False)
    except psycopg.Error as error:
        raise _cannot_open(address, error) from None


def _migrate(first: Connection, address: Address) -> int:
    try:
        return schema.migrate(first, address)
    except psycopg.Error as error:
        raise _cannot_open(address, error) from None


def _cannot_open(address: Address, error: psycopg.Error) -> StoreError:
    return StoreError(f"store {address.url} cannot be opened: {connection.describe(error)}")
