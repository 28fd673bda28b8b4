"""Settling results of attempts, and ignoring those of claims that are no longer held."""

import asyncio

import pytest
from world import LIMITS, attempt_result, create_queue, full, queue

from drayman.core.clock import HOUR, SECOND
from drayman.core.lifecycle import SettleResult, Verdict
from drayman.core.status import Code
from drayman.core.task import Attempt


async def one_in_flight(world):
    await world.queue()
    await world.create("t")
    return await world.claim_one()


@pytest.mark.parametrize("verdict", [Verdict.COMPLETED, Verdict.FAILED])
async def test_an_ended_task_no_longer_exists(world, verdict):
    claim = await one_in_flight(world)
    assert await world.settle(claim, verdict)
    assert await world.listed() == []
    assert await world.in_flight() == 0


async def test_a_retry_is_stored_completely(world):
    claim = await one_in_flight(world)
    world.advance(SECOND)
    late = {"schedule_time": world.now + HOUR, "code": Code.NOT_FOUND, "message": "NOT_FOUND(5)"}
    await world.settle(claim, Verdict.RETRY, **late, executed=True, previous_response=404)
    first = claim.task.first_dispatch_time
    assert await world.get(claim.task.name) == claim.task._replace(
        schedule_time=world.now + HOUR,
        response_count=1,
        execution_count=1,
        previous_response=404,
        last_attempt=Attempt(first, first, world.now, Code.NOT_FOUND, "NOT_FOUND(5)"),
    )


@pytest.mark.parametrize(
    ("responded", "executed", "counts"),
    [(True, True, (1, 1)), (True, False, (1, 0)), (False, False, (0, 0))],
)
async def test_responses_and_executions_are_counted(world, responded, executed, counts):
    claim = await one_in_flight(world)
    await world.settle(claim, Verdict.RETRY, responded=responded, executed=executed)
    task = await world.get(claim.task.name)
    assert (task.response_count, task.execution_count) == counts


async def test_the_next_attempt_sees_the_last_one_and_the_first(world):
    claim = await one_in_flight(world)
    await world.settle(claim, Verdict.RETRY, previous_response=503, schedule_time=world.now + 5)
    world.advance(HOUR)
    again = await world.claim_one()
    assert again.task.dispatch_count == 2
    assert again.task.previous_response == 503
    assert again.task.first_dispatch_time == claim.task.first_dispatch_time
    assert again.task.last_attempt == Attempt(world.now - HOUR + 5, world.now)


@pytest.mark.parametrize("message", ["", "naïve ☃ 𝄞", 'quote " and \\ and \n', "x" * 5_000])
async def test_any_message_is_stored(world, message):
    claim = await one_in_flight(world)
    await world.settle(claim, Verdict.RETRY, message=message)
    assert (await world.get(claim.task.name)).last_attempt.message == message


async def test_a_message_that_is_not_valid_text_is_stored_cleaned(world):
    claim = await one_in_flight(world)
    await world.settle(claim, Verdict.RETRY, message="garbage \udcff \ud800 from a target")
    message = (await world.get(claim.task.name)).last_attempt.message
    assert message.startswith("garbage ")
    assert len(await world.listed()) == 1


async def test_an_attempt_ends_once(world):
    claim = await one_in_flight(world)
    assert await world.settle(claim, Verdict.RETRY)
    assert not await world.settle(claim)
    assert len(await world.listed()) == 1


async def test_an_attempt_ends_once_within_a_batch(world):
    claim = await one_in_flight(world)
    ends = [
        attempt_result(claim, verdict, world.now) for verdict in (Verdict.RETRY, Verdict.COMPLETED)
    ]
    assert await world.store.settle(ends, world.now) == [SettleResult.SETTLED, None]
    assert len(await world.listed()) == 1


async def test_an_attempt_ends_once_with_concurrent_results(world):
    claim = await one_in_flight(world)
    held = await asyncio.gather(*(world.settle(claim, Verdict.RETRY) for _ in range(5)))
    assert sorted(held) == [False] * 4 + [True]
    assert (await world.get(claim.task.name)).response_count == 1


async def test_results_of_a_batch_are_settled_one_by_one(world):
    await world.queue()
    await world.create("a", "b", "c", "d")
    a, b, c, d = await world.claim()
    await world.settle(b)
    await world.delete(c.task.name)
    verdicts = [(a, Verdict.RETRY), (b, Verdict.RETRY), (c, Verdict.RETRY), (d, Verdict.FAILED)]
    ends = [attempt_result(claim, verdict, world.now) for claim, verdict in verdicts]
    unknown = ends[0]._replace(claim=a._replace(number=10**12))
    results = await world.store.settle([*ends, unknown], world.now)
    assert results == [SettleResult.SETTLED, None, SettleResult.GONE, SettleResult.SETTLED, None]
    assert await world.listed() == [a.task.name]
    assert await world.in_flight() == 0


@pytest.mark.parametrize("verdict", Verdict)
async def test_a_result_of_a_released_claim_settles_nothing(world, verdict):
    claim = await one_in_flight(world)
    await world.store.release("server", world.now)
    assert not await world.settle(claim, verdict)
    again = await world.claim_one(server="next")
    assert not await world.settle(claim, verdict)
    assert await world.settle(again)


@pytest.mark.parametrize("verdict", Verdict)
async def test_a_deleted_task_stays_deleted(world, verdict):
    claim = await one_in_flight(world)
    await world.delete(claim.task.name)
    assert await world.settle(claim, verdict)
    assert await world.listed() == []
    world.advance(LIMITS.retention.task_tombstone)
    await world.create("t")
    assert len(await world.claim()) == 1


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("swept", [True, False])
async def test_an_attempt_of_a_purged_queue_changes_nothing(world, verdict, swept):
    claim = await one_in_flight(world)
    await world.store.purge_queue(full("q"), world.now)
    await world.create("new", after=HOUR)
    if swept:
        await world.sweep()
    assert await world.settle(claim, verdict)
    assert await world.listed() == [f"{full('q')}/tasks/new"]
    assert await world.claim() == []


@pytest.mark.parametrize("verdict", Verdict)
async def test_an_attempt_of_a_deleted_queue_changes_nothing_in_a_new_one(world, verdict):
    await world.queue(concurrency=2)
    await world.create(*[None] * 2)
    claims = await world.claim()
    await world.store.delete_queue(full("q"), world.now)
    for queue_id in ("other", "q"):
        world.advance(LIMITS.retention.queue_tombstone)
        await world.queue(queue_id, concurrency=2)
        await world.create(*[None] * 5, queue_id=queue_id)
    for claim in claims:
        assert await world.settle(claim, verdict)
    assert len(await world.claim()) == 4
    assert await world.claim() == []


async def test_release_returns_only_the_claims_of_one_server(world):
    await world.queue()
    await world.create("a", "b", "c")
    first = await world.claim(2, server="one")
    (other,) = await world.claim(server="two")
    assert await world.store.release("one", world.now) == 2
    assert await world.store.release("one", world.now) == 0
    again = await world.claim()
    assert {claim.task.name for claim in again} == {claim.task.name for claim in first}
    assert await world.settle(other)


async def test_released_attempts_are_due_at_once_and_stay_counted(world):
    claim = await one_in_flight(world)
    await world.store.release("server", world.now)
    assert await world.in_flight() == 0
    again = await world.claim_one()
    assert again.task.dispatch_count == claim.task.dispatch_count + 1
    assert again.task.first_dispatch_time == claim.task.first_dispatch_time


async def test_releasing_a_superseded_attempt_leaves_the_granted_one(world):
    claim = await one_in_flight(world)
    await world.run(claim.task.name)
    await world.store.release("server", world.now)
    again = await world.claim_one()
    assert again.forced_at == world.now
    assert await world.claim() == []


async def test_a_released_claim_of_a_deleted_task_is_deleted(world):
    claim = await one_in_flight(world)
    await world.run(claim.task.name)
    await world.claim_one()
    await world.delete(claim.task.name)
    assert await world.store.release("server", world.now) == 2
    assert (await world.claim(), world.next_due) == ([], None)


async def test_results_free_the_slots_of_each_queue(world):
    for queue_id in "abc":
        await create_queue(world.store, queue(queue_id, concurrency=2), world.now)
        await world.create(*[None] * 4, queue_id=queue_id)
    claims = await world.claim()
    ends = [attempt_result(claim, Verdict.COMPLETED, world.now) for claim in claims]
    assert await world.store.settle(ends, world.now) == [SettleResult.SETTLED] * 6
    assert len(await world.claim()) == 6


@pytest.mark.parametrize("end", ["purge", "drop"])
async def test_a_result_for_a_deleted_task_is_gone(world, end):
    claim = await one_in_flight(world)
    if end == "purge":
        await world.store.purge_queue(full("q"), world.now)
    else:
        await world.store.delete_queue(full("q"), world.now)
    ends = [attempt_result(claim, Verdict.RETRY, world.now)]
    assert await world.store.settle(ends, world.now) == [SettleResult.GONE]
