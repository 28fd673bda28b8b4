"""Documents by kind and name, some of which expire."""

import pytest
from world import LOCATION

from drayman.core.clock import DAY
from drayman.core.document import Document
from drayman.store.contract import DocumentPage

SIZE = 1 << 20


async def put(world, *names, kind="a", content=b"content", expire_time=None):
    for name in names:
        await world.store.put_document(Document(kind, name, content, expire_time))


async def listed(world, prefix="", after="", limit=100, size=SIZE, kind="a"):
    page = await world.store.list_documents(kind, prefix, after, limit, size, world.now)
    return [document.name for document in page.documents], page.cursor


async def test_a_document_is_stored_whole(world):
    document = Document("a", "n", b"\x00\xff content", world.now + 1)
    await world.store.put_document(document)
    assert await world.store.get_document("a", "n", world.now) == document


async def test_an_absent_document_is_none(world):
    assert await world.store.get_document("a", "n", world.now) is None
    assert await listed(world) == ([], "")


async def test_documents_of_different_kinds_may_have_the_same_name(world):
    await put(world, "n", kind="a", content=b"1")
    await put(world, "n", kind="b", content=b"2")
    assert (await world.store.get_document("b", "n", world.now)).content == b"2"
    assert await listed(world, kind="a") == (["n"], "")


async def test_a_document_of_the_same_name_is_replaced(world):
    await put(world, "n", content=b"1", expire_time=world.now + DAY)
    await put(world, "n", content=b"2")
    assert await world.store.get_document("a", "n", world.now) == Document("a", "n", b"2")


async def test_documents_are_listed_by_name_under_their_prefix(world):
    mine = [f"{LOCATION}/operations/{each}" for each in ("c", "a", "b")]
    await put(world, *mine, "projects/p/locations/m/operations/a", f"{LOCATION}/operations0")
    assert await listed(world, f"{LOCATION}/operations/") == (sorted(mine), "")


async def test_a_page_is_bounded_by_count_and_its_cursor_continues(world):
    await put(world, "a", "b", "c")
    assert await listed(world, limit=2) == (["a", "b"], "b")
    assert await listed(world, after="b") == (["c"], "")


@pytest.mark.parametrize(("size", "count"), [(1, 1), (7, 1), (14, 2), (20, 2), (21, 3)])
async def test_a_page_is_bounded_in_bytes_but_never_empty(world, size, count):
    await put(world, "a", "b", "c", content=b"7 bytes")
    names, cursor = await listed(world, size=size)
    assert len(names) == count
    assert bool(cursor) == (count < 3)


async def test_a_document_is_deleted_once(world):
    await put(world, "n")
    assert await world.store.delete_document("a", "n", world.now)
    assert not await world.store.delete_document("a", "n", world.now)
    assert await world.store.get_document("a", "n", world.now) is None


async def test_an_expired_document_does_not_exist_and_is_swept(world):
    await put(world, "n", expire_time=world.now + DAY)
    await put(world, "forever")
    world.advance(DAY - 1)
    assert await world.store.sweep(world.now, 10) == 0
    assert await world.store.get_document("a", "n", world.now)
    world.advance(1)
    assert await world.store.get_document("a", "n", world.now) is None
    assert not await world.store.delete_document("a", "n", world.now)
    page = await world.store.list_documents("a", "", "", 9, SIZE, world.now)
    assert page == DocumentPage([Document("a", "forever", b"content")], "")
    assert await world.store.sweep(world.now, 10) == 1
    assert await world.store.sweep(world.now, 10) == 0
