"""A link: one connection to PostgreSQL that is opened again when it is lost."""

import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

import psycopg

from drayman.core.limits import Limits
from drayman.store.postgres import connection
from drayman.store.postgres.address import Address
from drayman.store.postgres.connection import Connection
from drayman.store.postgres.session import PostgresSession
from drayman.store.session import Session

FIRST_WAIT = 0.05
"""Seconds between the first two attempts to connect again; it doubles with each."""
LONGEST_WAIT = 1.0
# A statement that was interrupted may have left the lock of reserve_seqs.
_ROLLBACK = "ROLLBACK; SELECT pg_advisory_unlock_all()"
_Result = TypeVar("_Result")


class Link:
    """A connection for one thread, opened when it is first needed.

    After it is lost, a thread of its own connects again and again. Meanwhile whoever uses the link
    gets an error at once.

    Attributes:
        reconnections: How often it was opened again.
    """

    def __init__(self, address: Address, limits: Limits) -> None:
        self._address = address
        self._limits = limits
        self._session: PostgresSession | None = None
        self._closing = threading.Event()
        self._reconnecting: threading.Thread | None = None
        self._error = "the connection is lost"
        self.reconnections = 0

    @property
    def session(self) -> PostgresSession:
        """The session on the connection; psycopg.Error while the link cannot be used."""
        if self._reconnecting is not None and self._reconnecting.is_alive():
            raise psycopg.OperationalError(self._error)
        if self._session is None or self._session.connection.closed:
            self._connect()
        assert self._session is not None  # noqa: S101 - it is connected
        return self._session

    @property
    def connection(self) -> Connection:
        """The connection; psycopg.Error while the link cannot be used."""
        return self.session.connection

    def begin(self, *settings: str) -> None:
        """Begin a transaction with settings of its own."""
        self._run(lambda session: _begin(session.connection, settings))

    def rollback(self, error: Exception) -> None:
        """Undo the transaction after an error; connect again if the connection is lost."""
        if self._is_lost(error):
            self._reconnect_soon()
            return
        with contextlib.suppress(psycopg.Error):
            self.connection.execute(_ROLLBACK, prepare=False)

    def read(self, function: Callable[[Session], _Result]) -> _Result:
        """Return what a function of the session returns that only reads."""
        return self._run_alone(lambda session: _read(session, function))

    def ping(self) -> None:
        """Find out whether PostgreSQL responds; psycopg.Error."""
        self.use(lambda connection: connection.execute("SELECT 1", prepare=False))

    def use(self, action: Callable[[Connection], object]) -> None:
        """Run an action on the connection, outside transactions; psycopg.Error."""
        self._run_alone(lambda session: action(session.connection))

    def close(self) -> None:
        """Close the connection."""
        self._closing.set()
        if self._reconnecting is not None:
            self._reconnecting.join()
        if self._session is not None:
            self._session.connection.close()

    def _run_alone(self, action: Callable[[PostgresSession], _Result]) -> _Result:
        """Run an action outside the writer's transactions."""
        try:
            return self._run(action)
        except psycopg.Error as error:
            if self._is_lost(error):
                self._reconnect_soon()
            raise

    def _run(self, action: Callable[[PostgresSession], _Result]) -> _Result:
        """Run an action, again if PostgreSQL closed the connection while it was idle."""
        idle = self._session is not None and not self._session.connection.closed
        try:
            return action(self.session)
        except psycopg.OperationalError as error:
            if not (idle and self._is_lost(error)) or connection.is_timeout(error):
                raise
            return action(self.session)

    def _is_lost(self, error: Exception) -> bool:
        if self._session is None:
            return True
        if connection.is_lost(error):
            self._session.connection.close()
        return self._session.connection.closed

    def _connect(self) -> None:
        try:
            new = connection.connect(self._address)
        except psycopg.Error as error:
            self._error = connection.describe(error)
            raise
        if self._session is None:
            self._session = PostgresSession(new, self._limits)
        else:
            self._session.connection = new
            self.reconnections += 1

    def _reconnect_soon(self) -> None:
        if self._closing.is_set() or (self._reconnecting and self._reconnecting.is_alive()):
            return
        self._reconnecting = threading.Thread(
            target=self._reconnect, name="drayman-reconnect", daemon=True
        )
        self._reconnecting.start()

    def _reconnect(self) -> None:
        wait = FIRST_WAIT
        while not self._closing.is_set():
            with contextlib.suppress(psycopg.Error):
                self._connect()
                return
            self._closing.wait(wait)
            wait = min(2 * wait, LONGEST_WAIT)


def _begin(link: Connection, settings: tuple[str, ...]) -> None:
    statements = [connection.begin(link), *(f"SET LOCAL {each}" for each in settings)]
    link.execute("; ".join(statements), prepare=False)


def _read(session: PostgresSession, function: Callable[[Session], _Result]) -> _Result:
    if not session.connection.address.pooled:
        return function(session)
    with connection.transaction(session.connection):
        return function(session)
