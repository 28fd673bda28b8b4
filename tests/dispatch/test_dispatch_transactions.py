"""How many transactions dispatch takes while it runs, as SQLite itself sees them."""

import asyncio

import pytest
from dispatch_world import HANG, World

from drayman.core.clock import HOUR, MINUTE, SECOND, ManualClock
from drayman.core.delivery import Response
from drayman.core.events import StoreFailed
from drayman.core.limits import Limits
from drayman.store.sqlite.database import MEMORY, SqliteDatabase
from drayman.store.store import Store


class Transactions:
    """The statements of each transaction of a database."""

    def __init__(self, database):
        self.all = []
        database.connection.set_trace_callback(self._record)

    def _record(self, statement):
        if statement.startswith("BEGIN"):
            self.all.append("")
        elif self.all:
            self.all[-1] += statement

    def that(self, *parts):
        """Return how many transactions have all of these parts."""
        return sum(all(part in each for part in parts) for each in self.all)


CREATES, CLAIMS, SETTLES = "INSERT INTO task ", "INSERT INTO claim ", "DELETE FROM claim"


@pytest.fixture
async def running():
    """Give a world whose dispatcher runs, with one queue, and the transactions from here on."""
    clock, limits = ManualClock(), Limits()
    database = SqliteDatabase(MEMORY, limits, clock.now(), safe=True)
    world = World(Store(database), clock, limits)
    world.start()
    world.name = await world.queue(rate=500, concurrency=2)
    loop = asyncio.create_task(world.dispatcher.run())
    await idle(world)
    world.transactions = Transactions(database)
    yield world
    stopping = asyncio.create_task(world.dispatcher.stop(0))
    while not stopping.done():
        await world.store.check()
        world.clock.advance(SECOND)
    await asyncio.gather(loop, stopping)
    await world.store.close()


async def idle(world):
    """Return when the dispatcher has done all that it can do now."""
    for _ in range(8):  # calls of the store run in their order
        await world.store.check()


async def test_a_task_that_is_due_is_claimed_in_the_transaction_that_creates_it(running):
    running.targets.will(HANG)
    await running.task(running.name)
    await running.targets.arrived(1)
    await idle(running)
    assert running.transactions.that(CREATES) == running.transactions.that(CLAIMS) == 1
    assert running.transactions.that(CREATES, CLAIMS) == 1


async def test_a_task_that_is_due_later_causes_no_claim(running):
    await running.task(running.name, delay=HOUR)
    await idle(running)
    assert running.transactions.that(CREATES) == 1
    assert running.transactions.that("UPDATE queue SET\n  tokens") == 0


async def test_a_task_that_is_due_before_the_next_claim_is_claimed_then(running):
    await running.task(running.name, delay=SECOND)
    await idle(running)
    running.clock.advance(SECOND)
    await running.targets.arrived(1)


async def test_the_end_of_an_attempt_makes_room_for_the_next_in_the_same_transaction(running):
    answers = [asyncio.get_running_loop().create_future() for _ in range(2)]
    waiting = iter(answers)

    async def send(request):
        running.requests.append(request)
        answer = next(waiting, None)
        return await answer if answer else Response(200)

    running.targets.send = send
    await asyncio.gather(*(running.task(running.name) for _ in range(3)))
    await idle(running)
    assert len(running.requests) == 2
    running.transactions.all.clear()
    for answer in answers:
        answer.set_result(Response(200))
    await idle(running)
    assert len(running.requests) == 3
    assert running.transactions.that(CLAIMS) == running.transactions.that(SETTLES, CLAIMS)


async def test_attempts_that_end_together_are_settled_together(running):
    other = await running.queue("other", concurrency=100)
    await asyncio.gather(*(running.task(other) for _ in range(50)))
    await running.targets.arrived(50)
    await idle(running)
    assert running.transactions.that(SETTLES) == 1
    assert await running.in_flight("other") == 0


async def test_a_hint_during_a_claim_leads_to_another_claim(running):
    creating = [asyncio.create_task(running.task(running.name)) for _ in range(2)]
    await running.store.list_tasks(running.name, 0, 1, 1)  # the first group is on its way
    running.targets.otherwise = HANG
    other = await running.queue("other")
    await running.task(other)
    await asyncio.gather(*creating)
    await running.targets.arrived(3)


async def test_with_no_slot_left_the_next_claim_comes_when_an_attempt_ends(running):
    await running.dispatcher.stop(0)
    running.start(slots=1)
    loop = asyncio.create_task(running.dispatcher.run())
    running.targets.will(HANG)
    first = await running.task(running.name)
    await running.targets.arrived(1)
    await running.task(running.name)
    await idle(running)
    assert len(running.requests) == 1
    running.clock.advance(10 * MINUTE)
    await running.targets.arrived(2)
    assert (await running.get(first)).last_attempt.message.startswith("DEADLINE_EXCEEDED")
    await running.dispatcher.stop(0)
    await loop


async def test_a_result_that_cannot_be_settled_delays_no_other(running, monkeypatch):
    settle = running.store.settle

    async def break_on_poison(results, now):
        if any("poison" in result.target for result in results):
            raise RuntimeError("a fault of ours")
        return await settle(results, now)

    monkeypatch.setitem(vars(running.store), "settle", break_on_poison)
    other = await running.queue("other")
    tasks = [running.task(other, url=f"https://host/{name}") for name in ("poison", "a", "b")]
    poison, *good = await asyncio.gather(*tasks)
    await running.targets.arrived(3)
    await idle(running)
    running.clock.advance(SECOND)
    await idle(running)
    assert [await running.gone(name) for name in (poison, *good)] == [False, True, True]
    assert any(isinstance(event, StoreFailed) for event in running.events)


async def test_tasks_of_many_queues_are_claimed_by_one_statement(running):
    queues = [await running.queue(f"many{number}") for number in range(20)]
    await idle(running)
    running.transactions.all.clear()
    await asyncio.gather(*(running.task(queue) for queue in queues))
    await running.targets.arrived(20)
    await idle(running)
    statements = "".join(running.transactions.all)
    assert statements.count(CLAIMS) == 1


async def test_tasks_without_a_name_cost_no_statement_for_tombstones(running):
    await running.task(running.name)
    await running.targets.arrived(1)
    await idle(running)
    assert running.transactions.that(SETTLES) == 1
    assert running.transactions.that("INSERT INTO task_tombstone") == 0
