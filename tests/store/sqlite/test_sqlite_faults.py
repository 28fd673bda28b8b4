"""A disk that is full, a file that cannot be read: reported by a status, and survived."""

import asyncio

import pytest
from sqlite_world import open_world
from world import LIMITS, START, World, full

from drayman.core import errors
from drayman.core.batch import Batch, Creations, Deletions
from drayman.core.task import NewTask
from drayman.store import damage
from drayman.store.contract import QueueDamagedError
from drayman.store.sqlite.database import open_store

FULL = "The store has no room left: the disk is full."


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
        assert refusal.message == FULL


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
    await file_world.store.inspect()
    await file_world.create(request=b"x" * 3_000)


async def test_the_store_recovers_when_the_disk_does(file_world):
    created, _ = await fill(file_world)
    pages(file_world, None)
    await file_world.store.inspect()
    created += await file_world.create(*[None] * 50, request=b"x" * 3_000)
    await file_world.store.check()
    assert sorted(await file_world.listed()) == sorted(created)


async def test_a_batch_on_a_full_disk_stores_nothing(file_world):
    created, _ = await fill(file_world)
    with pytest.raises(errors.ResourceExhausted):
        await file_world.create(*[None] * 50, request=b"x" * 3_000)
    assert sorted(await file_world.listed()) == sorted(created)


async def test_creations_are_refused_until_an_inspection_finds_room(file_world):
    await fill(file_world)
    pages(file_world, None)
    with pytest.raises(errors.ResourceExhausted, match=FULL):
        await file_world.create()
    await file_world.store.inspect()
    await file_world.create()


def batch(name, items):
    return Batch(f"operations/{name}", 2 * START, items)


async def test_a_full_disk_refuses_batches_that_create_and_no_others(file_world):
    created, _ = await fill(file_world)
    store, now = file_world.store, file_world.now
    new = Creations(full("q"), [NewTask("t", now, b"")], [0])
    with pytest.raises(errors.ResourceExhausted, match=FULL):
        await store.run_batch(batch("creation", new), now)
    await store.run_batch(batch=batch("deletion", Deletions(created)), now=now)
    assert await file_world.listed() == []


async def test_what_shares_a_group_with_refused_creations_takes_effect(file_world, together):
    created, _ = await fill(file_world)
    await file_world.store.inspect()  # there is room on the disk, though not in the database
    claim = (await file_world.claim(1))[0]
    other = next(name for name in created if name != claim.task.name)
    refused, settled, deleted = await together(
        file_world.create(*[None] * 50, request=b"x" * 3_000),
        file_world.settle(claim),
        file_world.delete(other),
    )
    assert isinstance(refused, errors.ResourceExhausted)
    assert (settled, deleted) == (True, None)
    assert sorted(await file_world.listed()) == sorted({*created} - {claim.task.name, other})


def reserve(tmp_path):
    """Return how many bytes of the reserve are allocated."""
    path = tmp_path / "drayman.db.reserve"
    return path.stat().st_blocks * 512 if path.exists() else 0


async def test_the_reserve_is_allocated_released_and_restored(file_world, tmp_path):
    assert reserve(tmp_path) == 0
    await file_world.store.inspect()
    whole = reserve(tmp_path)
    assert whole > 0
    await fill(file_world)
    assert reserve(tmp_path) < whole
    await file_world.store.inspect()
    assert reserve(tmp_path) == whole


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
        world.delete(f"{full('q')}/tasks/t"),
        world.store.get_queue(full("q")),
        world.store.sweep(world.now, 10),
    ]
    for call in calls:
        with pytest.raises(errors.Unavailable, match="cannot be used at present"):
            await call
    await world.store.close()


async def test_claims_of_a_file_damaged_throughout_are_unavailable(tmp_path):
    world = await damaged(tmp_path)
    for _ in range(damage.MAX_QUEUES):
        try:
            await world.claim()
        except QueueDamagedError:
            continue
        except errors.Unavailable:
            break
    with pytest.raises(errors.Unavailable, match="cannot be used at present"):
        await world.claim()
    await world.store.close()


async def test_reads_work_while_writes_fail(file_world):
    created, _ = await fill(file_world)
    listed, refused = await asyncio.gather(
        file_world.listed(), file_world.create(*[None] * 50, request=b"x" * 3_000),
        return_exceptions=True,
    )  # fmt: skip
    assert sorted(listed) == sorted(created)
    assert isinstance(refused, errors.ResourceExhausted)
