"""The keys that sign tokens: which one signs, and which are still shown to those who verify.

age of a key      signs    is published
------------      -----    ------------------------------------
to 90 days        yes      yes
to 91 days        no       yes: its last token lives an hour, and clocks differ
beyond            no       no; it is swept

A key that its owner gives signs, at any age, for as long as it is given, and is published as one
that began to sign when it last was given.
"""

import dataclasses
from collections.abc import Sequence

from drayman.core.clock import DAY, HOUR, MINUTE, Micros

ROTATION: Micros = 90 * DAY
"""How long a key signs."""
TOKEN_LIFETIME: Micros = HOUR
"""How long a token is good (Google's: an hour)."""
TOKEN_MARGIN: Micros = 5 * MINUTE
"""A token that has less left than this is not used for another attempt."""
_PUBLISHED: Micros = ROTATION + DAY


@dataclasses.dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair.

    Attributes:
        id: What tokens name it by ("kid").
        create_time: When it began to sign.
        pem: The private key.
        given: Whether its owner gave it; it is never chosen from what is kept.
    """

    id: str
    create_time: Micros
    pem: bytes
    given: bool = False


def is_young(key: SigningKey, now: Micros) -> bool:
    """Tell whether a key may sign without being noted again."""
    return now < key.create_time + ROTATION


def signing(keys: Sequence[SigningKey], now: Micros) -> SigningKey | None:
    """Return the kept key that signs now, None when it is time for a new one."""
    young = [key for key in keys if not key.given and is_young(key, now)]
    return max(young, key=lambda key: (key.create_time, key.id), default=None)


def published(keys: Sequence[SigningKey], now: Micros) -> list[SigningKey]:
    """Return the keys by which there may be tokens that have not expired."""
    return [key for key in keys if now < key.create_time + _PUBLISHED]


def swept_before(now: Micros) -> Micros:
    """Return the time before which a key must have begun to be of no more use."""
    return now - _PUBLISHED
