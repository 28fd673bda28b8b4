"""What tests do to a store on PostgreSQL beneath its contract."""

import asyncio
import contextlib

from world import LIMITS

from drayman.core import errors
from drayman.store.postgres.address import parse
from drayman.store.postgres.connection import connect
from drayman.store.postgres.session import PostgresSession
from drayman.store.verb import Phase, single


async def run(world, function, phase=Phase.UPKEEP, **options):
    """Run a function of the session in a transaction of the store."""
    return await world.store.call(single(function, phase, **options), ((), {}), 0, None)


def raise_in_sql(session, sqlstate):
    """Let PostgreSQL report an error."""
    session.connection.execute(
        f"DO $$ BEGIN RAISE EXCEPTION 'as requested' USING ERRCODE = '{sqlstate}'; END $$"
    )


def kill_connections(connection):
    """End all other connections to the database, as an administrator does."""
    connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )


async def until_it_works(call):
    """Call again until the store can be used; return the errors before."""
    refusals = []
    while True:
        try:
            await call()
        except errors.Unavailable as error:
            refusals.append(error.message)
        else:
            return refusals


async def until_it_fails(call):
    """Call again until the store cannot be used."""
    with contextlib.suppress(errors.Unavailable):
        while True:
            await call()


@contextlib.contextmanager
def open_transaction(url):
    """Give the session of another server's transaction; the end of the block commits it."""
    with contextlib.closing(connect(parse(url))) as connection:
        connection.execute("BEGIN")
        yield PostgresSession(connection, LIMITS)
        connection.execute("COMMIT")


async def done_or_blocked(call, connection):
    """Start a call; return its task when it is done, or waits for a lock in the database."""
    task = asyncio.ensure_future(call)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    while not task.done():
        cursor = await asyncio.to_thread(connection.execute, waiting)
        if cursor.fetchone() != (0,):
            break
    return task
