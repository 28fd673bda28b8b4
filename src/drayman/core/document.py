"""Documents: small named values that the store holds and other packages interpret."""

import dataclasses

from drayman.core.clock import Micros


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """A document.

    Attributes:
        kind: One of the kinds below.
        name: Its name, unique within its kind.
        content: Its content, which the store does not interpret.
        expire_time: When it ceases to exist, None for never.
    """

    kind: str
    name: str
    content: bytes
    expire_time: Micros | None = None


OPERATION = "operation"
"""The result of a batch (``core.batch.encode``), by the full name of its operation."""
KMS_KEY = "kms-key"
"""The KMS key that encrypts new tasks of a location, by the location's full name."""
SIGNING_KEY = "signing-key"
"""A key that signs bearer tokens, by key id."""
IMPORT = "import"
"""How far an import has come (``transfer.progress``), by the id of the export."""
API_KEY = "api-key"
"""A key that callers identify themselves with (``access.keys``), by key id."""
