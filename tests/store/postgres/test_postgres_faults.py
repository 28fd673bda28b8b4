"""What happens to calls when PostgreSQL fails, and afterwards."""

import asyncio
import contextlib

import psycopg
import pytest
from postgres_world import kill_connections, raise_in_sql, run, until_it_works
from world import LIMITS, START, World

from drayman.core import errors
from drayman.store.group_commit import MAX_TRIES
from drayman.store.postgres.database import open_store


async def test_a_connection_that_was_closed_while_idle_costs_no_call(world, administrator):
    name = await world.create_one()
    kill_connections(administrator)
    await world.create_one()
    assert len(await world.listed()) == 2
    kill_connections(administrator)
    assert name in [claim.task.name for claim in await world.claim()]


async def test_a_connection_that_is_lost_within_a_transaction_fails_its_calls(world, administrator):
    def lose(session):
        kill_connections(administrator)
        session.run("touch")

    with pytest.raises(errors.Unavailable, match=r"^PostgreSQL cannot be used at present: "):
        await run(world, lose)
    await until_it_works(world.create_one)
    assert len(await world.listed()) == 1


async def test_reads_connect_again_too(world, administrator):
    await world.create_one()
    kill_connections(administrator)
    await until_it_works(world.listed)
    assert len(await world.listed()) == 1


async def test_calls_fail_at_once_while_postgresql_is_down_and_succeed_when_it_is_back(
    world, postgres
):
    name = await world.create_one()
    postgres.stop()
    for call in (world.create_one, world.claim, world.store.check, world.listed):
        with pytest.raises(errors.Unavailable, match=r"^PostgreSQL cannot be used at present: "):
            await call()
    postgres.start()
    await until_it_works(world.store.check)
    assert [claim.task.name for claim in await world.claim()] == [name]


async def test_what_was_acknowledged_survives_a_crash_of_postgresql(world, postgres):
    acknowledged = []

    async def create():
        while True:
            try:
                acknowledged.append(await world.create_one())
            except errors.Unavailable:
                return

    creators = [asyncio.create_task(create()) for _ in range(4)]
    while len(acknowledged) < 40:
        await world.store.check()
    await asyncio.to_thread(postgres.stop, "immediate")
    await asyncio.gather(*creators)
    postgres.start()
    await until_it_works(world.store.check)
    assert set(acknowledged) <= set(await world.listed())


async def test_a_store_is_closed_while_postgresql_is_down(url, postgres):
    world = World(await open_store(url, LIMITS, START))
    postgres.stop()
    with pytest.raises(errors.Unavailable):
        await world.store.check()
    await world.store.close()
    postgres.start()


@pytest.mark.parametrize("sqlstate", ["40P01", "40001"], ids=["deadlock", "serialization"])
async def test_a_transaction_that_conflicts_with_another_server_is_repeated(world, sqlstate):
    tries = []

    def conflict(session):
        tries.append(session.first("get_queue", name="none"))
        if len(tries) < MAX_TRIES:
            raise_in_sql(session, sqlstate)
        return "done"

    results = await asyncio.gather(run(world, conflict), world.create_one())
    assert (results[0], len(tries)) == ("done", MAX_TRIES)
    assert await world.listed() == [results[1]]


async def test_a_transaction_that_failed_unseen_is_not_acknowledged(world):
    def fail(session):
        with contextlib.suppress(psycopg.Error):
            raise_in_sql(session, "22012")

    with pytest.raises(errors.Unavailable):
        await run(world, fail)


async def test_a_conflict_that_does_not_end_is_unavailable(world):
    with pytest.raises(errors.Unavailable, match="as requested"):
        await run(world, lambda session: raise_in_sql(session, "40P01"))


async def test_a_full_disk_is_resource_exhausted(world):
    with pytest.raises(errors.ResourceExhausted) as refusal:
        await run(world, lambda session: raise_in_sql(session, "53100"))
    assert refusal.value.message == "The store has no room left: the disk is full."


async def test_an_error_of_one_call_leaves_the_others_of_its_group(world):
    results = await asyncio.gather(
        world.create_one(),
        run(world, lambda session: raise_in_sql(session, "22012")),
        world.create_one(),
        return_exceptions=True,
    )
    assert isinstance(results[1], psycopg.errors.DivisionByZero)
    assert sorted(await world.listed()) == sorted([results[0], results[2]])


async def test_a_promise_waits_for_the_disk_and_a_claim_does_not(world):
    def level(session):
        return session.connection.execute("SHOW synchronous_commit").fetchone()[0]

    assert await run(world, level) == "on"
    assert await run(world, level, durable=False) == "off"


async def test_a_standby_is_left_for_a_server_that_takes_writes(world):
    def refuse(session):
        raise_in_sql(session, "25006")

    with pytest.raises(errors.Unavailable):
        await run(world, refuse)
    await until_it_works(world.create_one)
