"""The parts of the server that handlers use."""

import dataclasses
from collections.abc import Callable, Mapping

from drayman.access.control import AccessControl
from drayman.api.offload import Offload
from drayman.core.clock import Clock, Micros
from drayman.core.events import Emit
from drayman.core.limits import Limits
from drayman.core.rates import NO_RATES, Rates
from drayman.core.role import ALL, Role
from drayman.encryption.tasks import TaskEncryption
from drayman.store.contract import Store


def _no_rates(_queue: str, _now: Micros) -> Mapping[str, Rates]:
    return NO_RATES


@dataclasses.dataclass(frozen=True, slots=True)
class Context:
    """The parts of the server that handlers use.

    Attributes:
        store: The store of queues and tasks.
        clock: The source of the time.
        limits: The limits on requests.
        encryption: The encryption of tasks at rest.
        emit: Passes an event to its subscribers; returns at once.
        issuer: The URL that bearer tokens of this server name as their issuer.
        access: Who may do what; None if callers are not authenticated.
        rates: Returns the rates of a queue at a time, by the names of their windows.
        role: What this server does for its store.
        offload: Parses and encodes large messages.
    """

    store: Store
    clock: Clock
    limits: Limits
    encryption: TaskEncryption
    emit: Emit
    issuer: str = ""
    access: AccessControl | None = None
    rates: Callable[[str, Micros], Mapping[str, Rates]] = _no_rates
    role: Role = ALL
    offload: Offload = dataclasses.field(default_factory=Offload)
