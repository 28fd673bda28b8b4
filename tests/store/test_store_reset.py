"""A reset leaves an empty store, in which everything can be created again."""

from world import LOCATION, full, names_of

from drayman.core import document
from drayman.core.clock import HOUR
from drayman.core.document import Document
from drayman.core.lifecycle import Verdict


async def fill(world):
    """Create queues, tasks, a tombstone, a claim, history and documents."""
    await world.queue(), await world.queue("gone")
    await world.store.delete_queue(full("gone"), world.now)
    failed = await world.create_one("failed")
    await world.settle(await world.claim_one(), Verdict.FAILED)
    await world.create("named", "claimed")
    for kind in (document.OPERATION, document.SIGNING_KEY):
        await world.store.put_document(Document(kind, "d", b"content"))
    return failed


async def contents(world):
    """Return how much of each kind there is; signing keys last."""
    store = world.store
    kinds = (document.OPERATION, document.KMS_KEY, document.SIGNING_KEY)
    pages = [await store.list_documents(kind, "", "", 10, 1 << 20, world.now) for kind in kinds]
    return [
        len(await store.list_queues(LOCATION, "", 10)),
        len(await store.list_attempts(full("q"), None, 1 << 62, 10)),
        len(await store.list_dead_letters(full("q"), 0, 10)),
        *(len(page.documents) for page in pages),
    ]


async def test_a_reset_deletes_everything_but_signing_keys(world):
    await fill(world)
    assert await contents(world) == [1, 1, 1, 1, 0, 1]
    await world.store.reset()
    assert await contents(world) == [0, 0, 0, 0, 0, 1]
    await world.queue()
    assert await world.listed() == []
    assert await world.claim() == []


async def test_names_are_free_after_a_reset(world):
    await fill(world)
    await world.store.reset()
    await world.queue(), await world.queue("gone")
    names = await world.create("failed", "named", "claimed")
    assert names_of(await world.claim()) == names


async def test_a_claim_from_before_a_reset_settles_nothing_after_it(world):
    await world.queue()
    await world.create("t")
    before = await world.claim_one()
    await world.store.reset()
    await world.queue()
    (name,) = await world.create("t")
    assert not await world.settle(before)
    assert [claim.task.name for claim in await world.claim()] == [name]


async def test_the_time_may_be_an_earlier_one_after_a_reset(world):
    await world.queue(rate=1, burst=1)
    await world.create("early", "late")
    await world.claim()
    await world.store.reset()
    world.advance(-HOUR)
    await world.queue(rate=1, burst=1)
    await world.create("early")
    assert len(await world.claim()) == 1
