"""Listing tasks, page by page, while others create and delete."""

import pytest
from hypothesis import strategies as st
from world import full, search

from drayman.core.clock import HOUR


async def test_tasks_are_listed_in_the_order_of_their_creation(world):
    await world.queue()
    await world.queue("other")
    names = await world.create(None, "z", "a", after=HOUR)
    await world.create(queue_id="other")
    names += await world.create(None, "m")
    assert await world.listed() == names


async def test_an_empty_queue_has_one_empty_page(world):
    await world.queue()
    page = await world.store.list_tasks(full("q"), 0, 10, 1_000)
    assert (page.tasks, page.cursor) == ([], None)


@pytest.mark.parametrize(("count", "page", "pages"), [(6, 2, 3), (7, 2, 4), (6, 6, 1), (6, 9, 1)])
async def test_a_page_is_bounded_by_count_and_an_empty_one_ends_the_listing(
    world, count, page, pages
):
    """Recorded: every page with tasks has a token, the last one too."""
    await world.queue()
    names = await world.create(*[None] * count)
    after, seen, turns = 0, [], 0
    while after is not None:
        result = await world.store.list_tasks(full("q"), after, page, 1_000_000)
        assert len(result.tasks) <= page
        seen += [task.name for task in result.tasks]
        after, turns = result.cursor, turns + 1
    assert (seen, turns) == (names, pages + 1)


async def test_a_page_is_bounded_in_bytes_but_never_empty(world):
    await world.queue()
    names = await world.create(*[None] * 5, request=b"x" * 400)
    page = await world.store.list_tasks(full("q"), 0, 100, 1_000)
    assert len(page.tasks) == 2
    single = await world.store.list_tasks(full("q"), 0, 100, 1)
    assert len(single.tasks) == 1
    assert await world.listed(size=1) == names


async def test_tasks_in_flight_are_listed_and_ended_ones_are_not(world):
    await world.queue()
    names = await world.create("a", "b", "c")
    claims = await world.claim(2)
    assert await world.listed() == names
    await world.settle(claims[0])
    await world.delete(names[2])
    assert await world.listed() == [names[1]]


async def test_a_cursor_is_valid_after_its_task_is_deleted(world):
    await world.queue()
    names = await world.create(*[None] * 4)
    page = await world.store.list_tasks(full("q"), 0, 2, 1_000_000)
    for name in names[:3]:
        await world.delete(name)
    rest = await world.store.list_tasks(full("q"), page.cursor, 2, 1_000_000)
    assert [task.name for task in rest.tasks] == names[3:]


async def test_a_purge_ends_a_listing(world):
    await world.queue()
    await world.create(*[None] * 4)
    page = await world.store.list_tasks(full("q"), 0, 2, 1_000_000)
    await world.store.purge_queue(full("q"), world.now)
    (late,) = await world.create("late")
    rest = await world.store.list_tasks(full("q"), page.cursor, 2, 1_000_000)
    assert [task.name for task in rest.tasks] == [late]


CHANGES = st.lists(st.lists(st.integers(-20, 20), max_size=6), max_size=6)


async def test_a_task_that_exists_throughout_a_listing_is_listed_once(world):
    async def listing(page, changes):
        await world.queue()
        alive = await world.create(*[None] * 15)
        throughout, seen, after = set(alive), [], 0
        while after is not None:
            result = await world.store.list_tasks(full("q"), after, page, 1_000_000)
            seen += [task.name for task in result.tasks]
            after = result.cursor
            for change in changes.pop() if changes else []:
                if change < 0 and alive:
                    name = alive.pop(change % len(alive))
                    throughout.discard(name)
                    await world.delete(name)
                else:
                    alive += await world.create()
        assert len(seen) == len(set(seen))
        assert throughout <= set(seen)

    await search(world, listing, st.integers(1, 7), CHANGES)
