"""What every call needs."""

import dataclasses

from drayman.api.encryption import Encryption
from drayman.core.clock import Clock
from drayman.core.events import Emit
from drayman.core.limits import Limits
from drayman.store.contract import Store


@dataclasses.dataclass(frozen=True, slots=True)
class Context:
    """What every call needs.

    Attributes:
        store: Where things are remembered.
        clock: What time it is.
        limits: What is allowed.
        encryption: How tasks are kept from those who read the disk.
        emit: Passes an event to those who subscribe to it; returns at once.
        issuer: The URL that this server's tokens name as theirs.
    """

    store: Store
    clock: Clock
    limits: Limits
    encryption: Encryption
    emit: Emit
    issuer: str = ""
