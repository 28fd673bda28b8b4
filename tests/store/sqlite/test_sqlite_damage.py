"""Damaged pages stop the queue whose rows they hold; the others go on."""

import pytest
from sqlite_world import open_world
from world import full, names_of

from drayman.core import errors
from drayman.core.clock import DAY
from drayman.store import damage
from drayman.store.contract import QueueDamagedError
from drayman.store.group_commit import FAILURES

PAGE = 4096
MARK = b"belongs to a queue whose pages are damaged"


def overwrite(world, path):
    """Overwrite the pages with rows of tasks that hold the mark."""
    connection = world.database.connection
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA cache_size = 0")
    connection.execute("PRAGMA shrink_memory")
    content = path.read_bytes()
    with path.open("r+b") as file:
        for start in range(0, len(content), PAGE):
            if MARK in content[start : start + PAGE]:
                file.seek(start)
                file.write(b"\xa5" * PAGE)


@pytest.fixture
async def file_world(tmp_path):
    """Give a store with the queues ``damaged``, which was ready first, and ``intact``."""
    world = open_world(tmp_path / "drayman.db")
    world.path = tmp_path / "drayman.db"
    await world.queue("damaged")
    await world.create(*[None] * 20, queue_id="damaged", request=MARK * 40)
    await world.queue("intact")
    # Deleting rows may read the neighbours of their page: these lie between.
    await world.create(*[None] * 20, queue_id="intact", request=b"x" * 2_000, after=DAY)
    await world.create(*[None] * 20, queue_id="intact", request=b"x" * 2_000)
    yield world
    await world.store.close()


@pytest.fixture
def world(file_world):
    return file_world


async def claim(world, limit=1_000):
    """Claim as the dispatcher does: again at once when a queue was found damaged."""
    while True:
        try:
            return await world.store.claim_due("server", limit, {}, 1_000, world.now)
        except QueueDamagedError:
            pass


async def test_claims_skip_a_damaged_queue_and_report_it(world):
    overwrite(world, world.path)
    claims = await claim(world)
    assert len(claims.claims) == 20
    assert {each.queue.name for each in claims.claims} == {full("intact")}
    assert claims.damaged == {full("damaged"): world.now + damage.BACKOFF}


async def test_a_claim_that_finds_damage_claims_nothing(world):
    overwrite(world, world.path)
    with pytest.raises(QueueDamagedError, match=full("damaged")):
        await world.claim()
    assert await world.in_flight("intact") == await world.in_flight("damaged") == 0


async def test_a_damaged_queue_is_tried_again_after_its_backoff(world):
    overwrite(world, world.path)
    await claim(world)
    world.advance(damage.BACKOFF - 1)
    assert (await claim(world)).damaged == {full("damaged"): world.now + 1}
    world.advance(1)
    assert (await claim(world)).damaged == {full("damaged"): world.now + damage.BACKOFF}


async def test_a_repaired_queue_is_claimed_from_again(world):
    world.database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = world.path.read_bytes()
    overwrite(world, world.path)
    await claim(world, limit=1)
    with world.path.open("r+b") as file:
        file.write(whole)
    world.advance(damage.BACKOFF)
    claims = await claim(world)
    assert claims.damaged == {}
    assert {each.queue.name for each in claims.claims} == {full("damaged"), full("intact")}


async def test_damaged_grants_stop_no_queue(world):
    names = await world.listed("damaged")
    await world.run(names[0])
    overwrite(world, world.path)
    claims = await claim(world)
    assert len(claims.claims) == 20
    assert set(claims.damaged) == {"attempts granted by RunTask", full("damaged")}


async def test_damage_does_not_fail_calls_for_other_queues_in_the_group(world, together):
    claims = (await claim(world)).claims
    assert {each.queue.name for each in claims} == {full("damaged"), full("intact")}
    overwrite(world, world.path)
    results = await together(
        *(world.settle(each) for each in claims), world.create(queue_id="intact")
    )
    for each, result in zip(claims, results, strict=False):
        if each.queue.name == full("intact"):
            assert result is True
        else:
            assert isinstance(result, errors.Unavailable)
    assert names_of((await claim(world)).claims) == results[-1]


async def test_a_verb_that_keeps_failing_is_reported_until_it_succeeds(world):
    (held, *_) = [each for each in (await claim(world)).claims if each.queue.name == full("intact")]
    world.database.connection.execute("ALTER TABLE claim RENAME TO away")
    for _ in range(FAILURES):
        await world.store.inspect()
        with pytest.raises(Exception, match="no such table"):
            await world.settle(held)
    with pytest.raises(errors.Unavailable, match=r"The store's settle keeps failing: .*no such"):
        await world.store.check()
    world.database.connection.execute("ALTER TABLE away RENAME TO claim")
    assert await world.settle(held)
    await world.store.check()
