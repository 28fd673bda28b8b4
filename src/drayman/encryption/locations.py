"""Which KMS key encrypts the new tasks of a location (its CmekConfig)."""

from drayman.core.clock import SECOND, Clock, Micros
from drayman.encryption import storage
from drayman.encryption.cipher import TaskCipher
from drayman.store.contract import Store

CACHE_LIFETIME: Micros = 5 * SECOND
"""Within this time a KMS key that another server has set is used here."""
CACHE_SIZE = 1_000
"""Most locations in the cache."""


async def load_all(store: Store, now: Micros) -> dict[str, str]:
    """Return the names of the KMS keys of all locations that have one, by location."""
    return await storage.load_kms_keys(store, now)


class LocationKeys:
    """The KMS keys of locations, cached in front of the store."""

    def __init__(self, store: Store, clock: Clock, cipher: TaskCipher) -> None:
        self._store = store
        self._clock = clock
        self._cipher = cipher
        self._cache: dict[str, tuple[str, Micros]] = {}
        self._version = 0
        """Counts the calls of ``set``."""

    async def get(self, location: str) -> str:
        """Return the name of the KMS key of a location, "" for none."""
        now = self._clock.now()
        kms_key, expiry = self._cache.get(location, ("", 0))
        if now < expiry:
            return kms_key
        version = self._version
        kms_key = await storage.load_kms_key(self._store, location, now)
        if version == self._version:  # otherwise it may be older than what was set meanwhile
            self._remember(location, kms_key, now + CACHE_LIFETIME)
        return kms_key

    async def set(self, location: str, kms_key: str) -> None:
        """Encrypt tasks created in a location from now on; with "" no longer.

        FailedPrecondition when this server does not have the key.
        """
        if kms_key:
            self._cipher.check(kms_key)
        try:
            await storage.save_kms_key(self._store, location, kms_key, self._clock.now())
        finally:
            self._version += 1
            self._cache.pop(location, None)

    def _remember(self, location: str, kms_key: str, expiry: Micros) -> None:
        if len(self._cache) >= CACHE_SIZE:
            self._cache.clear()
        self._cache[location] = kms_key, expiry
