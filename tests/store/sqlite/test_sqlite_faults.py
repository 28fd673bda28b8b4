"""A disk that is full, a file that cannot be read: said in a status, and survived."""

import asyncio

import pytest
from sqlite_world import open_world
from world import LIMITS, START, World, full

from drayman.core import errors
from drayman.store.sqlite.database import open_store


def pages(world, count):
    """Bound the database: SQLite says "disk is full" beyond, as it does for the disk itself."""
    connection = world.database.connection
    present = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {present + count if count else 1 << 30}")


async def fill(world):
    """Create tasks until the disk is full; return the names of those acknowledged."""
    pages(world, 20)
    created = []
    while True:
        results = await asyncio.gather(
            *(world.create_one(request=b"x" * 3_000) for _ in range(4)), return_exceptions=True
        )
        created += [result for result in results if isinstance(result, str)]
        refused = [result for result in results if not isinstance(result, str)]
        if refused:
            return created, refused


async def test_a_full_disk_is_resource_exhausted(file_world):
    _, refused = await fill(file_world)
    for refusal in refused:
        assert isinstance(refusal, errors.ResourceExhausted)
        assert refusal.message == "The store has no room left: the disk is full."


async def test_a_full_disk_loses_no_acknowledged_write(file_world, tmp_path):
    created, _ = await fill(file_world)
    assert sorted(await file_world.listed()) == sorted(created)
    await file_world.store.close()
    again = World(await open_store(str(tmp_path / "drayman.db"), LIMITS, START))
    assert sorted(await again.listed()) == sorted(created)
    await again.store.close()


async def test_tasks_can_be_deleted_while_the_disk_is_full(file_world):
    created, _ = await fill(file_world)
    claims = await file_world.claim(5)
    for claim in claims:
        await file_world.settle(claim)
    for name in set(created) - {claim.task.name for claim in claims}:
        await file_world.delete(name)
    assert await file_world.listed() == []
    await file_world.create(request=b"x" * 3_000)


async def test_the_store_recovers_when_the_disk_does(file_world):
    created, _ = await fill(file_world)
    pages(file_world, None)
    created += await file_world.create(*[None] * 50, request=b"x" * 3_000)
    await file_world.store.check()
    assert sorted(await file_world.listed()) == sorted(created)


async def test_a_batch_on_a_full_disk_stores_nothing(file_world):
    created, _ = await fill(file_world)
    with pytest.raises(errors.ResourceExhausted):
        await file_world.create(*[None] * 50, request=b"x" * 3_000)
    assert sorted(await file_world.listed()) == sorted(created)


async def damaged(tmp_path):
    """Return a world whose store is opened and then overwritten, all but its first page."""
    path = tmp_path / "drayman.db"
    world = open_world(path)
    await world.queue()
    await world.create(*[None] * 2_000, request=b"x" * 200)
    connection = world.database.connection
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA cache_size = 0")
    connection.execute("PRAGMA shrink_memory")
    with path.open("r+b") as file:
        file.seek(0, 2)
        length = file.tell()
        file.seek(4096)
        file.write(b"\xa5" * (length - 4096))
    return world


async def test_a_damaged_file_is_unavailable(tmp_path):
    world = await damaged(tmp_path)
    calls = [
        world.listed(),
        world.create(),
        world.claim(),
        world.delete(f"{full('q')}/tasks/t"),
        world.store.get_queue(full("q")),
        world.store.sweep(world.now, 10),
    ]
    for call in calls:
        with pytest.raises(errors.Unavailable, match="cannot be used at present"):
            await call
    await world.store.close()


async def test_reads_work_while_writes_fail(file_world):
    created, _ = await fill(file_world)
    listed, refused = await asyncio.gather(
        file_world.listed(), file_world.create(*[None] * 50, request=b"x" * 3_000),
        return_exceptions=True,
    )  # fmt: skip
    assert sorted(listed) == sorted(created)
    assert isinstance(refused, errors.ResourceExhausted)
