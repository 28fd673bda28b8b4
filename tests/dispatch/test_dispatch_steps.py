"""Whoever lets the dispatcher step decides how many attempts start, and learns what comes next."""

import asyncio

import pytest
from dispatch_world import HANG

from drayman.core.clock import HOUR, SECOND


async def test_a_step_starts_no_more_attempts_than_its_limit(world):
    await world.tasks(await world.queue(), 3)
    await world.dispatcher.step(1)
    assert world.dispatcher.in_flight == 1
    await world.dispatcher.step(5)
    assert world.dispatcher.in_flight == 3


async def test_the_next_deadline_is_the_earliest_of_those_who_wait(world):
    queue = await world.queue()
    assert world.dispatcher.next_deadline is None
    for seconds in (30, 20):
        await world.task(queue, of_task={"dispatch_deadline": {"seconds": seconds}})
    world.targets.will(HANG, HANG)
    await world.step()
    await world.targets.arrived(2)
    assert world.dispatcher.next_deadline == world.now + 20 * SECOND
    world.clock.advance(20 * SECOND)
    await world.dispatcher.ended.wait()
    assert world.dispatcher.next_deadline == world.now + 10 * SECOND


async def test_the_end_of_an_attempt_is_signalled(world):
    await world.tasks(await world.queue(), 2)
    await world.step()
    while world.dispatcher.in_flight:
        world.dispatcher.ended.clear()
        await world.dispatcher.ended.wait()
    assert len(world.requests) == 2


class ClockMover:
    """A store during whose next claims the clock moves on."""

    def __init__(self, store, clock, moves):
        self._store = store
        self._clock = clock
        self._moves = moves

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def claim_due(self, *args):
        claims = await self._store.claim_due(*args)
        if self._moves:
            self._clock.advance(self._moves.pop())
        return claims


@pytest.mark.parametrize("moves", [[SECOND], [HOUR], [SECOND // 2, SECOND // 2]])
async def test_a_task_that_becomes_due_during_a_claim_needs_no_further_move(world, moves):
    await world.task(await world.queue(), delay=SECOND)
    await world.dispatcher.cancel()
    world.store = ClockMover(world.store, world.clock, moves)
    world.start()
    running = asyncio.create_task(world.dispatcher.run())
    if len(moves) > 1:
        await world.task(await world.queue("other"))  # so that there is a second claim
    await world.targets.arrived(1 if len(moves) == 1 else 2)
    await world.dispatcher.stop(0)
    await running
