"""Back pressure and the handler's say, seen from the dispatcher (reference 3.3)."""

import pytest

from drayman.core.clock import MINUTE, SECOND
from drayman.core.delivery import Failure, NoResponse, Response
from drayman.core.events import RateChanged
from drayman.core.lifecycle import Verdict
from drayman.core.limits import Limits
from drayman.core.queue import State, replacement
from drayman.dispatch import dispatcher
from drayman.store.sqlite.database import open_store


async def rate(world, queue):
    return (await world.store.queue_stats(queue, world.now)).effective_rate


@pytest.mark.parametrize(
    ("app_engine", "status", "left"),
    [(False, 429, 50), (False, 503, 50), (False, 500, 100), (False, 404, 100), (True, 503, 50),
     (True, 429, 100), (True, 500, 100)],
)  # fmt: skip
async def test_pushback_lowers_the_rate(world, app_engine, status, left):
    world.start(app_engine={"": "http://app.example"})
    queue = await world.queue(rate=100)
    await world.task(queue, app_engine=app_engine, url="/x" if app_engine else "https://a/x")
    world.targets.will(status)
    await world.run()
    assert await rate(world, queue) == left


async def test_a_high_error_rate_lowers_the_rate(world):
    queue = await world.queue(rate=100)
    await world.tasks(queue, 10)
    world.targets.otherwise = NoResponse(Failure.CONNECTION, "refused")
    await world.run()
    assert await rate(world, queue) < 100


async def test_the_rate_recovers(world):
    queue = await world.queue(rate=100)
    await world.task(queue)
    world.targets.will(503)
    await world.run()
    world.clock.advance(15 * SECOND)
    assert 70 < await rate(world, queue) < 71
    world.clock.advance(15 * SECOND)
    assert await rate(world, queue) == 100


async def test_a_throttled_queue_is_dispatched_at_its_effective_rate(world):
    queue = await world.queue(rate=100, burst=10, min_backoff=MINUTE)
    await world.tasks(queue, 10)
    world.targets.will(*[503] * 10)
    await world.run()
    await world.tasks(queue, 200)
    starts = await world.run_through(SECOND)
    assert 45 <= len(starts) <= 60
    (queue_after,) = await world.store.list_queues("projects/p/locations/l", "", 10)
    assert queue_after.rate_limits.max_dispatches_per_second == 100


async def test_other_queues_keep_their_rate(world):
    bad, good = await world.queue("bad", rate=100), await world.queue("good", rate=100)
    await world.task(bad)
    world.targets.will(503)
    await world.run()
    await world.task(good)
    await world.run()
    assert (await rate(world, bad), await rate(world, good)) == (50, 100)


async def test_throttling_and_recovery_emit_one_event_each(world):
    queue = await world.queue(rate=100, min_backoff=SECOND)
    await world.task(queue)
    world.targets.will(503)
    await world.run()
    await world.run_through(40 * SECOND, tick=SECOND)
    await world.task(queue)
    await world.run()
    changes = [event for event in world.events if isinstance(event, RateChanged)]
    assert [event.queue for event in changes] == [queue, queue]
    assert changes[0].rate_factor <= 0.55
    assert changes[1].rate_factor == 1.0


async def test_reported_rates_of_deleted_queues_are_dropped(world, monkeypatch):
    monkeypatch.setattr(dispatcher, "MAX_REPORTED_QUEUES", 3)
    for number in range(5):
        queue = await world.queue(f"q{number}", rate=100)
        await world.task(queue)
        world.targets.will(503)
        await world.run()
        await world.run()
        await world.store.delete_queue(queue, world.now)
    assert world.dispatcher.reported_queues == 3


async def test_retry_after_holds_the_task_and_the_recovery(world):
    queue = await world.queue(rate=100)
    name = await world.task(queue)
    world.targets.will(Response(503, {"retry-after": "60"}))
    await world.run()
    assert (await world.get(name)).schedule_time == world.now + MINUTE
    world.clock.advance(MINUTE)
    assert await rate(world, queue) == 50


async def test_a_longer_backoff_wins_over_retry_after(world):
    name = await world.task(await world.queue(min_backoff=MINUTE))
    world.targets.will(Response(429, {"retry-after": "1"}))
    await world.run()
    assert (await world.get(name)).schedule_time == world.now + MINUTE


async def test_a_handler_may_refuse_a_task_for_good(world):
    name = await world.task(await world.queue())
    world.targets.will(Response(400, {"drayman-retry": "never"}))
    await world.run()
    assert await world.gone(name)
    assert (world.last_end.verdict, world.last_end.reason) == (
        Verdict.FAILED, "its handler refused it",
    )  # fmt: skip


@pytest.mark.parametrize(("seconds", "backoff"), [(60, 1), (1, 60)])
async def test_a_handler_may_set_the_time_of_the_next_attempt(world, seconds, backoff):
    name = await world.task(await world.queue(min_backoff=backoff * SECOND))
    world.targets.will(Response(500, {"drayman-retry": f"after; {seconds}"}))
    await world.run()
    assert await world.when_due(name) == seconds * SECOND


async def test_a_retry_hint_does_not_allow_more_attempts(world):
    name = await world.task(await world.queue(max_attempts=1))
    world.targets.will(Response(500, {"drayman-retry": "after; 1"}))
    await world.run()
    assert await world.gone(name)


async def test_a_success_completes_the_task_whatever_its_hint(world):
    await world.task(await world.queue())
    world.targets.will(Response(200, {"drayman-retry": "after; 1"}))
    await world.run()
    assert world.last_end.verdict is Verdict.COMPLETED


@pytest.fixture
async def ramping(world):
    """A world whose queues begin slowly."""
    await world.store.close()
    limits = Limits(ramp_up=True)
    world.store, world.limits = await open_store(":memory:", limits, world.now), limits
    world.start()
    return world


async def test_new_queues_ramp_up_if_so_configured(ramping):
    queue = await ramping.queue(rate=500)
    await ramping.tasks(queue, 300)
    assert 0 < len(await ramping.run_through(SECOND)) <= 13
    assert await rate(ramping, queue) < 11


async def test_idle_and_resumed_queues_ramp_up_again(ramping):
    queue = await ramping.queue(rate=500)
    await ramping.task(queue)
    await ramping.run()
    ramping.clock.advance(9 * MINUTE)
    assert await rate(ramping, queue) == 500
    await ramping.task(queue)
    await ramping.run()
    assert await rate(ramping, queue) == 500
    ramping.clock.advance(11 * MINUTE)
    await ramping.task(queue)
    await ramping.run()
    assert 10 <= await rate(ramping, queue) < 10.1
    ramping.clock.advance(9 * MINUTE)
    await ramping.set_state(queue, State.PAUSED)
    await ramping.set_state(queue, State.RUNNING)
    await ramping.task(queue)
    await ramping.run()
    assert 10 <= await rate(ramping, queue) < 10.1


async def test_an_idle_queue_ramps_up_although_its_policy_was_set(ramping):
    queue = await ramping.queue(rate=500)
    await ramping.task(queue)
    await ramping.run()
    ramping.clock.advance(11 * MINUTE)
    change = replacement(policy=b"policy")
    await ramping.store.update_queue(queue, change, ramping.now)
    await ramping.task(queue)
    await ramping.run()
    assert 10 <= await rate(ramping, queue) < 10.1
