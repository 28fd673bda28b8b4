"""Which locations are in use."""

from world import create_queue

from drayman.core.queue import Queue


async def test_the_locations_of_a_project_are_those_of_its_queues(world):
    for name in ("p/locations/b/queues/x", "p/locations/b/queues/y", "p/locations/a-1/queues/x",
                 "p/locations/a/queues/x", "p2/locations/c/queues/x"):  # fmt: skip
        await create_queue(world.store, Queue(f"projects/{name}"), world.now)
    locations = await world.store.list_locations("projects/p")
    assert locations == [f"projects/p/locations/{each}" for each in ("a", "a-1", "b")]
    await world.store.delete_queue("projects/p/locations/a/queues/x", world.now)
    assert len(await world.store.list_locations("projects/p")) == 2
    assert await world.store.list_locations("projects/none") == []
