"""Back pressure is stored with the queue and limits every claim."""

import pytest
from world import attempt_result, full, queue, set_state

from drayman.core import errors
from drayman.core.back_pressure import Signal
from drayman.core.clock import DAY, MINUTE, SECOND
from drayman.core.lifecycle import Verdict
from drayman.core.queue import State, replacement

QUEUE = full("q")


async def claim_due(world, limit=100):
    return await world.store.claim_due("s", limit, {}, 1000, world.now)


async def push_back(world, signal=Signal.PUSHBACK, **fields):
    """Claim one task and settle it as retried, with a signal."""
    result = await claim_due(world, 1)
    ended = attempt_result(
        result.claims[0], Verdict.RETRY, world.now,
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
async def test_signals_lower_the_rate(world, signal, left):
    await world.queue(rate=100)
    await world.try_create(None)
    await push_back(world, signal)
    assert await rate(world) == left


async def test_claims_follow_the_effective_rate(world):
    await world.queue(rate=10, burst=10)
    await world.try_create(*[None] * 60)
    await push_back(world)
    result = await claim_due(world)
    assert len(result.claims) == 5  # of a burst that was cut by half
    assert result.rate_factors[QUEUE] == 0.5
    world.advance(SECOND)
    assert len((await claim_due(world)).claims) == 5


async def test_recovery_starts_at_the_time_of_retry_after(world):
    await world.queue(rate=100)
    await world.try_create(None)
    await push_back(world, hold=world.now + MINUTE)
    world.advance(MINUTE)
    assert await rate(world) == 50
    world.advance(30 * SECOND)
    assert await rate(world) == 100


async def test_a_throttled_queue_is_checked_again_while_its_rate_grows(world):
    await world.queue(rate=1.01, burst=1)
    await world.try_create(None, None)
    await push_back(world)
    assert (await claim_due(world)).next_due <= world.now + 5 * SECOND


async def test_a_long_retry_after_does_not_hold_the_rate_down(world):
    await world.queue(rate=100)
    await world.try_create(None)
    await push_back(world, hold=world.now + DAY)
    world.advance(MINUTE + 30 * SECOND)
    assert await rate(world) == 100


async def test_retries_of_one_task_do_not_slow_the_others(world):
    await world.queue(rate=100)
    await world.try_create("poison")
    for _ in range(50):
        (claim_,) = (await claim_due(world)).claims
        ended = attempt_result(
            claim_, Verdict.RETRY, world.now, signal=Signal.ERROR, schedule_time=world.now + SECOND
        )
        await world.store.settle([ended], world.now)
        world.advance(SECOND)
    assert await rate(world) == 100


async def test_resuming_a_queue_ends_back_pressure(world):
    await world.queue(rate=100)
    await world.try_create(None)
    await push_back(world)
    await set_state(world.store, QUEUE, State.PAUSED, world.now)
    assert await rate(world) == 50
    await set_state(world.store, QUEUE, State.RUNNING, world.now, reset_pressure=True)
    assert await rate(world) == 100


async def test_back_pressure_does_not_change_the_queues_settings(world):
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


async def test_stats_show_the_next_task_and_the_dead_letters(world):
    await world.queue()
    empty = await world.store.queue_stats(QUEUE, world.now)
    assert (empty.next_schedule_time, empty.dead_letters) == (None, 0)
    await world.try_create(None, None, after=MINUTE)
    await world.try_create(None)
    due = world.now
    world.advance(SECOND)
    assert (await world.store.queue_stats(QUEUE, world.now)).next_schedule_time == due
    (claim,) = (await claim_due(world)).claims
    assert (await world.store.queue_stats(QUEUE, world.now)).next_schedule_time == due + MINUTE
    await world.settle(claim, Verdict.FAILED)
    assert (await world.store.queue_stats(QUEUE, world.now)).dead_letters == 1


async def test_an_unknown_queue_has_no_stats(world):
    with pytest.raises(errors.NotFound):
        await world.store.queue_stats(QUEUE, world.now)


async def test_a_policy_that_is_set_grants_no_tokens(world):
    await world.queue(rate=100, burst=10)
    await world.try_create(*[None] * 60)
    await push_back(world)
    while (await claim_due(world)).claims:
        pass
    for number in range(50):
        world.advance(SECOND // 100)
        policy = replacement(policy=bytes([number]))
        await world.store.update_queue(QUEUE, policy, world.now)
    assert len((await claim_due(world, 1000)).claims) <= 5  # half of the burst is left


async def test_tokens_of_the_time_before_new_limits_are_those_that_back_pressure_left(world):
    await world.queue(rate=100, burst=100)
    await world.try_create(*[None] * 200)
    await push_back(world)
    while (await claim_due(world)).claims:
        pass
    world.advance(SECOND // 10)
    limits = queue(rate=200, burst=100).rate_limits
    await world.store.update_queue(QUEUE, replacement(rate_limits=limits), world.now)
    assert len((await claim_due(world, 1000)).claims) == 5  # a tenth of a second at half of 100


async def test_a_queue_under_back_pressure_is_checked_when_an_attempt_ends(world):
    await world.queue(rate=100)
    await world.create(None, None)
    for claim in (await claim_due(world)).claims:
        ended = attempt_result(claim, Verdict.COMPLETED, world.now, signal=Signal.PUSHBACK)
        await world.store.settle([ended], world.now)
        assert QUEUE in (await claim_due(world)).rate_factors
