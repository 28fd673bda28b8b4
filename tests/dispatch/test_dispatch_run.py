"""RunTask, deletion and purge beside attempts in flight (reference 1.6)."""

import pytest
from dispatch_world import HANG

from drayman.core import errors
from drayman.core.clock import HOUR, MINUTE, SECOND
from drayman.core.queue import State
from drayman.wire import deliveries


async def test_run_task_delivers_once_and_replaces_the_scheduled_attempt(world):
    name = await world.task(await world.queue(), delay=HOUR)
    assert (await world.store.run_task(name, world.now)).dispatch_count == 1
    assert await world.run() == 1
    assert await world.gone(name)
    world.clock.advance(2 * HOUR)
    assert await world.run() == 0
    assert len(world.requests) == 1


async def test_run_task_works_in_a_paused_queue(world):
    queue = await world.queue()
    name = await world.task(queue)
    await world.set_state(queue, State.PAUSED)
    await world.store.run_task(name, world.now)
    assert await world.run() == 1


async def test_run_task_needs_neither_token_nor_slot(world):
    queue = await world.queue(rate=0.01, burst=1, concurrency=1)
    await world.task(queue)
    world.targets.will(HANG)
    assert await world.step() == 1
    name = await world.task(queue)
    assert await world.step() == 0
    await world.store.run_task(name, world.now)
    assert await world.step() == 1


async def test_a_failed_run_is_retried_after_its_delay_from_the_call(world):
    name = await world.task(await world.queue(min_backoff=60 * SECOND), delay=HOUR)
    called = world.now
    await world.store.run_task(name, called)
    world.targets.will(500)
    world.clock.advance(SECOND)
    assert await world.run() == 1
    assert (await world.get(name)).schedule_time == called + 60 * SECOND


async def test_run_task_may_start_a_second_attempt_while_one_is_in_flight(world):
    name = await world.task(await world.queue())
    world.targets.will(HANG, 200)
    await world.step()
    await world.targets.arrived(1)
    await world.store.run_task(name, world.now)
    await world.step()
    await world.targets.arrived(2)
    world.clock.advance(10 * MINUTE)
    await world.dispatcher.drain()
    assert await world.gone(name)
    world.clock.advance(HOUR)
    assert await world.run() == 0


async def test_a_deleted_task_is_not_retried(world):
    name = await world.task(await world.queue(min_backoff=0))
    world.targets.will(HANG)
    await world.step()
    await world.targets.arrived(1)
    assert await world.store.delete_tasks([name], world.now) == [None]
    world.clock.advance(10 * MINUTE)
    await world.dispatcher.drain()
    assert await world.run() == 0
    with pytest.raises(errors.NotFound):
        await world.get(name)


async def test_tasks_that_differ_in_their_bodies_alone_keep_them(world):
    queue = await world.queue()
    bodies = [b"one", b"two", b""]
    for body in bodies:
        await world.task(queue, body=body, headers={"X-Same": "1"})
    await world.run()
    assert sorted(request.body for request in world.requests) == sorted(bodies)


async def test_a_request_too_large_to_be_remembered_is_delivered_like_others(world):
    queue = await world.queue()
    value = "x" * deliveries.MAX_CACHED_SIZE
    await world.task(queue, body=b"one", headers={"X-Large": value})
    await world.run()
    (request,) = world.requests
    assert (request.body, request.headers["X-Large"]) == (b"one", value)


async def test_a_deleted_task_holds_its_slot_until_its_attempt_ends(world):
    queue = await world.queue(concurrency=1)
    name = await world.task(queue)
    world.targets.will(HANG)
    await world.step()
    await world.targets.arrived(1)
    await world.store.delete_tasks([name], world.now)
    await world.task(queue)
    assert await world.step() == 0
    world.clock.advance(10 * MINUTE)
    await world.dispatcher.drain()
    assert await world.step() == 1


async def test_a_purged_task_is_not_retried(world):
    queue = await world.queue(concurrency=1, min_backoff=0)
    await world.tasks(queue, 3)
    world.targets.will(HANG)
    await world.step()
    await world.targets.arrived(1)
    await world.store.purge_queue(queue, world.now)
    world.clock.advance(10 * MINUTE)
    await world.dispatcher.drain()
    assert await world.run() == 0
    await world.task(queue)
    assert await world.run() == 1


async def test_a_task_of_a_deleted_queue_is_not_retried(world):
    queue = await world.queue(min_backoff=0)
    await world.task(queue)
    world.targets.will(HANG)
    await world.step()
    await world.targets.arrived(1)
    await world.store.delete_queue(queue, world.now)
    world.clock.advance(10 * MINUTE)
    await world.dispatcher.drain()
    assert await world.run() == 0
