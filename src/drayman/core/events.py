"""What happens in a server, for those who watch: logs, metrics, tests.

The logic calls ``emit(event)`` once a transition and never logs by itself.
"""

import dataclasses
from collections.abc import Callable

from drayman.core.clock import Micros
from drayman.core.delivery import Kind
from drayman.core.lifecycle import AttemptResult, Claim, SettleResult


@dataclasses.dataclass(frozen=True, slots=True)
class AttemptBegan:
    """A request is about to be sent; told of those alone that the sampling ratio picks.

    Attributes:
        claim: The attempt.
        time: When.
        target: The method and the URL it goes to.
        kind: What kind of target that is.
        max_attempts: How many attempts the task has in all, by its own policy or its queue's.
    """

    claim: Claim
    time: Micros
    target: str
    kind: Kind
    max_attempts: int


@dataclasses.dataclass(frozen=True, slots=True)
class AttemptEnded:
    """An attempt ended, and the store has noted how.

    Attributes:
        claim: The attempt.
        settlement: How it ended, and what is to become of the task.
        fate: What that came to.
        duration: How long it took.
        kind: What kind of target it went to.
        max_attempts: How many attempts the task has in all, by its own policy or its queue's.
        sampled: Whether the sampling ratio picks it.
    """

    claim: Claim
    settlement: AttemptResult
    fate: SettleResult
    duration: Micros
    kind: Kind
    max_attempts: int
    sampled: bool


@dataclasses.dataclass(frozen=True, slots=True)
class AttemptCrashed:
    """An attempt failed by a fault of this server's own.

    Attributes:
        claim: The attempt.
        error: The fault.
    """

    claim: Claim
    error: Exception


@dataclasses.dataclass(frozen=True, slots=True)
class StoreFailed:
    """The store refused what dispatch asked of it; it is asked again.

    Attributes:
        verb: What was asked.
        message: What it said.
    """

    verb: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True)
class RateChanged:
    """Back pressure has lowered the rate of a queue by a good deal, or let go of it.

    Attributes:
        queue: The queue's name.
        level: The part of its rate that is left to it.
    """

    queue: str
    level: float


@dataclasses.dataclass(frozen=True, slots=True)
class Stopping:
    """The server takes no new work.

    Attributes:
        in_flight: How many attempts it waits for.
    """

    in_flight: int


@dataclasses.dataclass(frozen=True, slots=True)
class Crashed:
    """A part that must run as long as the server does has ended by a fault.

    Attributes:
        error: The fault.
    """

    error: BaseException


Event = (
    AttemptBegan | AttemptEnded | AttemptCrashed | StoreFailed | RateChanged | Stopping | Crashed
)
Emit = Callable[[Event], None]


def to_all(*subscribers: Emit) -> Emit:
    """Return one subscriber that tells all of these."""

    def emit(event: Event) -> None:
        for subscriber in subscribers:
            subscriber(event)

    return emit
