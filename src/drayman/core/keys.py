"""The record of a signing key, as the store saves it. ``drayman.signing`` decides what it means."""

import dataclasses

from drayman.core.clock import DAY, Micros

_RETENTION: Micros = 91 * DAY
"""How long the store keeps a signing key: as long as verifiers may need it (signing.rotation)."""


@dataclasses.dataclass(frozen=True, slots=True)
class SigningKey:
    """A saved key pair.

    Attributes:
        id: Its id.
        create_time: When it began to sign.
        pem: The private key in PEM.
        given: Whether the operator provided it.
    """

    id: str
    create_time: Micros
    pem: bytes = dataclasses.field(repr=False)
    given: bool = False


def swept_before(now: Micros) -> Micros:
    """Return the create time at or before which a key is swept."""
    return now - _RETENTION
