"""A store that fails, a fault of our own, and the end of the server."""

import asyncio

import pytest
from dispatch_world import HANG

from drayman.core import errors
from drayman.core.clock import MINUTE, SECOND
from drayman.core.delivery import Failure, NoResponse, Response
from drayman.core.events import (
    AttemptCrashed,
    AttemptEnded,
    QueueDamaged,
    Stopping,
    StoreFailed,
)  # fmt: skip
from drayman.core.status import Code
from drayman.core.task import NewTask
from drayman.dispatch import dispatcher, settler
from drayman.encryption.cipher import TaskCipher
from drayman.store.contract import Claims, QueueDamagedError
from drayman.tasks_v2 import types


class Failing:
    """A store whose verbs fail while ``failures`` has errors for them.

    A claim fails after it has taken effect if ``after`` has an error for it.
    """

    def __init__(self, store):
        self._store = store
        self.failures = {}
        self.after = {}
        self.claims = None

    def __getattr__(self, verb):
        if self.failures.get(verb):
            return self._fail
        return getattr(self._store, verb)

    def on_change(self, hint):
        self._store.on_change(hint)

    def _take(self, verb):
        return self.failures[verb].pop(0)

    async def claim_due(self, *args):
        if self.failures.get("claim_due"):
            raise self._take("claim_due")
        claims = self.claims or await self._store.claim_due(*args)
        if error := self.after.pop("claim_due", None):
            raise error
        return claims

    async def settle(self, *args):
        if self.failures.get("settle"):
            raise self._take("settle")
        return await self._store.settle(*args)

    async def release_unsent(self, *args):
        if self.failures.get("release_unsent"):
            raise self._take("release_unsent")
        return await self._store.release_unsent(*args)

    async def release_unknown(self, *args):
        if self.failures.get("release_unknown"):
            raise self._take("release_unknown")
        return await self._store.release_unknown(*args)

    async def release(self, *args):
        if self.failures.get("release"):
            raise self._take("release")
        return await self._store.release(*args)


@pytest.fixture
def failing(world):
    store = Failing(world.store)
    real, world.store = world.store, store
    world.start()
    world.store = real
    return store


FAULTS = [errors.Unavailable("the disk is away"), RuntimeError("a fault of ours")]


async def stop_is_waiting(world):
    """Return once ``stop`` waits for the grace to pass."""
    while not any(isinstance(event, Stopping) for event in world.events):
        await world.store.check()


async def waiting_timer(world):
    """Return once someone waits for the clock."""
    while not world.clock.pending_timers:
        await world.store.check()


@pytest.mark.parametrize("fault", FAULTS, ids=["store", "own"])
async def test_a_result_is_settled_when_the_store_works_again(world, failing, fault):
    queue = await world.queue(concurrency=1)
    first = await world.task(queue)
    await world.task(queue)
    failing.failures["settle"] = [fault, fault]
    await world.step()
    for _ in range(2):
        await waiting_timer(world)
        assert await world.step() == 0  # its slot stays taken
        assert not await world.gone(first)
        world.clock.advance(settler.RETRY_INTERVAL)
    await world.dispatcher.drain()
    assert await world.gone(first)
    assert len(world.requests) == 1
    assert await world.run() == 1
    assert [e.verb for e in world.events if isinstance(e, StoreFailed)] == ["settle", "settle"]


@pytest.mark.parametrize("fault", FAULTS, ids=["store", "own"])
async def test_a_failed_claim_is_retried_after_a_pause(world, failing, fault):
    await world.task(await world.queue())
    failing.failures["claim_due"] = [fault]
    assert await world.dispatcher.step() == world.now + settler.RETRY_INTERVAL
    assert await world.run() == 1
    assert [e.verb for e in world.events if isinstance(e, StoreFailed)] == ["claim_due"]


async def test_changes_do_not_bring_the_retry_of_a_failed_claim_forward(world, failing):
    queue = await world.queue()
    running = asyncio.create_task(world.dispatcher.run())
    failing.failures["claim_due"] = [errors.Unavailable("the disk is away")] * 9
    for _ in range(3):
        await world.task(queue)
        await waiting_timer(world)
    assert [e.verb for e in world.events if isinstance(e, StoreFailed)] == ["claim_due"]
    failing.failures.clear()
    world.clock.advance(settler.RETRY_INTERVAL)
    await world.targets.arrived(3)
    await world.dispatcher.stop(0)
    await running


async def test_a_claim_that_was_committed_though_it_failed_is_made_again(world, failing):
    name = await world.task(await world.queue(max_attempts=1))
    failing.after["claim_due"] = errors.Unavailable("the connection is lost")
    assert await world.step() == 0
    world.clock.advance(settler.RETRY_INTERVAL)
    assert await world.run() == 1
    assert await world.gone(name)


async def test_a_failed_claim_that_is_committed_late_is_made_again(world, failing):
    queue = await world.queue()
    world.targets.will(HANG)
    await world.task(queue)
    assert await world.step() == 1
    failing.failures["claim_due"] = [errors.Unavailable("the connection is lost")]
    failing.failures["release_unknown"] = [errors.Unavailable("the disk is away")]
    for _ in range(3):
        await world.step()
        world.clock.advance(settler.RETRY_INTERVAL)
    late = await world.task(queue)
    await world.store.claim_due("s", 1, {}, 1, world.now)
    world.clock.advance(dispatcher.LATE_COMMIT)
    assert await world.step() == 1
    await world.targets.arrived(2)
    await world.dispatcher.ended.wait()
    assert await world.gone(late)
    assert await world.in_flight() == 1  # its other attempt is not released


async def test_a_claim_is_released_when_the_store_works_again(world, failing):
    name = await world.task(await world.queue(max_attempts=1))
    failing.failures["release_unsent"] = [errors.Unavailable("the disk is away")]
    world.targets.will(NoResponse(Failure.RESOURCES, "no files"))
    await world.step()
    await waiting_timer(world)
    world.clock.advance(settler.RETRY_INTERVAL)
    await world.dispatcher.drain()
    assert [e.verb for e in world.events if isinstance(e, StoreFailed)] == ["release_unsent"]
    assert await world.run() == 1
    assert await world.gone(name)


async def test_a_claim_is_repeated_at_once_when_a_queue_is_damaged(world, failing):
    await world.task(await world.queue())
    failing.failures["claim_due"] = [QueueDamagedError("q")]
    assert await world.dispatcher.step() == world.now
    assert world.events == []
    assert await world.run() == 1


async def test_a_damaged_queue_is_an_event_each_time_it_is_found(world, failing):
    for retry_time in (1, 1, 2):
        failing.claims = Claims([], None, damaged={"q": retry_time})
        await world.dispatcher.step()
    assert world.events == [QueueDamaged("q", 1), QueueDamaged("q", 2)]


async def test_an_internal_error_is_a_failed_attempt(world):
    name = await world.task(await world.queue())
    world.targets.will(ZeroDivisionError("oops"))
    await world.run()
    task = await world.get(name)
    assert task.last_attempt.code is Code.INTERNAL
    assert "internal error" in task.last_attempt.message
    assert any(isinstance(event, AttemptCrashed) for event in world.events)


async def test_each_attempt_emits_one_event(world):
    await world.tasks(await world.queue(), 3)
    world.clock.advance(SECOND)
    await world.run()
    assert [type(event) for event in world.events] == [AttemptEnded] * 3


async def test_attempts_in_flight_may_end_within_the_grace_period(world):
    await world.task(await world.queue())
    answer = asyncio.get_running_loop().create_future()

    async def send(request):
        world.requests.append(request)
        return await answer

    world.targets.send = send
    await world.step()
    stopping = asyncio.create_task(world.dispatcher.stop(30 * SECOND))
    while not any(isinstance(event, Stopping) for event in world.events):
        await world.store.check()
    answer.set_result(Response(200))
    await stopping
    assert await world.in_flight() == 0
    world.start()
    assert await world.run() == 0


async def test_attempts_that_exceed_the_grace_period_are_made_again(world):
    name = await world.task(await world.queue())
    world.targets.will(HANG)
    await world.step()
    await world.targets.arrived(1)
    stopping = asyncio.create_task(world.dispatcher.stop(30 * SECOND))
    await stop_is_waiting(world)
    world.clock.advance(30 * SECOND)
    await stopping
    assert await world.in_flight() == 0
    assert not await world.gone(name)
    world.start(server="next")
    assert await world.run() == 1
    assert world.requests[1].headers["X-CloudTasks-TaskRetryCount"] == "1"


async def test_nothing_starts_after_stop(world):
    await world.dispatcher.stop(0)
    await world.task(await world.queue())
    assert await world.dispatcher.step() is None
    assert world.requests == []


async def test_a_failed_release_does_not_prevent_the_stop(world, failing):
    failing.failures["release"] = [errors.Unavailable("gone")]
    await world.dispatcher.stop(MINUTE)
    assert [e.verb for e in world.events if isinstance(e, StoreFailed)] == ["release"]


async def test_a_claim_that_arrives_during_the_stop_is_released(world):
    queue = await world.queue()
    await world.task(queue)
    world.targets.will(HANG)
    claiming = asyncio.create_task(world.dispatcher.step())
    stopping = asyncio.create_task(world.dispatcher.stop(SECOND))
    await claiming
    await world.targets.arrived(1)
    await stop_is_waiting(world)
    world.clock.advance(SECOND)
    await stopping
    assert await world.in_flight() == 0
    world.start()
    assert await world.step() == 1


async def test_a_suspended_dispatcher_has_no_attempt_and_starts_none(world):
    await world.tasks(await world.queue(), 2)
    world.targets.will(HANG)
    await world.dispatcher.step(1)
    await world.targets.arrived(1)
    running = asyncio.create_task(world.dispatcher.run())
    async with world.dispatcher.suspended():
        assert world.dispatcher.in_flight == 0
        await world.store.reset()
        name = await world.task(await world.queue())
        assert await world.in_flight() == 0
    while not await world.gone(name):
        await world.store.check()
    assert len(world.requests) == 2
    await world.dispatcher.stop(0)
    await running


async def test_a_task_whose_key_is_missing_is_retried_whatever_its_policy(world):
    queue = await world.queue(max_attempts=1)
    sealed = TaskCipher({"projects/p/locations/l/keyRings/r/cryptoKeys/k": bytes(32)}).seal(
        "projects/p/locations/l/keyRings/r/cryptoKeys/k", types.Task.serialize(types.Task())
    )
    new = NewTask(None, world.now, sealed)
    (created,) = await world.store.create_tasks(queue, [new], world.now)
    for _ in range(3):
        assert await world.run() == 1
        task = await world.get(created.name)
        assert task.last_attempt.code is Code.FAILED_PRECONDITION
        world.clock.advance(task.schedule_time - world.now)
    assert world.requests == []


async def test_an_internal_error_after_the_response_is_a_failed_attempt(world):
    name = await world.task(await world.queue(min_backoff=SECOND))
    world.targets.will(Response(503, {"retry-after": None}))  # no text: a fault of our own
    await world.run()
    assert "internal error" in (await world.get(name)).last_attempt.message
    assert any(isinstance(event, AttemptCrashed) for event in world.events)
    await world.when_due(name)
    assert await world.gone(name)
