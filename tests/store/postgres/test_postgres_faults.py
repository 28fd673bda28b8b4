"""What happens to calls when PostgreSQL fails, and afterwards."""

import asyncio
import contextlib
import os
import signal

import psycopg
import pytest
from postgres_world import (
    kill_connections,
    open_transaction,
    raise_in_sql,
    run,
    until_it_fails,
    until_it_works,
)
from world import LIMITS, START, World

import postgres_cluster
from drayman.core import errors
from drayman.store.group_commit import MAX_READING, MAX_TRIES
from drayman.store.postgres.address import parse
from drayman.store.postgres.checks import Checks
from drayman.store.postgres.connection import connect
from drayman.store.postgres.database import open_store
from small_disk import fill, small_disk


async def test_a_connection_that_was_closed_while_idle_costs_no_call(world, administrator):
    name = await world.create_one()
    kill_connections(administrator)
    await world.create_one()
    assert len(await world.listed()) == 2
    kill_connections(administrator)
    assert name in [claim.task.name for claim in await world.claim()]


async def test_lost_connections_are_counted(world, administrator):
    await world.create_one()
    before = world.store.load.reconnections
    kill_connections(administrator)
    await world.create_one()
    assert world.store.load.reconnections > before


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
    await until_it_works(lambda: world.claim(0))
    assert [claim.task.name for claim in await world.claim()] == [name]


async def test_a_call_that_failed_gives_no_hint(world, postgres):
    hints = []
    world.store.on_change(hints.append)
    postgres.stop()
    with pytest.raises(errors.Unavailable):
        await world.create_one()
    assert hints == []
    postgres.start()
    await until_it_works(world.create_one)
    assert len(hints) == 1


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


async def test_a_result_settles_no_claim_that_follows_a_crash(world, postgres, administrator):
    if not isinstance(postgres, postgres_cluster.Cluster):
        pytest.skip("another server is not to crash")
    await world.create(*[None] * 200)
    # Claims are flushed by this process. Without it a crash loses them, and their numbers.
    (flusher,) = administrator.execute(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'"
    ).fetchone()
    os.kill(flusher, signal.SIGSTOP)
    lost = await world.claim()
    assert len(lost) == 100
    os.kill(flusher, signal.SIGKILL)  # PostgreSQL restarts
    await until_it_fails(world.listed)
    await until_it_works(world.listed)
    await until_it_works(world.store.check)
    await world.create(*[None] * 200)
    await world.claim()
    assert [await world.settle(claim) for claim in lost] == [False] * 100
    assert len(await world.listed()) == 400


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


async def create_many(world):
    for _ in range(200):
        await world.create_one(request=os.urandom(100_000))


async def test_a_disk_that_is_really_full_refuses_creations_until_it_has_room(
    postgres, administrator
):
    if not isinstance(postgres, postgres_cluster.Cluster):
        pytest.skip("the disk of another server cannot be filled")
    with small_disk(postgres.folder / "disk", 24 << 20) as disk, contextlib.ExitStack() as cleanup:
        folder = postgres.folder_on(disk)
        administrator.execute(f"CREATE TABLESPACE small LOCATION '{folder}'")
        cleanup.callback(administrator.execute, "DROP TABLESPACE small")
        cleanup.callback(administrator.execute, "DROP SCHEMA small CASCADE")
        tables = f"{postgres.url('small')}&options=-cdefault_tablespace%3Dsmall"
        world = World(await open_store(tables, LIMITS, START))
        try:
            await world.queue()
            before = await world.create_one()
            fill(disk / "other")
            with pytest.raises(errors.ResourceExhausted) as refusal:
                await create_many(world)
            assert refusal.value.message == "The store has no room left: the disk is full."
            assert before in await world.listed()
            (disk / "other").unlink()
            await world.create_one(request=os.urandom(100_000))
        finally:
            await world.store.close()


def connect_all(url, opened):
    """Open connections until there are no more."""
    while True:
        opened.enter_context(contextlib.closing(connect(parse(url))))


async def test_calls_fail_while_postgresql_has_no_connection_left_and_recover(world, url):
    await world.create_one()
    with contextlib.ExitStack() as opened:
        with pytest.raises(psycopg.OperationalError, match="too many clients"):
            connect_all(url, opened)
        with pytest.raises(errors.Unavailable, match="too many clients"):
            await world.listed()  # by a connection that is to be opened
    listed = []

    async def list_tasks():  # by any of the connections, which PostgreSQL frees one by one
        listed.append(await world.listed())

    await until_it_works(list_tasks)
    assert list(map(len, listed)) == [1]


async def test_more_reads_than_may_wait_are_refused(world):
    reads = [world.in_flight() for _ in range(MAX_READING + 1)]
    *results, last = await asyncio.gather(*reads, return_exceptions=True)
    assert results == [0] * MAX_READING
    assert isinstance(last, errors.Unavailable)
    assert last.message == "Too many reads are waiting for the store."


async def test_an_old_transaction_is_reported_once(url, administrator, caplog):
    regular = Checks(None, old=0)
    regular.run(administrator)
    assert caplog.messages == []
    with open_transaction(url) as other:
        other.connection.execute("SELECT txid_current()")
        for _ in range(2):
            regular.run(administrator)
    (line,) = caplog.messages
    assert line.startswith("a transaction has been open for 0 s: until it ends, PostgreSQL keeps")


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
