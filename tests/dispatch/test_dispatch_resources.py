"""A lack of files, memory, ports or threads on this server: no attempt is used up."""

import pytest
from dispatch_world import HANG

from drayman.core import pause
from drayman.core.clock import SECOND
from drayman.core.delivery import Failure, NoResponse
from drayman.core.events import AttemptEnded, DispatchPaused
from drayman.dispatch import dispatcher

LACK = NoResponse(Failure.RESOURCES, "no files; raise the limit")


def notices(world):
    return [event.reason for event in world.events if isinstance(event, DispatchPaused)]


@pytest.mark.parametrize("lack", [LACK, MemoryError()], ids=["files", "memory"])
async def test_an_attempt_without_resources_does_not_count(world, lack):
    name = await world.task(await world.queue(max_attempts=1))
    before = await world.get(name)
    world.targets.will(lack, lack)
    await world.run()
    assert await world.get(name) == before
    assert await world.in_flight() == 0
    world.clock.advance(pause.SHORTEST)
    await world.run()
    assert await world.get(name) == before
    world.clock.advance(pause.LONGEST)
    assert await world.run() == 1
    assert await world.gone(name)
    assert [type(event) for event in world.events] == [DispatchPaused, AttemptEnded]
    assert world.requests[-1].headers["X-CloudTasks-TaskRetryCount"] == "0"


async def test_a_later_attempt_without_resources_does_not_count_either(world):
    name = await world.task(await world.queue(max_attempts=2, min_backoff=SECOND))
    world.targets.will(404, LACK)
    await world.run()
    before = await world.get(name)
    await world.when_due(name)
    task = await world.get(name)
    assert (task.dispatch_count, task.response_count) == (1, 1)
    assert task.first_dispatch_time == before.first_dispatch_time
    assert task.schedule_time == before.schedule_time
    world.clock.advance(pause.SHORTEST)
    await world.run()
    headers = world.requests[-1].headers
    assert headers["X-CloudTasks-TaskRetryCount"] == "1"
    assert headers["X-CloudTasks-TaskPreviousResponse"] == "404"
    assert await world.gone(name)


async def test_a_granted_attempt_without_resources_is_granted_again(world):
    name = await world.task(await world.queue(max_attempts=1), delay=SECOND)
    await world.store.run_task(name, world.now)
    world.targets.will(LACK)
    await world.run()
    world.clock.advance(pause.SHORTEST)
    assert await world.run() == 1
    assert await world.gone(name)
    assert {each.headers["X-CloudTasks-TaskRetryCount"] for each in world.requests} == {"0"}


async def test_dispatch_pauses_while_resources_are_lacking(world):
    queue = await world.queue()
    await world.tasks(queue, 3)
    world.targets.otherwise = LACK
    expected = [pause.SHORTEST << n for n in range(7)] + [pause.LONGEST] * 2
    for length in expected:
        assert await world.run() == 3
        until = world.now + length
        assert await world.dispatcher.step() == until
        world.clock.advance(length - 1)
        assert await world.dispatcher.step() == until
        assert world.dispatcher.in_flight == 0
        world.clock.advance(1)
    world.targets.otherwise = 200
    assert await world.run() == 3


async def test_attempts_that_get_through_end_the_doubling(world):
    queue = await world.queue(min_backoff=0)
    await world.tasks(queue, 2)
    for _ in range(5):
        world.targets.will(LACK, 500)
        assert await world.run() == 2
        assert await world.dispatcher.step() == world.now + pause.SHORTEST
        world.clock.advance(pause.SHORTEST)


async def test_a_lack_is_reported_once_a_minute(world):
    name = await world.task(await world.queue())
    world.targets.otherwise = LACK
    end = world.now + dispatcher.NOTICE_INTERVAL
    while world.now < end:
        await world.run()
        assert notices(world) == [LACK.reason]
        world.clock.advance(pause.LONGEST)
    await world.run()
    assert notices(world) == [LACK.reason] * 2
    assert (await world.get(name)).dispatch_count == 0


async def test_a_lack_says_nothing_about_other_attempts_of_the_task(world):
    name = await world.task(await world.queue(max_attempts=1))
    world.targets.will(HANG, LACK, 200)
    await world.step()
    await world.targets.arrived(1)
    await world.store.run_task(name, world.now)
    await world.step()
    await world.targets.arrived(2)
    assert (await world.get(name)).dispatch_count == 2
    await world.store.check()
    world.clock.advance(pause.SHORTEST)
    await world.step()
    await world.targets.arrived(3)
    while not await world.gone(name):
        await world.store.check()
