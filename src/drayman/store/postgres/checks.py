"""What a server checks of its database now and then: clocks, and transactions that do not end."""

import logging
from typing import Any

import psycopg

from drayman.core.clock import MINUTE, SECOND, Clock, Micros
from drayman.store.postgres import connection

INTERVAL: Micros = MINUTE
FAR: Micros = 1 * SECOND
"""A larger difference between the clocks of server and database is a warning."""
OLD_TRANSACTION: Micros = 5 * MINUTE
"""A transaction that has been open for longer is a warning."""
_MEASUREMENTS = 3

_OLDEST_TRANSACTION = """
SELECT (extract(epoch FROM clock_timestamp() - min(start)) * 1000000)::bigint FROM (
  SELECT xact_start AS start FROM pg_stat_activity
  WHERE datname = current_database() AND backend_type = 'client backend'
    AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND pid <> pg_backend_pid()
  UNION ALL
  SELECT prepared FROM pg_prepared_xacts WHERE database = current_database()
) AS transaction
"""

_log = logging.getLogger(__name__)


class Checks:
    """The checks of one server; each condition is reported once while it lasts."""

    def __init__(self, clock: Clock | None, old: Micros = OLD_TRANSACTION) -> None:
        self._clock = clock
        self._old = old
        self._reported = False

    def run(self, link: psycopg.Connection[Any]) -> None:
        """Correct the clock, and report an old transaction; psycopg.Error."""
        if self._clock is not None and abs(ahead := correct(self._clock, link)) > FAR:
            report(ahead)
        (age,) = connection.one(link, _OLDEST_TRANSACTION)
        is_old = age is not None and age > self._old
        if is_old and not self._reported:
            _log.warning(
                "a transaction has been open for %d s: until it ends, PostgreSQL keeps dead rows, "
                "which make claims slower (pg_stat_activity and pg_prepared_xacts show it)",
                age // SECOND,
            )
        self._reported = is_old


def correct(clock: Clock, link: psycopg.Connection[Any]) -> Micros:
    """Let a clock agree with the database's; return how far it was ahead."""
    measurements = [_measure(clock, link) for _ in range(_MEASUREMENTS)]
    ahead, error = min(measurements, key=lambda each: each[1])
    if abs(ahead) > error:
        clock.adjust(-ahead)
    return ahead


def report(ahead: Micros) -> None:
    """Log how far the clock of this server is ahead of the database's; a warning if it is far."""
    _log.log(
        logging.WARNING if abs(ahead) > FAR else logging.INFO,
        "the clock of this server is %.3f s %s the clock of the database, whose time decides",
        abs(ahead) / SECOND,
        "ahead of" if ahead > 0 else "behind",
    )


def _measure(clock: Clock, link: psycopg.Connection[Any]) -> tuple[Micros, Micros]:
    """Return how far a clock is ahead of the database's, and how wrong that may be."""
    before = clock.now()
    time = connection.database_time(link)
    after = clock.now()
    return (before + after) // 2 - time, (after - before) // 2
