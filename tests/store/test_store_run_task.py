"""RunTask: one attempt now, whatever the limits of the queue."""

import pytest
from world import attempt_result, full, ids_of, names_of, set_state

from drayman.core import errors
from drayman.core.clock import HOUR, SECOND
from drayman.core.lifecycle import SettleResult, Verdict
from drayman.core.queue import State
from drayman.core.task import Attempt


async def test_run_task_returns_the_task_with_the_granted_attempt_counted(world):
    await world.queue()
    name = await world.create_one(after=HOUR)
    before = await world.get(name)
    world.advance(SECOND)
    granted = await world.run(name)
    assert granted == before._replace(
        dispatch_count=1,
        first_dispatch_time=world.now,
        last_attempt=Attempt(before.schedule_time, world.now),
    )
    assert await world.get(name) == granted
    asked = world.now
    world.advance(SECOND)
    claim = await world.claim_one()
    assert (claim.task, claim.forced_at) == (granted, asked)


async def paused(world):
    await set_state(world.store, full("q"), State.PAUSED, world.now)


async def out_of_tokens_and_slots(world):
    await world.queue("other")
    await world.create("blocker")
    await world.claim_one()


@pytest.mark.parametrize("obstacle", [paused, out_of_tokens_and_slots])
async def test_a_granted_attempt_is_claimed_despite_any_limit_of_its_queue(world, obstacle):
    await world.queue(rate=0.001, burst=1, concurrency=1)
    await obstacle(world)
    name = await world.create_one("t", after=HOUR)
    assert await world.claim() == []
    await world.run(name)
    assert ids_of(await world.claim()) == ["t"]


async def test_a_granted_attempt_ignores_shares_of_slots(world):
    await world.queue()
    await world.run(await world.create_one("t"))
    await world.create("u")
    assert ids_of(await world.claim(slots=4, held={full("q"): 50})) == ["t"]


async def test_granted_attempts_leave_some_slots_to_others(world):
    await world.queue()
    for name in await world.create(*[None] * 40):
        await world.run(name)
    await world.queue("other")
    await world.create("t", queue_id="other")
    claims = await world.claim(slots=32)
    assert sum(claim.forced_at is not None for claim in claims) == 30
    assert claims[-1].queue.name == full("other")


async def test_granted_attempts_come_first_in_the_order_of_their_grants(world):
    await world.queue()
    names = await world.create("a", "b", "c", "d")
    for name in (names[3], names[2]):
        await world.run(name)
    assert ids_of(await world.claim(3)) == ["d", "c", "a"]


async def test_released_grants_keep_their_order(world):
    await world.queue()
    names = await world.create("a", "b")
    await world.claim(2)
    for name in reversed(names):
        await world.run(name)
    assert ids_of(await world.claim()) == ["b", "a"]
    await world.store.release("server", world.now)
    assert ids_of(await world.claim(1)) == ["b"]


async def test_more_grants_than_the_limit_are_claimed_in_several_claims(world):
    await world.queue()
    names = await world.create(*[None] * 5, after=HOUR)
    for name in names:
        await world.run(name)
    claimed = []
    while len(claimed) < 5:
        claimed += names_of(await world.claim(2))
        assert len(claimed) == 5 or world.next_due == world.now
    assert claimed == names


async def test_a_granted_attempt_replaces_the_scheduled_one(world):
    await world.queue()
    name = await world.create_one("t")
    await world.run(name)
    assert len(await world.claim()) == 1
    assert await world.claim() == []
    assert await world.listed() == [name]


async def test_a_granted_attempt_that_fails_is_retried_on_schedule(world):
    await world.queue()
    name = await world.create_one("t", after=HOUR)
    await world.run(name)
    claim = await world.claim_one()
    await world.settle(claim, Verdict.RETRY, schedule_time=world.now + SECOND)
    assert (await world.get(name)).schedule_time == world.now + SECOND
    assert await world.claim() == []
    world.advance(SECOND)
    assert (await world.claim_one()).task.dispatch_count == 2


async def test_a_granted_attempt_holds_a_slot_of_its_queue(world):
    await world.queue(concurrency=2)
    await world.run((await world.create("x", "a", "b"))[0])
    assert ids_of(await world.claim()) == ["x", "a"]
    assert await world.in_flight() == 2


async def test_a_grant_beside_an_attempt_in_flight_is_a_second_attempt(world):
    await world.queue()
    name = await world.create_one("t")
    first = await world.claim_one()
    assert (await world.run(name)).dispatch_count == 2
    second = await world.claim_one()
    assert first.number != second.number
    assert await world.in_flight() == 2


async def in_flight_and_granted(world):
    await world.queue()
    name = await world.create_one("t")
    first = await world.claim_one()
    await world.run(name)
    return name, first


@pytest.mark.parametrize("verdict", [Verdict.RETRY, Verdict.FAILED])
async def test_the_failure_of_a_superseded_attempt_decides_nothing(world, verdict):
    name, first = await in_flight_and_granted(world)
    before = await world.get(name)
    assert await world.settle(first, verdict, schedule_time=world.now)
    assert await world.get(name) == before
    second = await world.claim_one()
    assert second.forced_at == world.now
    assert await world.claim() == []
    await world.settle(second, Verdict.FAILED)
    assert await world.listed() == []
    assert await world.in_flight() == 0


async def test_the_success_of_a_superseded_attempt_completes_the_task(world):
    name, first = await in_flight_and_granted(world)
    assert await world.settle(first)
    with pytest.raises(errors.NotFound, match="existed recently"):
        await world.get(name)
    assert (await world.claim(), world.next_due) == ([], None)


async def test_after_a_success_another_attempt_in_flight_decides_nothing(world):
    name, first = await in_flight_and_granted(world)
    second = await world.claim_one()
    await world.settle(first)
    assert await world.settle(second, Verdict.RETRY, schedule_time=world.now)
    assert await world.listed() == []
    assert await world.claim() == []
    with pytest.raises(errors.NotFound):
        await world.run(name)


@pytest.mark.parametrize("verdict", [Verdict.RETRY, Verdict.FAILED])
async def test_the_last_of_several_attempts_decides(world, verdict):
    name, first = await in_flight_and_granted(world)
    second = await world.claim_one()
    await world.run(name)
    third = await world.claim_one()
    for claim in (third, second):
        await world.settle(claim, verdict, schedule_time=world.now)
        task = await world.get(name)
        assert task.last_attempt.response_time == world.now
        assert (await world.claim(), await world.listed()) == ([], [name])
    await world.settle(first, Verdict.FAILED)
    assert await world.listed() == []
    assert len(await world.store.list_dead_letters(full("q"), 0, 10)) == 1


async def three_in_flight(world):
    name, first = await in_flight_and_granted(world)
    second = await world.claim_one()
    await world.run(name)
    return name, first, second, await world.claim_one()


async def test_a_task_waits_while_any_attempt_of_it_is_in_flight(world):
    name, first, second, third = await three_in_flight(world)
    await world.settle(third, Verdict.FAILED)
    await world.settle(first, Verdict.RETRY, schedule_time=world.now)
    assert (await world.claim(), await world.listed()) == ([], [name])
    await world.settle(second, Verdict.RETRY, schedule_time=world.now)
    assert len(await world.claim()) == 1


@pytest.mark.parametrize(
    ("verdicts", "goes_on"),
    [((Verdict.FAILED, Verdict.RETRY), True), ((Verdict.RETRY, Verdict.FAILED), False)],
)
@pytest.mark.parametrize("latest_first", [True, False])
@pytest.mark.parametrize("together", [True, False])
async def test_the_last_attempt_to_end_decides_in_a_group_as_one_by_one(
    world, verdicts, goes_on, latest_first, together
):
    name, first = await in_flight_and_granted(world)
    claims = [await world.claim_one(), first]
    ends = [
        attempt_result(claim, verdict, world.now)
        for claim, verdict in zip(claims[:: 1 if latest_first else -1], verdicts, strict=True)
    ]
    if together:
        results = await world.store.settle(ends, world.now)
    else:
        results = [each for end in ends for each in await world.store.settle([end], world.now)]
    assert results == [SettleResult.SUPERSEDED, SettleResult.SETTLED]
    assert await world.listed() == ([name] if goes_on else [])
    assert await world.in_flight() == 0


async def test_a_success_after_the_granted_attempt_failed_for_good_completes_the_task(world):
    _, first = await in_flight_and_granted(world)
    await world.settle(await world.claim_one(), Verdict.FAILED)
    await world.settle(first)
    assert await world.listed() == []
    assert await world.store.list_dead_letters(full("q"), 0, 10) == []


async def test_a_failure_beside_a_success_in_one_group_makes_no_dead_letter(world):
    _, first = await in_flight_and_granted(world)
    second = await world.claim_one()
    ends = [
        attempt_result(second, Verdict.FAILED, world.now),
        attempt_result(first, Verdict.COMPLETED, world.now),
    ]
    assert await world.store.settle(ends, world.now) == [SettleResult.SETTLED] * 2
    assert await world.listed() == []
    assert await world.store.list_dead_letters(full("q"), 0, 10) == []


async def test_a_task_whose_deciding_attempt_was_lost_is_due_again(world):
    name, _ = await in_flight_and_granted(world)
    second = await world.claim_one(server="other")
    await world.settle(second, Verdict.FAILED)
    await world.store.release("server", world.now)
    assert names_of(await world.claim()) == [name]


async def test_run_task_twice_before_the_attempt_starts_grants_one(world):
    await world.queue()
    name = await world.create_one("t")
    assert await world.run(name) == await world.run(name)
    assert len(await world.claim()) == 1


async def test_a_task_may_be_run_again_while_it_runs(world):
    await world.queue()
    name = await world.create_one("t")
    await world.run(name)
    first = await world.claim_one()
    assert (await world.run(name)).dispatch_count == 2
    second = await world.claim_one()
    await world.settle(first, Verdict.RETRY, schedule_time=world.now)
    assert await world.claim() == []
    await world.settle(second, Verdict.RETRY, schedule_time=world.now)
    assert len(await world.claim()) == 1


async def deleted(world, name):
    await world.delete(name)


async def purged(world, _):
    await world.store.purge_queue(full("q"), world.now)


async def queue_deleted(world, _):
    await world.store.delete_queue(full("q"), world.now)


@pytest.mark.parametrize("end", [deleted, purged, queue_deleted])
async def test_a_grant_is_deleted_with_its_task(world, end):
    await world.queue()
    name = await world.create_one("t")
    await world.run(name)
    await end(world, name)
    assert (await world.claim(), world.next_due) == ([], None)
    if end is not queue_deleted:
        assert await world.in_flight() == 0
    assert await world.store.release("server", world.now) == 0


async def test_grants_of_deleted_tasks_do_not_hide_others(world):
    for queue_id in ("q", "other"):
        await world.queue(queue_id)
    for name in await world.create(*[None] * 10):
        await world.run(name)
    other = await world.create_one(queue_id="other", after=HOUR)
    await world.run(other)
    await world.store.purge_queue(full("q"), world.now)
    assert names_of(await world.claim(3)) == [other]


async def test_a_grant_whose_server_stopped_is_granted_again(world):
    await world.queue()
    await paused(world)
    name = await world.create_one("t")
    granted = await world.run(name)
    first = await world.claim_one()
    assert await world.store.release("server", world.now) == 1
    again = await world.claim_one(server="next")
    assert (again.task, again.forced_at) == (granted, granted.first_dispatch_time)
    assert again.number != first.number
    assert not await world.settle(first)
    assert await world.settle(again)
    assert await world.listed() == []
