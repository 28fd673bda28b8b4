"""The rotation rules: which signing key signs, and which are published to verifiers.

age of a key      signs    is published
------------      -----    -----------------------------------------------------------
under 90 days     yes      yes
under 91 days     no       yes: tokens live an hour, and the clocks of verifiers differ
older             no       no; the store deletes it

A provided key signs at any age while the server runs with it. When it is 90 days old it is saved
again with a new create time, so that it stays published. It is never chosen from the store.
"""

from collections.abc import Iterable

from drayman.core.clock import DAY, Micros
from drayman.signing.keys import SigningKey

SIGNING_PERIOD: Micros = 90 * DAY
"""How long a key signs."""
PUBLICATION_PERIOD: Micros = SIGNING_PERIOD + DAY
"""How long a key is published."""


def may_sign(key: SigningKey, now: Micros) -> bool:
    """Return whether a key is young enough to sign."""
    return now < key.create_time + SIGNING_PERIOD


def choose(keys: Iterable[SigningKey], now: Micros) -> SigningKey | None:
    """Return the newest generated key that may sign, None when a new one is needed."""
    candidates = [key for key in keys if not key.provided and may_sign(key, now)]
    return max(candidates, key=lambda key: (key.create_time, key.id), default=None)


def published(keys: Iterable[SigningKey], now: Micros) -> list[SigningKey]:
    """Return the keys whose tokens may be unexpired."""
    return [key for key in keys if now < expire_time(key)]


def expire_time(key: SigningKey) -> Micros:
    """Return when a key is no longer published and may be deleted."""
    return key.create_time + PUBLICATION_PERIOD
