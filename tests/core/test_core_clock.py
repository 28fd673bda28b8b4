"""A clock that is moved by hand calls back in order, each at its own time."""

import asyncio

import pytest

from drayman.core.clock import SECOND, ManualClock, SystemClock

NOW = 1_700_000_000 * SECOND


@pytest.fixture
def clock():
    return ManualClock(NOW)


def test_time_stands_still_until_it_is_advanced(clock):
    assert clock.now() == NOW
    clock.advance(5)
    assert clock.now() == NOW + 5


def test_callbacks_run_in_the_order_of_their_times_and_see_them(clock):
    seen = []
    for name, after in [("late", 3), ("early", 1), ("early too", 1)]:
        clock.call_at(NOW + after, lambda name=name: seen.append((name, clock.now() - NOW)))
    clock.advance(2)
    assert seen == [("early", 1), ("early too", 1)]
    clock.advance(1)
    assert seen[2:] == [("late", 3)]


def test_a_callback_may_schedule_another_within_the_same_advance(clock):
    seen = []
    clock.call_at(NOW + 1, lambda: clock.call_at(NOW + 2, lambda: seen.append(clock.now())))
    clock.advance(10)
    assert seen == [NOW + 2]


def test_a_cancelled_callback_does_not_run(clock):
    seen = []
    timer = clock.call_at(NOW + 1, lambda: seen.append("no"))
    timer.cancel()
    timer.cancel()
    clock.advance(2)
    assert seen == []


async def turn():
    """Give way to what is ready."""
    loop = asyncio.get_running_loop()
    for _ in range(3):
        passed = loop.create_future()
        loop.call_soon(passed.set_result, None)
        await passed


async def test_a_callback_whose_time_is_past_runs_soon_and_without_a_move(clock):
    seen = []
    clock.call_at(NOW - SECOND, lambda: seen.append("past"))
    clock.call_at(NOW, lambda: seen.append("now"))
    assert seen == []
    await turn()
    assert seen == ["past", "now"]


async def test_a_callback_whose_time_is_past_can_be_cancelled(clock):
    seen = []
    clock.call_at(NOW, lambda: seen.append("no")).cancel()
    await turn()
    assert seen == []


async def test_a_wait_until_a_moment_that_is_past_ends_though_the_clock_stands(clock):
    until = clock.now() + SECOND
    clock.advance(2 * SECOND)  # as during a claim, between the decision to wait and the wait
    await clock.wait(asyncio.Event(), until)


async def test_after_a_reset_those_who_wait_look_at_the_new_time(clock):
    seen = []
    clock.call_at(NOW + 2, lambda: seen.append(("second", clock.now())))
    clock.call_at(NOW + 1, lambda: seen.append(("first", clock.now())))
    clock.reset(NOW - SECOND)
    assert seen == [("first", NOW - SECOND), ("second", NOW - SECOND)]
    assert clock.pending_timers == 0


async def test_waiting_ends_with_the_event(clock):
    event = asyncio.Event()
    waiter = asyncio.create_task(clock.wait(event, NOW + SECOND))
    await turn()
    assert not waiter.done()
    event.set()
    await waiter
    assert clock.now() == NOW


async def test_waiting_ends_with_the_time_and_sets_the_event(clock):
    event = asyncio.Event()
    waiter = asyncio.create_task(clock.wait(event, NOW + SECOND))
    await turn()
    clock.advance(SECOND - 1)
    await turn()
    assert not waiter.done()
    clock.advance(1)
    await waiter
    assert event.is_set()


async def test_a_wait_that_ended_leaves_no_timer(clock):
    event = asyncio.Event()
    event.set()
    await clock.wait(event, NOW + SECOND)
    event.clear()
    clock.advance(2 * SECOND)
    assert not event.is_set()


async def test_a_timeout_ends_a_block_by_the_clock(clock):
    async def block():
        async with clock.timeout(NOW + SECOND):
            await asyncio.Event().wait()

    blocked = asyncio.create_task(block())
    await turn()
    clock.advance(SECOND - 1)
    await turn()
    assert not blocked.done()
    clock.advance(1)
    with pytest.raises(TimeoutError):
        await blocked


async def test_a_block_that_ends_before_its_timeout_is_not_affected(clock):
    async with clock.timeout(NOW + SECOND):
        await turn()
    clock.advance(2 * SECOND)
    await turn()


async def test_the_system_clock_waits_and_times_out():
    clock = SystemClock()
    start = clock.now()
    event = asyncio.Event()
    await clock.wait(event, start + 1)
    assert clock.now() > start
    with pytest.raises(TimeoutError):
        async with clock.timeout(start):
            await asyncio.Event().wait()
