"""Claiming what is due: order, rate, burst, concurrency, and the tasks as they are claimed."""

import asyncio

import pytest
from hypothesis import strategies as st
from world import LIMITS, PLENTY, full, ids_of, names_of, queue, search, set_state

from drayman.core import bucket
from drayman.core.clock import DAY, HOUR, SECOND
from drayman.core.lifecycle import Verdict
from drayman.core.queue import RetryConfig, State
from drayman.core.task import Attempt


async def test_a_claim_is_the_queue_and_the_task_with_the_attempt_counted(world):
    settings = {"rate": 5.0, "retry_config": RetryConfig(7), "settings": b"rest"}
    await world.queue(**settings)
    name = await world.create_one("t", request=b"what to do")
    created = await world.get(name)
    world.advance(SECOND)
    claim = await world.claim_one()
    assert claim.queue == queue(**settings)
    assert claim.forced_at is None
    assert claim.task == created._replace(
        dispatch_count=1,
        first_dispatch_time=world.now,
        last_attempt=Attempt(created.schedule_time, world.now),
    )
    assert await world.get(name) == claim.task


async def test_only_due_tasks_are_claimed(world):
    await world.queue()
    await world.create("later", after=1)
    await world.create("now")
    assert ids_of(await world.claim()) == ["now"]
    world.advance(1)
    assert ids_of(await world.claim()) == ["later"]


async def test_tasks_are_claimed_in_the_order_of_their_times(world):
    await world.queue()
    for after in (3, 1, 4, 2):
        await world.create(f"t{after}", after=after)
    world.advance(10)
    claims = await world.claim()
    assert ids_of(claims) == ["t1", "t2", "t3", "t4"]
    numbers = [claim.number for claim in claims]
    assert numbers == sorted(set(numbers))


async def test_a_task_is_claimed_once(world):
    await world.queue()
    await world.create(*[None] * 10)
    tried = await asyncio.gather(*(world.claim(4, server=f"s{n}") for n in range(5)))
    claimed = [name for claims in tried for name in names_of(claims)]
    assert len(claimed) == len(set(claimed)) == 10
    assert max(map(len, tried)) == 4


async def test_claim_numbers_are_never_used_again(world):
    await world.queue()
    seen = set()
    for _ in range(3):
        await world.create(None, None)
        claims = await world.claim()
        seen |= {claim.number for claim in claims}
        for claim in claims:
            await world.settle(claim)
    assert len(seen) == 6


@pytest.mark.parametrize("state", [State.PAUSED, State.DISABLED])
async def test_a_queue_that_is_not_running_is_not_claimed_from(world, state):
    await world.queue()
    await world.create("t")
    await set_state(world.store, full("q"), state, world.now)
    assert await world.claim() == []
    assert world.next_due is None
    await world.create("u")
    world.advance(HOUR)
    assert await world.claim() == []
    await set_state(world.store, full("q"), State.RUNNING, world.now)
    assert ids_of(await world.claim()) == ["t", "u"]


async def test_a_burst_is_followed_by_the_rate(world):
    await world.queue(rate=2, burst=3)
    await world.create(*[None] * 10)
    claimed = []
    for _ in range(5):
        claimed.append(len(await world.claim()))
        world.advance(SECOND // 2)
    assert claimed == [3, 1, 1, 1, 1]


async def test_tokens_do_not_exceed_the_burst(world):
    await world.queue(rate=100, burst=10)
    world.advance(DAY)
    await world.create(*[None] * 50)
    assert len(await world.claim()) == 10


async def test_retries_take_tokens_too(world):
    await world.queue(rate=1, burst=10)
    await world.create(*[None] * 10)
    for claim in await world.claim():
        await world.settle(claim, Verdict.RETRY)
    assert await world.claim() == []
    world.advance(3 * SECOND)
    assert len(await world.claim()) == 3


async def test_a_clock_set_back_stops_no_queue(world):
    await world.queue(rate=1, burst=1)
    await world.create(None, None)
    await world.claim_one()
    world.advance(-HOUR)
    await world.create("t")
    await world.claim()
    world.advance(SECOND)
    assert len(await world.claim()) == 1


async def test_attempts_in_flight_do_not_exceed_the_concurrency_limit(world):
    await world.queue(concurrency=3)
    await world.create(*[None] * 10)
    claims = await world.claim(2) + await world.claim()
    assert len(claims) == 3
    assert (await world.claim(), world.next_due) == ([], None)
    for claim, verdict in zip(claims, [Verdict.COMPLETED, Verdict.FAILED], strict=False):
        await world.settle(claim, verdict)
    assert len(await world.claim()) == 2
    await world.store.release("server", world.now)
    assert len(await world.claim()) == 3


async def test_a_claim_that_is_released_unsent_leaves_no_trace(world):
    await world.queue(concurrency=1)
    name = await world.create_one("a")
    before = await world.get(name)
    claim = await world.claim_one()
    other = claim.number + 1
    assert await world.store.release_unsent([other, claim.number], world.now) == 1
    assert await world.get(name) == before
    assert await world.store.release_unsent([claim.number], world.now) == 0
    again = await world.claim_one()
    assert again.number != claim.number
    assert again.task == claim.task


async def test_a_later_attempt_that_is_released_unsent_does_not_count(world):
    await world.queue()
    name = await world.create_one("a")
    first = await world.claim_one()
    await world.settle(first, Verdict.RETRY)
    task = await world.get(name)
    claim = await world.claim_one()
    await world.store.release_unsent([claim.number], world.now)
    released = await world.get(name)
    assert released == task._replace(last_attempt=claim.task.last_attempt)


async def test_a_grant_that_is_released_unsent_is_granted_again(world):
    await world.queue()
    name = await world.create_one("a", after=HOUR)
    await world.store.run_task(name, world.now)
    claim = await world.claim_one()
    await world.store.release_unsent([claim.number], world.now)
    again = await world.claim_one()
    assert (again.task, again.forced_at) == (claim.task, claim.forced_at)
    await world.settle(again)
    assert await world.claim() == []


async def test_claims_that_their_server_does_not_know_of_are_released_unsent(world):
    await world.queue()
    await world.create("a", "b")
    known, unknown = await world.claim()
    other = await world.create_one("c")
    await world.claim_one(server="other")
    assert await world.store.release_unknown("server", frozenset([known.number]), world.now) == 1
    (again,) = await world.claim()
    assert again.task == unknown.task
    assert again.task.name != other
    assert await world.settle(known)


async def test_a_deleted_task_that_is_released_unsent_stays_deleted(world):
    await world.queue(concurrency=1)
    await world.create("a")
    claim = await world.claim_one()
    await world.delete(claim.task.name)
    assert await world.store.release_unsent([claim.number], world.now) == 1
    await world.create("b")
    assert ids_of(await world.claim()) == ["b"]


async def test_an_attempt_of_a_deleted_task_holds_its_slot_until_it_ends(world):
    await world.queue(concurrency=1)
    await world.create("a", "b")
    claim = await world.claim_one()
    await world.delete(claim.task.name)
    assert await world.claim() == []
    await world.settle(claim)
    assert len(await world.claim()) == 1


async def test_changed_limits_apply_from_the_next_claim(world):
    await world.queue(rate=1, burst=1, concurrency=1)
    await world.create(*[None] * 9)
    await world.claim_one()
    await world.store.update_queue(full("q"), lambda _: queue(concurrency=3), world.now)
    world.advance(SECOND)
    assert len(await world.claim()) == 2
    await world.store.update_queue(full("q"), lambda _: queue(burst=1), world.now)
    assert len(await world.claim()) == 1


async def test_time_before_a_change_of_rate_counts_at_the_old_rate(world):
    await world.queue(rate=1, burst=10)
    await world.create(*[None] * 30)
    assert len(await world.claim()) == 10
    world.advance(2 * SECOND)
    await world.store.update_queue(full("q"), lambda _: queue(rate=5, burst=10), world.now)
    assert len(await world.claim()) == 2
    world.advance(SECOND)
    assert len(await world.claim()) == 5


async def test_a_very_slow_queue_does_not_stop_the_others(world):
    await world.queue("slow", rate=5e-324, burst=1)
    await world.queue("q")
    for queue_id in ("slow", "q"):
        await world.create(*[None] * 3, queue_id=queue_id)
    assert len(await world.claim()) == 1 + 3


async def test_a_claim_never_exceeds_its_limit(world):
    for queue_id in "abc":
        await world.queue(queue_id)
        await world.create(*[None] * 5, queue_id=queue_id)
    claimed = [len(await world.claim(4)) for _ in range(5)]
    assert claimed == [4, 4, 4, 3, 0]
    assert world.next_due is None


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2 * SECOND),  # time passes
        st.integers(0, 12),  # tasks are created
        st.integers(1, 30),  # of what is claimed, at most
        st.integers(0, 5),  # attempts end
        st.sampled_from(Verdict),
    ),
    max_size=15,
)


async def test_rate_burst_and_concurrency_hold_exactly(world):
    async def drive(rate, burst, concurrency, steps):
        await world.queue(rate=rate, burst=burst, concurrency=concurrency)
        tokens, running, waiting = float(burst), [], 0
        for passed, created, limit, ended, verdict in steps:
            world.advance(passed)
            tokens = min(burst, tokens + rate * passed / SECOND)
            if created:
                await world.create(*[None] * created)
            waiting += created
            claims = await world.claim(limit)
            allowed = min(limit, waiting, concurrency - len(running), int(tokens + 1e-5))
            assert len(claims) <= allowed
            gathering = tokens < min(rate * bucket.BATCH_INTERVAL / SECOND, burst)  # for a batch
            rounding = len(claims) == allowed - 1 and abs(tokens - round(tokens)) < 1e-4
            assert len(claims) == allowed or rounding or (gathering and not claims)
            tokens -= len(claims)
            waiting -= len(claims)
            running += claims
            for claim in running[:ended]:
                await world.settle(claim, verdict)
                waiting += verdict is Verdict.RETRY
            del running[:ended]

    rates = st.sampled_from([0.5, 1.0, 3.0, 25.0, 500.0])
    await search(world, drive, rates, st.integers(1, 20), st.integers(1, 10), STEPS, examples=30)


async def test_next_due_is_never_too_late(world):
    """Whoever sleeps until ``next_due`` dispatches all there is, at the rate that there is."""

    async def drain(queues):
        expected = 0
        for number, (rate, burst, concurrency, tasks) in enumerate(queues):
            await world.queue(f"q{number}", rate=rate, burst=burst, concurrency=concurrency)
            for after in tasks:
                await world.create(queue_id=f"q{number}", after=after)
            expected += len(tasks)
        claimed, empty = 0, 0
        while claimed < expected:
            claims = await world.claim(5)
            claimed += len(claims)
            for claim in claims:
                await world.settle(claim)
            empty = 0 if claims else empty + 1
            assert empty <= 2, "asked at next_due, three times for nothing"
            if not claims:
                assert world.next_due is not None
                world.now = max(world.now, world.next_due)

    tasks = st.lists(st.integers(-SECOND, 10 * SECOND), max_size=8)
    one = st.tuples(st.sampled_from([0.5, 2.0, 500.0]), st.integers(1, 5), st.integers(1, 3), tasks)
    await search(world, drain, st.lists(one, max_size=4))


async def test_next_due_is_the_earliest_of_all_queues(world):
    await world.queue("a")
    await world.queue("b", rate=1, burst=1)
    await world.create(queue_id="a", after=HOUR)
    await world.create(None, None, queue_id="b")
    assert len(await world.claim()) == 1
    assert world.next_due == world.now + SECOND
    world.now = world.next_due
    assert len(await world.claim()) == 1
    assert world.next_due == world.now + HOUR - SECOND


async def test_without_tasks_next_due_is_none(world):
    assert (await world.claim(), world.next_due) == ([], None)
    await world.queue()
    assert (await world.claim(), world.next_due) == ([], None)


async def test_a_claim_that_ended_at_its_limit_may_be_repeated_at_once(world):
    await world.queue()
    await world.create(*[None] * 3)
    await world.claim(2, slots=PLENTY)
    assert world.next_due == world.now
    assert len(await world.claim(2)) == 1


async def test_next_due_is_found_among_very_many_queues(world):
    for number in range(150):
        await world.queue(f"q{number}")
        await world.create(queue_id=f"q{number}")
    claimed = []
    while len(claimed) < 150:
        claims = await world.claim(1_000)
        assert claims
        claimed += claims
        assert len(claimed) == 150 or world.next_due == world.now
    assert (await world.claim(), world.next_due) == ([], None)


async def test_tasks_beyond_their_retention_are_not_due(world):
    await world.queue()
    await world.create("old")
    world.advance(LIMITS.retention.task_retention + 1)
    await world.sweep()
    assert await world.claim() == []


async def visited(world):
    """Claim; return the ids of the claimed tasks, and of the queues that the claim considered."""
    claimed = await world.store.claim_due("server", PLENTY, {}, PLENTY, world.now)
    world.next_due = claimed.next_due
    names = [name.rpartition("/")[2] for name in claimed.rate_factors]
    return ids_of(claimed.claims), names


async def test_each_of_several_queues_admits_what_it_may(world):
    await world.queue("all", rate=10, burst=10)
    await world.queue("slow", rate=10, burst=2)
    await world.queue("many", rate=10, burst=50)
    await world.queue("paused")
    await set_state(world.store, full("paused"), State.PAUSED, world.now)
    await world.create("a1", "a2", queue_id="all")
    await world.create("s1", "s2", "s3", queue_id="slow")
    await world.create(*(f"m{number}" for number in range(60)), queue_id="many")
    await world.create("p1", queue_id="paused")
    claims = await world.claim()
    claimed = ["a1", "a2", "s1", "s2", *(f"m{number}" for number in range(50))]
    assert sorted(ids_of(claims)) == sorted(claimed)
    assert {claim.task.name for claim in claims} == {
        f"{claim.queue.name}/tasks/{task_id}"
        for claim, task_id in zip(claims, ids_of(claims), strict=True)
    }
    assert [await world.in_flight(name) for name in ("all", "slow", "many", "paused")] == [
        2, 2, 50, 0,
    ]  # fmt: skip


async def test_of_several_queues_only_tasks_within_their_retention_are_claimed(world):
    for queue_id in ("a", "b"):
        await world.queue(queue_id)
        await world.create("old", queue_id=queue_id)
    world.advance(LIMITS.retention.task_retention + 1)
    for queue_id in ("a", "b"):
        await world.create(f"new-{queue_id}", queue_id=queue_id)
    assert sorted(ids_of(await world.claim())) == ["new-a", "new-b"]


async def test_a_claim_of_several_queues_stays_within_its_limit(world):
    for queue_id in ("a", "b", "c"):
        await world.queue(queue_id)
        await world.create(*[None] * 3, queue_id=queue_id)
    assert [len(await world.claim(4)) for _ in range(4)] == [4, 4, 1, 0]


async def test_a_queue_below_its_limit_is_not_considered_when_an_attempt_ends(world):
    await world.queue("q", concurrency=2)
    await world.create("t", "later", after=0)
    held = await world.claim()
    assert await visited(world) == ([], [])  # its concurrency limit is reached
    await world.settle(held[0])
    assert await visited(world) == ([], ["q"])
    await world.settle(held[1])
    assert await visited(world) == ([], [])


async def test_a_queue_at_its_limit_goes_on_when_an_attempt_ends(world):
    await world.queue("q", concurrency=1)
    await world.create("first", "second")
    await world.settle(await world.claim_one())
    assert await visited(world) == (["second"], ["q"])


async def test_a_queue_is_considered_when_a_retry_is_due(world):
    await world.queue()
    await world.create("t")
    claim = await world.claim_one()
    await world.settle(claim, Verdict.RETRY, schedule_time=world.now + SECOND)
    assert await visited(world) == ([], [])
    assert world.next_due == world.now + SECOND
    world.advance(SECOND)
    assert await visited(world) == (["t"], ["q"])
