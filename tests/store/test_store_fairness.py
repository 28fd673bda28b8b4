"""No queue may hold more of a server's slots than it leaves free for others."""

import collections

from hypothesis import strategies as st
from world import full, search

from drayman.core import fairness
from drayman.core.clock import SECOND


async def fill(world, **counts):
    for queue_id, count in counts.items():
        await world.queue(queue_id)
        if count:
            await world.create(*[None] * count, queue_id=queue_id)


async def claimed(world, **options):
    counts = collections.Counter(claim.queue.name for claim in await world.claim(**options))
    return {name.rpartition("/")[2]: count for name, count in counts.items()}


async def test_one_queue_leaves_half_of_the_free_slots(world):
    await fill(world, a=50)
    assert await claimed(world, slots=10) == {"a": 5}


async def test_attempts_in_flight_count_against_the_share(world):
    await fill(world, a=50)
    assert await claimed(world, slots=10, held={full("a"): 4}) == {"a": 3}
    assert await claimed(world, slots=10, held={full("a"): 10}) == {}


async def test_a_queue_without_attempts_gets_a_slot_however_many_hang(world):
    slots, held = 100, {}
    for number in range(12):  # one after the other they take all that they are given, and keep it
        await fill(world, **{f"q{number}": 60})
        world.advance(SECOND)
        free = slots - sum(held.values())
        taken = await claimed(world, slots=free, held={full(q): n for q, n in held.items()})
        for queue_id, count in taken.items():
            held[queue_id] = held.get(queue_id, 0) + count
    assert 0 not in held.values()
    assert len(held) == 12
    assert sum(held.values()) < slots


async def test_a_last_free_slot_may_be_taken(world):
    await fill(world, a=50)
    assert await claimed(world, slots=1) == {"a": 1}


async def test_without_a_free_slot_nothing_is_claimed_and_nothing_lost(world):
    await fill(world, a=5)
    assert await claimed(world, slots=0) == {}
    world.advance(1)
    assert await claimed(world) == {"a": 5}


async def test_queues_share_the_slots_within_one_claim(world):
    await fill(world, a=50, b=50, c=2)
    assert await claimed(world, slots=16) == {"a": 7, "b": 4, "c": 2}


async def test_a_skipped_queue_does_not_make_next_due_now(world):
    await fill(world, a=50)
    await claimed(world, slots=10, held={full("a"): 10})
    assert world.next_due is None


async def test_many_skipped_queues_do_not_make_next_due_now(world):
    many = {f"q{number}": 1 for number in range(70)}
    await fill(world, **many)
    held = {full(queue_id): 5 for queue_id in many}
    assert await claimed(world, slots=5, held=held) == {}
    assert world.next_due is None
    await fill(world, other=1)
    assert await claimed(world, slots=5, held=held) == {"other": 1}


async def test_skipped_queues_do_not_hide_the_next_due_of_others(world):
    await fill(world, a=5)
    await world.queue("b")
    await world.create(queue_id="b", after=SECOND)
    await claimed(world, slots=5, held={full("a"): 5})
    assert world.next_due == world.now + SECOND


async def test_queues_left_out_of_a_claim_come_first_in_the_next(world):
    await fill(world, a=50, b=50)
    turns = []
    for _ in range(6):
        world.advance(1)
        turns.append(await claimed(world, limit=4))
    assert turns == [{"a": 4}, {"b": 4}] * 3


async def test_the_share_rule_holds_for_any_mixture(world):
    async def turn(slots, limit, queues):
        held, waiting = {}, {}
        for number, (holds, tasks) in enumerate(queues):
            await fill(world, **{f"q{number}": tasks})
            held[full(f"q{number}")] = holds
            waiting[full(f"q{number}")] = tasks
        claims = await world.claim(limit, slots=slots, held=held)
        free = slots
        counts = collections.Counter(claim.queue.name for claim in claims)
        # One statement claims for several queues, and lists them in an order of its own: the rule
        # holds if it does for the queue that holds most first.
        for name in sorted(counts, key=lambda name: held[name] + counts[name], reverse=True):
            free -= counts[name]
            held[name] += counts[name]
            assert held[name] <= free + 1
            waiting[name] -= counts[name]
        assert free >= 0
        assert len(claims) <= limit
        if len(claims) < limit:
            reserve = (slots + sum(holds for holds, _ in queues)) // fairness.RESERVE_DIVISOR
            hungry = [held[name] for name, left in waiting.items() if left]
            assert all(holds >= free - reserve for holds in hungry)
            assert free == 0 or 0 not in hungry

    mixture = st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), max_size=5)
    await search(world, turn, st.integers(0, 20), st.integers(1, 20), mixture)
