"""What tests do to a store on PostgreSQL beneath its contract."""

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
