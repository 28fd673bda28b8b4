"""A document: a small named value that some other part of the server stores and interprets."""

import dataclasses

from drayman.core.clock import Micros


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """A document of the store.

    Attributes:
        kind: What it is, such as "operation"; names are unique within a kind.
        name: Its name.
        content: Its content, which the store does not interpret.
        expire_time: From when on it no longer exists, None for never.
    """

    kind: str
    name: str
    content: bytes
    expire_time: Micros | None = None


OPERATION = "operation"
"""What a batch came to, by the operation's full name (``core.batch.encode``)."""
KMS_KEY = "kms-key"
"""The KMS key that encrypts new tasks of a location, by the location's full name."""
SIGNING_KEY = "signing-key"
"""A key that signs bearer tokens, by its id."""
