"""Rate, burst, concurrency, schedule times and fairness (reference 2.7)."""

import asyncio

import pytest
from dispatch_world import HANG

from drayman.core.clock import MINUTE, SECOND
from drayman.core.queue import State
from drayman.dispatch import dispatcher


async def expire(world):
    """Let the deadlines of the attempts in flight pass."""
    await world.targets.arrived(world.dispatcher.in_flight)
    world.clock.advance(10 * MINUTE)
    await world.dispatcher.drain()


async def test_a_task_is_delivered_once_and_is_gone(world):
    name = await world.task(await world.queue())
    assert await world.run() == 1
    assert await world.gone(name)
    world.clock.advance(MINUTE)
    assert await world.run() == 0


async def test_a_scheduled_task_waits_for_its_time(world):
    await world.task(await world.queue(), delay=30 * SECOND)
    assert await world.dispatcher.step() == world.now + 30 * SECOND
    world.clock.advance(30 * SECOND - 1)
    assert await world.run() == 0
    world.clock.advance(1)
    assert await world.run() == 1


async def test_a_full_bucket_starts_one_burst(world):
    await world.tasks(await world.queue(rate=1, burst=10), 20)
    assert await world.run() == 10
    assert await world.run() == 0


@pytest.mark.parametrize(("rate", "burst"), [(0.25, 1), (2, 3), (50, 10), (500, 100)])
async def test_no_window_holds_more_than_rate_and_burst(world, rate, burst):
    await world.tasks(await world.queue(rate=rate, burst=burst), 300)
    seconds = 10 if rate > 1 else 40
    starts = await world.run_through(seconds * SECOND)
    assert len(starts) >= min(300, int(seconds * rate))
    for first, start in enumerate(starts):
        for count, end in enumerate(starts[first:], start=1):
            assert count <= burst + rate * (end - start) / SECOND + 1e-6


async def test_retries_take_tokens_too(world):
    await world.tasks(await world.queue(rate=1, burst=2, min_backoff=0), 2)
    world.targets.otherwise = 500
    assert await world.run() == 2
    assert await world.run() == 0
    world.clock.advance(SECOND)
    assert await world.run() == 1


async def test_attempts_in_flight_do_not_exceed_the_queues_concurrency_limit(world):
    await world.tasks(await world.queue(concurrency=3), 5)
    world.targets.will(HANG, HANG, HANG)
    assert await world.step() == 3
    assert await world.step() == 0
    await expire(world)
    assert await world.run() == 2  # the other three wait for their retry
    world.clock.advance(SECOND)
    assert await world.run() == 3


async def test_no_token_is_spent_while_every_slot_is_busy(world):
    await world.tasks(await world.queue(rate=0.0001, burst=2, concurrency=1), 3)
    world.targets.will(HANG)
    assert await world.step() == 1
    for _ in range(5):
        assert await world.step() == 0
    await expire(world)
    assert [await world.run(), await world.run()] == [1, 0]


async def test_a_paused_queue_stops_and_a_resumed_one_continues(world):
    queue = await world.queue()
    await world.tasks(queue, 2)
    await world.set_state(queue, State.PAUSED)
    assert await world.run() == 0
    await world.set_state(queue, State.RUNNING)
    assert await world.run() == 2


async def test_a_paused_queue_makes_no_retries(world):
    queue = await world.queue()
    name = await world.task(queue)
    world.targets.will(503)
    await world.run()
    await world.set_state(queue, State.PAUSED)
    assert await world.when_due(name) == SECOND // 10
    assert len(world.requests) == 1


async def test_a_hanging_queue_leaves_slots_to_others(world):
    world.start(slots=10)
    bad, good = await world.queue("bad"), await world.queue("good")
    await world.tasks(bad, 50, url="https://dead.example/")
    world.targets.by_host["dead.example"] = HANG
    while await world.step():
        pass
    assert world.dispatcher.in_flight < 10
    await world.tasks(good, 20)
    done = 0
    for _ in range(20):
        await world.step()
        await world.store.check()
        done = sum(event.result.claim.queue.name == good for event in world.ended())
    assert done == 20


async def test_nothing_is_claimed_while_too_many_bytes_are_in_flight(world, monkeypatch):
    monkeypatch.setattr(dispatcher, "MAX_BYTES", 100_000)
    await world.tasks(await world.queue(), 2, body=b"x" * 200_000)
    monkeypatch.setattr(dispatcher, "MAX_CLAIMS", 1)
    world.targets.will(HANG)
    assert await world.step() == 1
    assert await world.step() == 0
    await expire(world)
    assert await world.step() == 1


async def test_attempts_in_flight_do_not_exceed_the_servers_slots(world):
    world.start(slots=2)
    await world.tasks(await world.queue("a"), 5)
    await world.tasks(await world.queue("b"), 5)
    world.targets.otherwise = HANG
    assert await world.step() == 2
    assert await world.step() == 0


async def test_run_dispatches_due_tasks_until_stop(world):
    await world.task(await world.queue(), delay=2 * SECOND)
    running = asyncio.create_task(world.dispatcher.run())
    while not world.requests:
        await world.store.check()
        world.clock.advance(SECOND // 10)
    await world.dispatcher.stop(SECOND)
    await running
    assert len(world.requests) == 1
