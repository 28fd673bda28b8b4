"""The key ring: the signing keys that one server uses, saved in the store that servers share."""

import asyncio
import dataclasses

from drayman.core.clock import Clock
from drayman.signing import keys, rotation, storage
from drayman.signing.keys import SigningKey
from drayman.store.contract import Store


class KeyRing:
    """The keys in the store, and the key of them that this server signs with.

    ``provided`` is a key of the operator's own. With it, the server signs with no other key and
    saves it for publication only. Without it, the server generates and rotates its keys.
    """

    def __init__(self, store: Store, clock: Clock, provided: SigningKey | None = None) -> None:
        self._store = store
        self._clock = clock
        self._provided = provided
        self._current: SigningKey | None = None
        self._lock = asyncio.Lock()

    async def use(self, provided: SigningKey) -> None:
        """Sign with another key of the operator's; the one before stays published."""
        async with self._lock:
            self._provided, self._current = provided, None

    async def signing_key(self) -> SigningKey:
        """Return the key to sign with now; it is in the store, so verifiers can fetch it."""
        async with self._lock:
            if self._current is None or not rotation.may_sign(self._current, self._clock.now()):
                self._current = await self._next()
            return self._current

    async def _next(self) -> SigningKey:
        now = self._clock.now()
        if self._provided is not None:
            key = dataclasses.replace(self._provided, create_time=now, provided=True)
        elif saved := rotation.choose(await storage.load_keys(self._store, now), now):
            return saved
        else:
            key = await asyncio.to_thread(keys.generate, now)
        await storage.save_key(self._store, key)
        return key
