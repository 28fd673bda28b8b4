"""Two servers on one database: what each guarantees while the other writes."""

import asyncio

import pytest
from postgres_world import done_or_blocked, open_transaction, run
from world import PLENTY, full, ids_of, names_of, set_state

from drayman.core import errors
from drayman.core.clock import SECOND
from drayman.core.errors import ServiceError
from drayman.core.lifecycle import Verdict
from drayman.core.queue import State
from drayman.core.task import NewTask
from drayman.store.postgres.address import parse
from drayman.store.postgres.connection import database_time
from drayman.store.verbs import sweep, tasks
from drayman.store.verbs.tasks import CreateTasks

ROUNDS = 30
_CONFLICTS = """
CREATE SEQUENCE deletion;
CREATE FUNCTION conflict_twice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('deletion') < 3 THEN
    RAISE EXCEPTION 'as requested' USING ERRCODE = '40P01';
  END IF;
  RETURN OLD;
END $$;
CREATE TRIGGER conflict_twice BEFORE DELETE ON claim FOR EACH ROW EXECUTE FUNCTION conflict_twice();
"""


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


def create_in(session, world, task_id):
    """Create a task in the transaction of another server."""
    new = NewTask(task_id, world.now, b"request")
    tasks.create_tasks(session, [CreateTasks(full("q"), [new], world.now)])


async def test_each_sees_what_the_other_was_told(two):
    first, second = two
    name = await first.create_one()
    assert (await second.get(name)).name == name
    await second.delete(name)
    assert await first.listed() == []


async def test_a_name_that_is_used_and_reserved_after_its_lookup_is_refused(
    two, url, administrator
):
    first, second = two
    lock = (f"hashtext('{parse(url).schema}')", 2)  # of reserve_seqs, between lookup and insert
    administrator.execute("SELECT pg_advisory_lock({}, {})".format(*lock))
    blocked = await done_or_blocked(second.try_create("t", "u"), administrator)
    with open_transaction(url) as session:
        new = NewTask("t", first.now, b"request", seq=1)
        tasks.create_tasks(session, [CreateTasks(full("q"), [new], first.now)])
    await first.delete(f"{full('q')}/tasks/t")
    administrator.execute("SELECT pg_advisory_unlock({}, {})".format(*lock))
    refused, created = await blocked
    assert str(refused) == str(errors.task_existed())
    assert await first.listed() == [created.name]


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
        await first.create_one(queue_id="slow")  # by which the queue wakes for the slow clock
        claims += await second.claim(server="2")
        await first.create_one(queue_id="slow")
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


async def test_a_claim_beside_an_unfinished_creation_leaves_the_queue_awake(two, url):
    first, _ = two
    await first.create("before")
    with open_transaction(url) as other:
        create_in(other, first, "unfinished")
        assert ids_of(await first.claim()) == ["before"]
    advance(two, SECOND // 50)
    assert ids_of(await first.claim()) == ["unfinished"]


async def test_creators_do_not_wait_for_claims_or_each_other(two, url):
    first, _ = two
    await first.create("before")
    with open_transaction(url) as other:
        create_in(other, first, "unfinished")
        await first.create("beside")
        assert sorted(ids_of(await first.claim())) == ["before", "beside"]


@pytest.mark.parametrize("verb", ["purge_queue", "delete_queue"])
async def test_a_purge_waits_for_an_unfinished_creation(two, url, administrator, verb):
    first, _ = two
    await first.create("before")  # which wakes the queue, so that the other one only shares its row
    with open_transaction(url) as other:
        create_in(other, first, "unfinished")
        call = getattr(first.store, verb)(full("q"), first.now)
        removing = await done_or_blocked(call, administrator)
        assert not removing.done()
    await removing
    await first.sweep()
    count = "SELECT (SELECT count(*) FROM task) + (SELECT count(*) FROM deleted_generation)"
    assert administrator.execute(count).fetchone() == (0,)


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
        claims = []
        while not claims:  # each may find the queue locked by the other
            for group in await both(first.claim(server="1"), second.claim(server="2")):
                claims += group
        assert names_of(claims) == [name]
        await first.delete(name)
        await first.settle(claims[0])


async def test_sweeps_at_once_add_one_dead_letter(two, url, administrator):
    first, _ = two
    await first.create("a", "b", "c")
    advance(two, 60 * 24 * 3600 * SECOND)
    with open_transaction(url) as other:
        sweep.sweep(other, first.now, PLENTY)
        sweeping = await done_or_blocked(first.sweep(), administrator)
    await sweeping
    letters = await first.store.list_dead_letters(full("q"), 0, PLENTY)
    assert [letter.task.name.rpartition("/")[2] for letter in letters] == ["a", "b", "c"]


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
        for number in range(ROUNDS):
            created = [world.create_one(queue_id=each) for each in order for _ in range(4)]
            names = await asyncio.gather(*created)
            calls = [world.delete(name) for name in names[number % 3 :: 3]]
            calls += [world.run(name) for name in names[(number + 1) % 3 :: 3]]
            calls += [
                set_state(world.store, full(each), State.RUNNING, world.now) for each in order[::4]
            ]
            claims = await world.claim(server=server)
            calls += [world.settle(claim) for claim in claims]
            await asyncio.gather(*calls, return_exceptions=True)
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
    while not hinted.is_set():  # the first server learns of the second in a thread of its own
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


async def test_claims_are_released_although_that_conflicts_with_another_server(
    worlds, administrator, caplog
):
    first = worlds()
    first.now = database_time(administrator)
    await first.queue()
    name = await first.create_one()
    await first.claim(server="dead")
    administrator.execute(_CONFLICTS, prepare=False)
    second = worlds("2")
    second.now = await next_hint(second)
    (again,) = await second.claim(server="2")
    assert again.task.name == name
    assert administrator.execute("SELECT last_value FROM deletion").fetchone() == (3,)
    assert [each.message for each in caplog.records if "no heartbeat" in each.message] == []


async def test_grants_wait_for_no_queue_that_another_server_has_locked(two, url):
    first, _ = two
    await first.queue("r")
    names = [await first.create_one(queue_id=queue_id) for queue_id in ("r", "q")]
    for name in names:
        await first.run(name)
    with open_transaction(url) as session:
        lock = "SELECT FROM queue WHERE name = %s FOR NO KEY UPDATE"
        session.connection.execute(lock, [full("q")])
        assert names_of(await first.claim()) == names[:1]
        assert first.next_due == first.now + SECOND // 50
    assert names_of(await first.claim()) == names[1:]


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


async def test_the_count_of_tasks_is_the_sum_over_servers(two):
    first, second = two
    await both(first.create("a", "b"), second.create("c"))
    await first.delete(f"{full('q')}/tasks/c")
    for world in two:
        assert (await world.store.queue_stats(full("q"), world.now)).tasks == 2


async def test_counts_of_connections_that_have_ended_are_added_up(worlds, administrator):
    world = worlds()
    await world.queue()
    await world.create("a", "b")
    await world.store.close()
    other = worlds()
    await other.create("c")
    await other.store.close()
    administrator.execute("SELECT pg_terminate_backend(backend, 5000) FROM task_count")  # waits
    last = worlds("server")
    rows = administrator.execute("SELECT backend, tasks FROM task_count").fetchall()
    assert rows == [(0, 3)]
    assert (await last.store.queue_stats(full("q"), last.now)).tasks == 3
