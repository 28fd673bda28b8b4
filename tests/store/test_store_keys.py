"""The keys that sign tokens."""

from world import START

from drayman.core.clock import DAY
from drayman.core.keys import SigningKey
from drayman.signing import rotation


async def test_there_are_none_at_first(store):
    assert await store.signing_keys() == []


async def test_keys_are_kept_the_oldest_first(store):
    young, old = SigningKey("a", START + 1, b"young"), SigningKey("b", START, b"old")
    await store.put_signing_key(young)
    await store.put_signing_key(old)
    assert await store.signing_keys() == [old, young]


async def test_a_key_of_the_same_id_is_replaced(store):
    await store.put_signing_key(SigningKey("a", START, b"pem"))
    await store.put_signing_key(SigningKey("a", START + 1, b"pem"))
    assert await store.signing_keys() == [SigningKey("a", START + 1, b"pem")]


async def test_it_is_kept_whether_a_key_was_given(store):
    given = SigningKey("a", START, b"pem", given=True)
    await store.put_signing_key(given)
    assert await store.signing_keys() == [given]


async def test_a_key_is_swept_when_its_last_token_is_long_expired(store):
    await store.put_signing_key(SigningKey("a", START, b"pem"))
    end = START + rotation.SIGNING_PERIOD + DAY
    await store.sweep(end - 1, 100)
    assert len(await store.signing_keys()) == 1
    await store.sweep(end, 100)
    assert await store.signing_keys() == []
