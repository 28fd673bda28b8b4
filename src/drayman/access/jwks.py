"""The public keys of an issuer of tokens (RFC 7517): parsed with care, cached, fetched in time.

A call never waits for a fetch while the key it needs is known. Keys are fetched

* when the server starts, and once an hour in use;
* for a token with an unknown key id, at most once in ``interval``: the issuer may have new keys.

When fetching fails the known keys are used for a day more. A call that needs a fetch waits for it;
so do at most ``MAX_WAITING`` of them, so that an issuer that hangs cannot take all calls.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from drayman.access.fetch import FetchError
from drayman.core.clock import DAY, HOUR, SECOND, Clock, Micros
from drayman.core.errors import Unavailable

ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""The algorithms of signatures that are accepted: none with a shared secret."""
REFRESH_AGE: Micros = HOUR
"""The age at which keys are fetched again."""
MAX_AGE: Micros = DAY
"""The age at which keys that cannot be fetched again stop being used."""
INTERVAL: Micros = 30 * SECOND
"""The shortest time between two fetches."""
MAX_WAITING = 100
"""The most calls that wait for a fetch."""
MAX_KEYS = 100
"""The most keys of an issuer."""
_RSA_BITS = range(2048, 8193)

Keys = dict[str, jwt.PyJWK]


class KeySet:
    """The keys of an issuer.

    Args:
        fetch: Fetches the JSON Web Key Set. FetchError.
        clock: The source of the time.
        failed: Called with a message when keys cannot be fetched.
        interval: The shortest time between two fetches.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Any]],
        clock: Clock,
        failed: Callable[[str], object],
        interval: Micros = INTERVAL,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._failed = failed
        self._interval = interval
        self._keys: Keys = {}
        self._fetch_time: Micros = -MAX_AGE
        self._try_time: Micros = -MAX_AGE
        self._fetching: asyncio.Task[None] | None = None
        self._waiting = 0

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the key with an id, None if the issuer has none. Unavailable without any keys."""
        age = self._clock.now() - self._fetch_time
        key = self._keys.get(kid)
        if key is None or age >= MAX_AGE:
            await self._refresh_and_wait()
            key = self._keys.get(kid)
        elif age >= REFRESH_AGE:
            self.refresh()
        if self._clock.now() - self._fetch_time >= MAX_AGE:
            raise Unavailable("The keys of the token's issuer cannot be fetched at present.")
        return key

    def refresh(self) -> None:
        """Begin to fetch the keys, unless they are being fetched or have been just now."""
        now = self._clock.now()
        # The clock may be set back.
        if self._fetching is None and not 0 <= now - self._try_time < self._interval:
            self._try_time = now
            self._fetching = asyncio.get_running_loop().create_task(self._run())

    def close(self) -> None:
        """Stop fetching."""
        if self._fetching is not None:
            self._fetching.cancel()

    async def _refresh_and_wait(self) -> None:
        self.refresh()
        if self._fetching is None:
            return
        if self._waiting >= MAX_WAITING:
            raise Unavailable("Too many calls wait for the keys of the token's issuer.")
        self._waiting += 1
        try:
            await asyncio.wait([self._fetching])
        finally:
            self._waiting -= 1

    async def _run(self) -> None:
        try:
            self._keys = parse(await self._fetch())
            self._fetch_time = self._clock.now()
        except FetchError as error:
            self._failed(str(error))
        finally:
            self._fetching = None


def parse(document: Any) -> Keys:
    """Return the keys of a JSON Web Key Set by key id, without those of no use. FetchError."""
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise FetchError(f"not a JSON Web Key Set of at most {MAX_KEYS} keys")
    keys = {entry["kid"]: key for entry in entries if (key := _key(entry)) is not None}
    if not keys:
        raise FetchError("the JSON Web Key Set has no key that can be used")
    return keys


def _key(entry: Any) -> jwt.PyJWK | None:
    """Return a key that signs by an accepted algorithm and has an id, None for another."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str):
        return None
    if entry.get("use", "sig") != "sig":
        return None
    try:
        key = jwt.PyJWK(entry)
    except Exception:  # noqa: BLE001 - whatever a library finds wrong, the key is of no use
        return None
    return key if key.algorithm_name in ALGORITHMS and _has_good_size(key.key) else None


def _has_good_size(key: Any) -> bool:
    # A short key can be broken; an endless one would stop the event loop.
    return not isinstance(key, RSAPublicKey) or key.key_size in _RSA_BITS
