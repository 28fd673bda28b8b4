"""The API keys of a running server: all keys of the store, at most a second old."""

from collections.abc import Callable

from drayman.access import key_storage, keys, refusals
from drayman.access.caller import Caller
from drayman.access.keys import ApiKey
from drayman.access.recent import Recent
from drayman.core.clock import SECOND, Clock, Micros
from drayman.store.contract import Store

MAX_AGE: Micros = SECOND
"""How old the keys may be: as long as a revoked key goes on working."""
_NO_KEY = (b"", None)
_Valid = dict[bytes, tuple[bytes, Caller | None]]
"""The digests of the secrets of valid keys, and whom they stand for, by id."""


class ApiKeys:
    """Finds the callers of API keys.

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
        self._valid: _Valid = {}
        self._found: dict[bytes, Caller] = {}
        """The callers of keys that have been found, by their texts.

        Looking a text up compares it with no other: dictionaries hash with a secret of the process.
        """
        self._recent = Recent(self._load, clock, MAX_AGE)

    def recall(self, text: bytes) -> Caller | None:
        """Return the caller of a key that has been found since the keys were last read."""
        return self._found.get(text) if self._recent.is_fresh() else None

    async def find(self, text: bytes) -> Caller:
        """Return the caller of a key. InvalidArgument; Unavailable if keys cannot be read."""
        valid = await self._recent.get()
        key_id, secret = keys.parse(text)
        digest, caller = valid.get(key_id, _NO_KEY)
        if caller is None or not keys.matches(digest, secret):
            raise refusals.api_key_invalid()
        if valid is self._valid:
            self._found[text] = caller
        return caller

    async def _load(self) -> _Valid:
        contents = await key_storage.load_contents(self._store, self._clock.now())
        if contents != self._contents:
            decoded = map(keys.decode, contents.values())
            self._valid = {
                key.id.encode(): (bytes.fromhex(key.digest), self._caller(key))
                for key in decoded
                if key.revoke_time is None
            }
            self._contents = contents
            self._found = {}
        return self._valid
