"""Which KMS key a location uses, and for how long an answer of the store is used again."""

import asyncio

import pytest

from drayman.core.errors import FailedPrecondition
from drayman.encryption import locations as locations_
from drayman.encryption import storage
from drayman.encryption.cipher import TaskCipher
from drayman.encryption.locations import CACHE_LIFETIME, LocationKeys

LOCATION = "projects/p/locations/l"
OTHER_LOCATION = "projects/p/locations/other"
CIPHER = TaskCipher({"k1": bytes(32), "k2": bytes(32)})


@pytest.fixture
def locations(store, clock):
    return LocationKeys(store, clock, CIPHER)


async def test_a_location_has_no_key_until_one_is_set(locations):
    assert await locations.get(LOCATION) == ""
    await locations.set(LOCATION, "k1")
    assert await locations.get(LOCATION) == "k1"
    assert await locations.get(OTHER_LOCATION) == ""
    await locations.set(LOCATION, "")
    assert await locations.get(LOCATION) == ""


async def test_a_key_that_the_server_does_not_have_is_not_set(locations, store, clock):
    await locations.set(LOCATION, "k1")
    with pytest.raises(FailedPrecondition, match="The key k3 is not available"):
        await locations.set(LOCATION, "k3")
    assert await locations.get(LOCATION) == "k1"
    assert await storage.load_kms_key(store, LOCATION, clock.now()) == "k1"


async def test_a_key_that_another_server_sets_is_used_within_the_cache_lifetime(
    locations, store, clock
):
    assert await locations.get(LOCATION) == ""
    await LocationKeys(store, clock, CIPHER).set(LOCATION, "k1")
    clock.advance(CACHE_LIFETIME - 1)
    assert await locations.get(LOCATION) == ""
    clock.advance(1)
    assert await locations.get(LOCATION) == "k1"


class HeldStore:
    """A store that holds back the result of its first call until ``gate`` is set."""

    def __init__(self, store):
        self.store = store
        self.is_held = asyncio.Event()
        self.gate = asyncio.Event()

    def __getattr__(self, verb):
        async def call(*arguments):
            result = await getattr(self.store, verb)(*arguments)
            if not self.is_held.is_set():
                self.is_held.set()
                await self.gate.wait()
            return result

        return call


async def test_a_key_that_is_set_while_the_former_is_read_is_used_at_once(store, clock):
    held = HeldStore(store)
    locations = LocationKeys(held, clock, CIPHER)
    reading = asyncio.create_task(locations.get(LOCATION))
    await held.is_held.wait()
    await locations.set(LOCATION, "k1")
    held.gate.set()
    assert await reading == ""
    assert await locations.get(LOCATION) == "k1"


async def test_the_cache_is_bounded_and_stays_right(locations, monkeypatch):
    monkeypatch.setattr(locations_, "CACHE_SIZE", 2)
    names = [f"projects/p/locations/l{number}" for number in range(5)]
    for name in names:
        await locations.set(name, "k1")
    assert {await locations.get(name) for name in names} == {"k1"}
