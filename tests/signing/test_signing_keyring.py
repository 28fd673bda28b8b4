"""The key ring: which key signs, and what of it the store has."""

import asyncio
import dataclasses

from drayman.core.clock import DAY, SECOND
from drayman.signing import rotation, storage
from drayman.signing.keyring import KeyRing


async def test_a_key_is_generated_once_and_shared_by_servers(store, clock):
    keyring = KeyRing(store, clock)
    first, second = await asyncio.gather(keyring.signing_key(), keyring.signing_key())
    assert first == second
    assert await storage.load_keys(store, clock.now()) == [first]
    assert await KeyRing(store, clock).signing_key() == first


async def test_a_key_is_replaced_when_it_has_signed_for_its_period(store, clock, key):
    await storage.save_key(store, key)
    keyring = KeyRing(store, clock)
    assert await keyring.signing_key() == key
    clock.advance(rotation.SIGNING_PERIOD - SECOND)
    assert await keyring.signing_key() == key
    clock.advance(SECOND)
    new = await keyring.signing_key()
    assert new.id != key.id
    assert new.create_time == clock.now()
    assert await storage.load_keys(store, clock.now()) == [key, new]


async def test_an_old_key_is_deleted_when_it_is_no_longer_published(store, clock, key):
    await storage.save_key(store, key)
    clock.advance(rotation.PUBLICATION_PERIOD - 1)
    await store.sweep(clock.now(), 100)
    assert await storage.load_keys(store, clock.now()) == [key]
    clock.advance(1)
    await store.sweep(clock.now(), 100)
    assert await storage.load_keys(store, clock.now()) == []


async def test_a_provided_key_signs_at_any_age_and_stays_published(store, clock, key):
    keyring = KeyRing(store, clock, key)
    for _ in range(3):
        assert (await keyring.signing_key()).id == key.id
        await store.sweep(clock.now(), 100)
        saved = await storage.load_keys(store, clock.now())
        assert [each.id for each in rotation.published(saved, clock.now())] == [key.id]
        clock.advance(rotation.SIGNING_PERIOD + DAY)


async def test_a_provided_key_is_saved_as_provided(store, clock, key):
    await KeyRing(store, clock, key).signing_key()
    expected = dataclasses.replace(key, provided=True)
    assert await storage.load_keys(store, clock.now()) == [expected]


async def test_a_key_that_is_no_longer_provided_signs_no_more_but_stays_published(
    store, clock, key, other_key
):
    await storage.save_key(store, key)
    clock.advance(SECOND)
    assert (await KeyRing(store, clock, other_key).signing_key()).id == other_key.id
    assert (await KeyRing(store, clock).signing_key()).id == key.id
    saved = await storage.load_keys(store, clock.now())
    assert {each.id for each in rotation.published(saved, clock.now())} == {key.id, other_key.id}
