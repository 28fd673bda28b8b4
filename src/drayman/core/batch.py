"""A batch of calls that is remembered by the id of its request."""

import dataclasses

from drayman.core.clock import DAY, Micros

RETENTION: Micros = DAY
"""How long it is remembered what a batch came to, and its request may be repeated safely."""


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """What the store must know of a batch besides its items.

    Attributes:
        operation: The full name of the operation that describes it.
        fingerprint: Of the request: another one may not use the same id.
        expire_time: When it may be forgotten.
    """

    operation: str
    fingerprint: bytes
    expire_time: Micros
