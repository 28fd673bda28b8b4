"""What every call needs."""

import dataclasses

from drayman.core.clock import Clock
from drayman.core.events import Emit
from drayman.core.limits import Limits
from drayman.encryption.tasks import TaskEncryption
from drayman.store.contract import Store


@dataclasses.dataclass(frozen=True, slots=True)
class Context:
    """What every call needs.

    Attributes:
        store: Where things are remembered.
        clock: What time it is.
        limits: What is allowed.
        encryption: The encryption of tasks at rest.
        emit: Passes an event to its subscribers; returns at once.
        issuer: The URL that this server's tokens name as theirs.
    """

    store: Store
    clock: Clock
    limits: Limits
    encryption: TaskEncryption
    emit: Emit
    issuer: str = ""
