"""The verbs of queues."""

import asyncio
import dataclasses
import threading

import pytest
from world import LOCATION, create_queue, full, queue, set_state

from drayman.core import errors
from drayman.core.clock import DAY, HOUR, SECOND
from drayman.core.queue import RetryConfig, State, replacement
from drayman.store.verb import Phase, grouped

WHOLE = queue(
    "whole",
    rate=0.25,
    burst=11,
    concurrency=3,
    state=State.PAUSED,
    retry_config=RetryConfig(-1, HOUR, 2 * SECOND, 3 * HOUR, 5),
    settings=b"\x00\xff the rest",
)


async def test_a_queue_is_stored_completely(world):
    assert await create_queue(world.store, WHOLE, world.now) == WHOLE
    assert await world.store.get_queue(WHOLE.name) == WHOLE


async def test_a_queue_is_created_once(world):
    await world.queue("q")
    with pytest.raises(errors.AlreadyExists) as refusal:
        await world.queue("q", rate=1)
    assert str(refusal.value) == str(errors.queue_exists())
    assert await world.store.get_queue(full("q")) == queue("q")


async def test_of_concurrent_creations_one_succeeds(world):
    tried = [world.queue("q") for _ in range(10)]
    results = await asyncio.gather(*tried, return_exceptions=True)
    refused = [result for result in results if isinstance(result, errors.AlreadyExists)]
    assert len(refused) == 9
    assert results.count(full("q")) == 1


@pytest.mark.parametrize(
    "verb",
    [
        lambda store, now: store.get_queue(full("none")),  # noqa: ARG005
        lambda store, now: store.purge_queue(full("none"), now),
        lambda store, now: set_state(store, full("none"), State.PAUSED, now),
        lambda store, now: store.list_tasks(full("none"), 0, 10, 1 << 20),  # noqa: ARG005
    ],
)
async def test_an_absent_queue_is_not_found(world, verb):
    with pytest.raises(errors.NotFound) as refusal:
        await verb(world.store, world.now)
    assert str(refusal.value) == str(errors.queue_missing())


async def test_deleting_an_absent_queue_has_its_own_message(world):
    with pytest.raises(errors.NotFound) as refusal:
        await world.store.delete_queue(full("none"), world.now)
    assert str(refusal.value) == str(errors.entity_missing())


async def test_queues_are_listed_by_location_in_the_order_of_their_names(world):
    for queue_id in ("b", "a-1", "B", "c", "a"):
        await world.queue(queue_id)
    for other in ("projects/p/locations/l2", "projects/p/locations/k", "projects/p2/locations/l"):
        await create_queue(
            world.store, dataclasses.replace(queue(), name=f"{other}/queues/x"), world.now
        )
    listed = await world.store.list_queues(LOCATION, "", 100)
    assert [each.name for each in listed] == [full(i) for i in ("B", "a", "a-1", "b", "c")]


async def test_queues_are_listed_in_pages(world):
    for queue_id in "abcde":
        await world.queue(queue_id)
    first = await world.store.list_queues(LOCATION, "", 2)
    assert [each.name for each in first] == [full("a"), full("b")]
    await world.store.delete_queue(full("b"), world.now)
    rest = await world.store.list_queues(LOCATION, full("b"), 10)
    assert [each.name for each in rest] == [full("c"), full("d"), full("e")]
    assert await world.store.list_queues(LOCATION, full("e"), 10) == []


async def test_a_listing_stays_within_its_location_whatever_its_cursor(world):
    await world.queue("a")
    assert len(await world.store.list_queues(LOCATION, "a", 10)) == 1
    assert await world.store.list_queues("projects/p/locations/none", "", 10) == []


async def test_queues_of_all_locations_are_listed_in_the_order_of_their_names(world):
    locations = ("a/locations/b", "a/locations/c", "b/locations/a")
    listed = [f"projects/{name}/queues/x" for name in locations]
    for name in reversed(listed):
        await create_queue(world.store, dataclasses.replace(queue(), name=name), world.now)
    assert [each.name for each in await world.store.list_queues("", "", 2)] == listed[:2]
    assert [each.name for each in await world.store.list_queues("", listed[1], 2)] == listed[2:]


async def test_a_queues_state_is_stored(world):
    await world.queue()
    for state in (State.PAUSED, State.RUNNING, State.DISABLED, State.RUNNING):
        assert (await set_state(world.store, full("q"), state, world.now)).state is state
        assert (await world.store.get_queue(full("q"))).state is state


async def test_an_update_stores_the_result_of_the_change(world):
    await world.queue("whole")
    seen = []

    def change(present):
        seen.append(present)
        return dataclasses.replace(WHOLE, state=present.state)

    updated = await world.store.update_queue(WHOLE.name, change, world.now)
    assert set(seen) == {queue("whole")}
    assert updated == dataclasses.replace(WHOLE, state=State.RUNNING)
    assert await world.store.get_queue(WHOLE.name) == updated


async def test_an_update_changes_neither_the_name_nor_the_purge_time(world):
    await world.queue()
    purged = await world.store.purge_queue(full("q"), world.now)
    updated = await world.store.update_queue(full("q"), lambda _: queue("x", rate=1), world.now)
    assert updated == dataclasses.replace(purged, rate_limits=queue(rate=1).rate_limits)
    assert await world.store.get_queue(full("q")) == updated


async def test_an_update_of_an_absent_queue_may_create_it(world):
    seen = []

    def change(present):
        seen.append(present)
        return WHOLE

    assert await world.store.update_queue(WHOLE.name, change, world.now) == WHOLE
    assert await world.store.get_queue(WHOLE.name) == WHOLE
    assert set(seen) == {None}


@pytest.mark.parametrize("error", [errors.InvalidArgument("no"), errors.queue_missing()])
@pytest.mark.parametrize("present", [True, False])
async def test_an_error_of_the_change_is_raised_and_nothing_changes(world, error, present):
    if present:
        await world.queue()

    def change(_):
        raise error

    with pytest.raises(type(error)) as raised:
        await world.store.update_queue(full("q"), change, world.now)
    assert raised.value is error
    assert len(await world.store.list_queues(LOCATION, "", 10)) == present


async def test_a_change_that_fails_does_not_affect_other_calls(world):
    await world.queue()

    def change(_):
        raise ZeroDivisionError

    error, name = await asyncio.gather(
        world.store.update_queue(full("q"), change, world.now),
        world.create_one("t"),
        return_exceptions=True,
    )
    assert isinstance(error, ZeroDivisionError)
    assert (await world.get(name)).name == name


async def test_concurrent_updates_all_take_effect(world):
    await world.queue(concurrency=1)

    def one_more(present):
        limits = present.rate_limits
        more = limits.max_concurrent_dispatches + 1
        return dataclasses.replace(
            present, rate_limits=dataclasses.replace(limits, max_concurrent_dispatches=more)
        )

    updates = [world.store.update_queue(full("q"), one_more, world.now) for _ in range(20)]
    await asyncio.gather(*updates)
    updated = await world.store.get_queue(full("q"))
    assert updated.rate_limits.max_concurrent_dispatches == 21


async def test_the_name_of_a_deleted_queue_is_reserved_for_three_days(world):
    await world.queue()
    await world.store.delete_queue(full("q"), world.now)
    with pytest.raises(errors.NotFound):
        await world.store.get_queue(full("q"))
    world.advance(3 * DAY - 1)
    with pytest.raises(errors.FailedPrecondition) as refusal:
        await world.queue()
    assert str(refusal.value) == str(errors.queue_existed())
    with pytest.raises(errors.FailedPrecondition):
        await world.store.update_queue(full("q"), lambda _: queue(), world.now)
    world.advance(1)
    assert await world.queue() == full("q")


async def test_a_queue_may_be_deleted_and_created_again_repeatedly(world):
    for _ in range(2):
        await world.queue()
        await world.store.delete_queue(full("q"), world.now)
        world.advance(3 * DAY)
    await world.queue()


async def test_stats_count_the_attempts_of_each_queue(world):
    for queue_id in "ab":
        await world.queue(queue_id)
        await world.create(None, None, queue_id=queue_id)
    await world.claim(3)
    assert [await world.in_flight(queue_id) for queue_id in "ab"] == [2, 1]


async def test_check_returns_while_the_store_can_be_written(world):
    await world.store.check()


async def test_close_may_be_repeated_and_concurrent(store, world):
    await world.queue()
    creating = [asyncio.create_task(world.create_one()) for _ in range(20)]
    await asyncio.gather(store.list_locations("p"), store.close(), store.close())
    await store.close()
    results = await asyncio.gather(*creating, return_exceptions=True)
    assert all(isinstance(result, str) for result in results)


async def test_whoever_closes_a_store_waits_for_the_reads_that_run(store):
    closed = threading.Event()

    def read(session, _arguments):
        closed.wait(0.1)
        return [session.one("database_size")]

    reading = store.call(grouped(read, lambda: None, Phase.READS), None, 0)
    first, second = (asyncio.create_task(store.close()) for _ in range(2))
    for closing in (first, second):
        closing.add_done_callback(lambda _: closed.set())
    await asyncio.gather(reading, first, second)


async def test_a_closed_store_is_unavailable(store, world):
    await store.close()
    with pytest.raises(errors.Unavailable, match="closed"):
        await world.queue()


async def test_a_policy_is_deleted_with_its_queue(world):
    name = await world.queue()
    store = world.store

    def set_policy(policy):
        return store.update_queue(name, replacement(policy=policy), world.now)

    assert (await store.get_queue(name)).policy == b""
    assert (await set_policy(b"1")).policy == b"1"
    assert (await store.get_queue(name)).policy == b"1"
    await store.delete_queue(name, world.now)
    with pytest.raises(errors.NotFound):
        await set_policy(b"2")
    world.advance(30 * DAY)
    await world.queue()
    assert (await store.get_queue(name)).policy == b""
