"""Back pressure is kept in the queue, and every claim obeys it."""

import pytest
from world import full, settlement

from drayman.core import errors
from drayman.core.back_pressure import Signal
from drayman.core.clock import DAY, MINUTE, SECOND
from drayman.core.lifecycle import Verdict
from drayman.core.queue import State

QUEUE = full("q")


async def claim_due(world, limit=100):
    return await world.store.claim_due("s", limit, {}, 1000, world.now)


async def push_back(world, signal=Signal.PUSHBACK, **fields):
    """Claim one task and settle it as retried, with a signal."""
    found = await claim_due(world, 1)
    ended = settlement(
        found.claims[0], Verdict.RETRY, world.now,
        schedule_time=world.now + MINUTE, signal=signal, **fields,
    )  # fmt: skip
    await world.store.settle([ended], world.now)


async def rate(world, queue=QUEUE):
    return (await world.store.queue_stats(queue, world.now)).effective_rate


async def test_a_queue_has_its_full_rate_at_first(world):
    await world.queue(rate=100)
    assert await rate(world) == 100


@pytest.mark.parametrize(
    ("signal", "left"),
    [(Signal.PUSHBACK, 50), (Signal.ERROR, 100), (Signal.GOOD, 100), (Signal.NONE, 100)],
)
async def test_who_pushes_back_lowers_it(world, signal, left):
    await world.queue(rate=100)
    await world.try_create(None)
    await push_back(world, signal)
    assert await rate(world) == left


async def test_claims_obey_the_rate_that_is_left(world):
    await world.queue(rate=10, burst=10)
    await world.try_create(*[None] * 60)
    await push_back(world)
    found = await claim_due(world)
    assert len(found.claims) == 5  # of a burst that was cut by half
    assert found.levels[QUEUE] == 0.5
    world.advance(SECOND)
    assert len((await claim_due(world)).claims) == 5


async def test_recovery_begins_when_the_target_said(world):
    await world.queue(rate=100)
    await world.try_create(None)
    await push_back(world, hold=world.now + MINUTE)
    world.advance(MINUTE)
    assert await rate(world) == 50
    world.advance(30 * SECOND)
    assert await rate(world) == 100


async def test_a_throttled_queue_is_looked_at_while_its_rate_grows(world):
    await world.queue(rate=1.01, burst=1)
    await world.try_create(None, None)
    await push_back(world)
    assert (await claim_due(world)).next_due <= world.now + 5 * SECOND


async def test_a_day_of_retry_after_is_not_a_day_of_half_the_rate(world):
    await world.queue(rate=100)
    await world.try_create(None)
    await push_back(world, hold=world.now + DAY)
    world.advance(MINUTE + 30 * SECOND)
    assert await rate(world) == 100


async def test_the_tries_of_one_task_do_not_slow_the_others(world):
    await world.queue(rate=100)
    await world.try_create("poison")
    for _ in range(50):
        (claim_,) = (await claim_due(world)).claims
        again = {"schedule_time": world.now + SECOND, "attempt": claim_.task.dispatch_count}
        ended = settlement(claim_, Verdict.RETRY, world.now, signal=Signal.ERROR, **again)
        await world.store.settle([ended], world.now)
        world.advance(SECOND)
    assert await rate(world) == 100


async def test_resuming_a_queue_ends_it(world):
    await world.queue(rate=100)
    await world.try_create(None)
    await push_back(world)
    await world.store.set_state(QUEUE, State.PAUSED, world.now)
    assert await rate(world) == 50
    await world.store.set_state(QUEUE, State.RUNNING, world.now)
    assert await rate(world) == 100


async def test_settings_show_nothing_of_it(world):
    await world.queue(rate=100)
    await world.try_create(None)
    await push_back(world)
    queue = await world.store.get_queue(QUEUE)
    assert queue.rate_limits.max_dispatches_per_second == 100


async def test_slots_in_flight_are_counted(world):
    await world.queue()
    await world.try_create(None, None)
    await claim_due(world)
    assert (await world.store.queue_stats(QUEUE, world.now)).in_flight == 2


async def test_stats_say_what_waits_and_what_is_dead(world):
    await world.queue()
    empty = await world.store.queue_stats(QUEUE, world.now)
    assert (empty.next_schedule_time, empty.dead) == (None, 0)
    await world.try_create(None, None, after=MINUTE)
    await world.try_create(None)
    due = world.now
    world.advance(SECOND)
    assert (await world.store.queue_stats(QUEUE, world.now)).next_schedule_time == due
    (claim,) = (await claim_due(world)).claims
    assert (await world.store.queue_stats(QUEUE, world.now)).next_schedule_time == due + MINUTE
    await world.settle(claim, Verdict.FAILED)
    assert (await world.store.queue_stats(QUEUE, world.now)).dead == 1


async def test_an_unknown_queue_has_no_stats(world):
    with pytest.raises(errors.NotFound):
        await world.store.queue_stats(QUEUE, world.now)
