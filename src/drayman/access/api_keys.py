"""The API keys of a running server: all keys of the store, at most a second old."""

import asyncio
from collections.abc import Callable

from drayman.access import key_storage, keys, refusals
from drayman.access.caller import Caller
from drayman.access.keys import ApiKey
from drayman.core.clock import SECOND, Clock, Micros
from drayman.store.contract import Store

MAX_AGE: Micros = SECOND
"""How old the keys may be: as long as a revoked key goes on working."""
_NO_KEY = (b"", None)


class ApiKeys:
    """Finds the callers of API keys.

    The first call after ``MAX_AGE`` reads all keys again; calls meanwhile wait for it.

    Args:
        store: Where the keys are.
        clock: The source of the time.
        caller: Returns the caller that a key stands for.
    """

    def __init__(self, store: Store, clock: Clock, caller: Callable[[ApiKey], Caller]) -> None:
        self._store = store
        self._clock = clock
        self._caller = caller
        self._contents: dict[str, bytes] = {}
        self._valid: dict[bytes, tuple[bytes, Caller | None]] = {}
        """The digests of the secrets of valid keys, and whom they stand for, by id."""
        self._read_time: Micros = -MAX_AGE
        self._lock = asyncio.Lock()

    async def find(self, text: bytes) -> Caller:
        """Return the caller of a key. InvalidArgument; Unavailable if keys cannot be read."""
        if not self._is_fresh(self._clock.now()):
            await self._refresh()
        key_id, secret = keys.parse(text)
        digest, caller = self._valid.get(key_id, _NO_KEY)
        if caller is None or not keys.matches(digest, secret):
            raise refusals.api_key_invalid()
        return caller

    def _is_fresh(self, now: Micros) -> bool:
        return 0 <= now - self._read_time < MAX_AGE  # the clock may be set back

    async def _refresh(self) -> None:
        async with self._lock:
            now = self._clock.now()
            if self._is_fresh(now):
                return
            contents = await key_storage.load_contents(self._store, now)
            if contents != self._contents:
                self._replace(contents)
            self._read_time = now

    def _replace(self, contents: dict[str, bytes]) -> None:
        decoded = (keys.decode(content) for content in contents.values())
        self._valid = {
            key.id.encode(): (bytes.fromhex(key.digest), self._caller(key))
            for key in decoded
            if key.revoke_time is None
        }
        self._contents = contents
