"""Two servers on one database: what each guarantees while the other writes."""

import asyncio

import pytest
from postgres_world import run
from world import PLENTY, full, names_of, set_state

from drayman.core.clock import SECOND
from drayman.core.errors import ServiceError
from drayman.core.lifecycle import Verdict
from drayman.core.queue import State
from drayman.store.postgres.connection import database_time

ROUNDS = 30


@pytest.fixture
async def two(worlds):
    """Give the stores of two servers, and a queue."""
    first, second = worlds(), worlds()
    await first.queue()
    return first, second


async def both(first, second):
    return await asyncio.gather(first, second)


def advance(worlds, by):
    for world in worlds:
        world.advance(by)


async def test_each_sees_what_the_other_was_told(two):
    first, second = two
    name = await first.create_one()
    assert (await second.get(name)).name == name
    await second.delete(name)
    assert await first.listed() == []


async def test_a_task_is_claimed_by_one(two):
    first, second = two
    for _ in range(ROUNDS):
        names = await first.create(*[None] * 10)
        claims = []
        while len(claims) < len(names):
            for group in await both(first.claim(6, server="1"), second.claim(6, server="2")):
                claims += group
        assert sorted(names_of(claims)) == sorted(names)
        for claim in claims:
            assert await first.settle(claim)
        advance(two, SECOND)  # new tokens


async def test_the_concurrency_limit_holds_over_both(two):
    first, second = two
    await first.queue("narrow", concurrency=3)
    await first.create(*[None] * 60, queue_id="narrow")
    in_flight, done = [], 0
    while done < 60:
        for group in await both(first.claim(server="1"), second.claim(server="2")):
            in_flight += group
        assert len(in_flight) <= 3
        done += len(in_flight)
        while in_flight:
            assert await second.settle(in_flight.pop())
        advance(two, SECOND // 50)
    assert await first.in_flight("narrow") == 0


async def test_the_rate_holds_over_both(two):
    first, second = two
    await first.queue("slow", rate=10, burst=5)
    await first.create(*[None] * 100, queue_id="slow")
    claims = []
    for _ in range(20):
        for group in await both(first.claim(server="1"), second.claim(server="2")):
            claims += group
        advance(two, SECOND // 10)
    assert len(claims) == 5 + 19


async def test_the_rate_holds_though_their_clocks_differ(two):
    first, second = two
    second.advance(3 * SECOND)
    await first.queue("slow", rate=10, burst=5)
    await first.create(*[None] * 100, queue_id="slow")
    claims = []
    for _ in range(20):
        claims += await first.claim(server="1")
        claims += await second.claim(server="2")
        advance(two, SECOND // 10)
    # The server that is ahead has seen three seconds more, once.
    assert len(claims) <= 5 + 5 + 19


async def test_a_clock_that_was_set_back_far_stops_no_queue(two):
    first, _ = two
    await first.queue("slow", rate=10, burst=5)
    await first.create(*[None] * 20, queue_id="slow", after=-3600 * SECOND)
    assert len(await first.claim()) == 5
    first.advance(-3600 * SECOND)
    await first.create_one(queue_id="slow")
    assert await first.claim() == []
    first.advance(SECOND)
    assert len(await first.claim()) == 5


async def test_a_name_is_given_once(two):
    first, second = two
    for number in range(ROUNDS):
        name = f"t{number}"
        results = await both(first.try_create(name, "x"), second.try_create(name))
        winners = [each for (each, *_) in results if not isinstance(each, ServiceError)]
        assert len(winners) == 1


async def test_generated_ids_differ(two):
    created = await asyncio.gather(
        *(world.create(*[None] * 7) for world in two for _ in range(ROUNDS))
    )
    names = [name for group in created for name in group]
    assert len(set(names)) == len(names) == 14 * ROUNDS


async def test_no_task_that_is_created_during_a_claim_is_forgotten(two):
    first, second = two
    created, claimed = 0, 0

    async def create():
        nonlocal created
        for _ in range(4 * ROUNDS):
            created += len(await first.create(None))

    creating = asyncio.create_task(create())
    while not creating.done():
        claims = await second.claim()
        claimed += len(claims)
        advance(two, SECOND // 50)
    await creating
    advance(two, SECOND)
    while claims := await second.claim():
        claimed += len(claims)
        advance(two, SECOND)
    assert claimed == created


async def test_no_task_is_created_in_a_queue_that_is_being_purged(two):
    first, second = two
    for _ in range(ROUNDS):
        (name,), _ = await both(first.create(None), second.store.purge_queue(full("q"), second.now))
        assert await first.listed() in ([], [name])
        await first.store.purge_queue(full("q"), first.now)
    await first.sweep()
    (rows,) = await run(first, lambda session: session.connection.execute(
        "SELECT count(*) FROM task").fetchone())  # fmt: skip
    assert rows == 0


async def test_a_result_counts_once(two):
    first, second = two
    await first.create(*[None] * ROUNDS)
    for claim in await first.claim():
        settled = await both(first.settle(claim), second.settle(claim))
        assert sorted(settled) == [False, True]
    assert await second.in_flight() == 0


async def test_a_claim_that_was_released_cannot_be_settled(two):
    first, second = two
    name = await first.create_one()
    late = await first.claim_one(server="1")
    assert await second.store.release("1", second.now) == 1
    (again,) = await second.claim(server="2")
    assert again.task.name == name
    assert not await first.settle(late)
    assert await second.settle(again)


async def test_a_task_that_is_deleted_while_it_is_claimed_is_gone(two):
    first, second = two
    for _ in range(ROUNDS):
        name = await first.create_one()
        claims, _ = await both(first.claim(), second.delete(name))
        for claim in claims:
            await first.settle(claim, Verdict.RETRY)
        assert await second.listed() == []
        assert await first.in_flight() == 0


async def test_run_task_grants_one_attempt_to_one(two):
    first, second = two
    await set_state(first.store, full("q"), State.PAUSED, first.now)
    for _ in range(ROUNDS):
        name = await first.create_one()
        await both(first.run(name), second.run(name))
        groups = await both(first.claim(server="1"), second.claim(server="2"))
        assert names_of(groups[0] + groups[1]) == [name]
        await first.delete(name)
        for claim in groups[0] + groups[1]:
            await first.settle(claim)


async def test_sweeps_at_once_add_one_dead_letter(two):
    first, second = two
    await first.create("a", "b", "c")
    first.advance(60 * 24 * 3600 * SECOND)
    second.now = first.now
    await both(first.sweep(), second.sweep())
    letters = await first.store.list_dead_letters(full("q"), 0, PLENTY)
    assert len(letters) == 3


async def test_a_queue_that_both_create_exists_once(two):
    first, second = two
    for number in range(ROUNDS):
        results = await asyncio.gather(
            first.queue(f"new{number}"), second.queue(f"new{number}"), return_exceptions=True
        )
        assert sum(isinstance(each, str) for each in results) == 1


async def test_servers_do_not_wait_for_each_other_in_a_circle(two):
    first, second = two
    queues = [f"c{number}" for number in range(8)]
    for queue_id in queues:
        await first.queue(queue_id)

    async def work(world, server, order):
        for _ in range(ROUNDS):
            await asyncio.gather(*(world.create(None, queue_id=each) for each in order))
            for claim in await world.claim(server=server):
                await world.settle(claim)
            world.advance(SECOND)

    await both(work(first, "1", queues), work(second, "2", queues[::-1]))
    (deadlocks,) = await run(first, lambda session: session.connection.execute(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    )  # fmt: skip
    assert deadlocks == 0


async def test_a_server_is_hinted_at_the_tasks_of_another(worlds):
    first, second = worlds("1"), worlds("2")
    await first.queue()
    hinted = asyncio.Event()
    second.store.on_change(lambda due: due == first.now and hinted.set())
    while not hinted.is_set():  # the first server learns of the second by its next heartbeat
        await first.create_one()
    assert await second.claim(server="2")


async def test_a_server_that_closes_leaves_no_row(worlds, administrator):
    world = worlds("1")
    rows = "SELECT name FROM server"
    assert administrator.execute(rows).fetchall() == [("1",)]
    await world.store.close()
    assert administrator.execute(rows).fetchall() == []


async def next_hint(world):
    """Wait until a server is hinted at tasks; return from when on they are due."""
    hinted = asyncio.get_running_loop().create_future()
    world.store.on_change(lambda due: due and not hinted.done() and hinted.set_result(due))
    return await hinted


async def test_claims_of_a_server_without_heartbeats_return_to_their_queues(worlds, administrator):
    first, second = worlds(), worlds("2")
    first.now = database_time(administrator)
    await first.queue()
    name = await first.create_one()
    late = await first.claim_one(server="dead")
    second.now = await next_hint(second)  # the database's time
    (again,) = await second.claim(server="2")
    assert again.task.name == name
    assert not await first.settle(late)


async def test_claims_of_a_server_with_heartbeats_stay(worlds):
    first, second = worlds("1"), worlds("2")
    await first.queue()
    await first.create_one()
    held = await first.claim_one(server="1")
    await first.claim(server="dead")
    await first.create_one()
    await first.claim(server="dead")
    await next_hint(second)
    assert await first.settle(held)
