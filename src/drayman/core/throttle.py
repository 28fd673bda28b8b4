"""Back pressure: how the answers of targets lower a queue's rate, and how it recovers.

Google says that 429, 503 or a high error rate of HTTP targets make a queue slower and that it
recovers gradually, and publishes no formula (API text; section 3.3 of the notes on the service).
Ours, of a queue whose ``level`` is the part of its rate that it may use:

* **Cut.** Targets that push back, or fail for the most part, cut the level by up to a half, at
  most once a second: by a half if all recent answers did so, by one in two hundred if one in a
  hundred did. A burst of refusals counts once, one bad task among good ones hardly at all.
* **Recovery.** The level doubles every thirty seconds, by the passing of time alone. It begins
  when the target's ``Retry-After`` is over.
* **Bounds.** Never below 1/128, never above 1; what is configured is never changed.
"""

import dataclasses
import enum
import json
import math

from drayman.core.clock import MINUTE, SECOND, Micros

FLOOR = 1 / 128
"""The least part of its rate that a queue keeps."""
CUT = 0.5
"""How much of the level a cut takes when all recent answers ask for it."""
WINDOW: Micros = SECOND
"""The least time between two cuts: what was sent before the first cannot know of it."""
DOUBLING: Micros = 30 * SECOND
"""How long the level needs to double."""
MEMORY: Micros = 10 * SECOND
"""How long until an answer counts half."""
ERRORS = 10
"""So many recent errors, and more than half of all answers, are a high error rate."""
IDLE: Micros = 10 * MINUTE
"""After so long without an attempt a queue is idle, for ``ramp_up``."""
RAMP_RATE = 10.0
"""Attempts a second with which a queue that ramps up begins."""
LOOK: Micros = 5 * SECOND
"""A throttled queue is looked at this often, for its rate grows meanwhile."""


class Signal(enum.IntEnum):
    """What an attempt says of its target."""

    NONE = 0
    GOOD = 1
    ERROR = 2
    PUSHBACK = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Tally:
    """What some attempts of a queue said.

    Attributes:
        answers: How many said anything.
        errors: How many of them failed or pushed back.
        pushbacks: How many of them pushed back.
        hold: Until when targets asked to be left alone, 0 if none did.
    """

    answers: int = 0
    errors: int = 0
    pushbacks: int = 0
    hold: Micros = 0

    def plus(self, signal: Signal, hold: Micros) -> "Tally":
        """Return the tally with one more attempt in it."""
        return Tally(
            self.answers + (signal is not Signal.NONE),
            self.errors + (signal >= Signal.ERROR),
            self.pushbacks + (signal is Signal.PUSHBACK),
            max(self.hold, hold),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """The back pressure on a queue.

    Attributes:
        level: The part of its rate that it may use, at ``since``.
        since: From when on the level recovers.
        cut: When it was last cut.
        noted: When the counts below were right; they fade.
        answers: Recent answers.
        errors: Those that failed or pushed back.
        pushbacks: Those that pushed back.
    """

    level: float = 1.0
    since: Micros = 0
    cut: Micros = 0
    noted: Micros = 0
    answers: float = 0.0
    errors: float = 0.0
    pushbacks: float = 0.0


def level(state: State, now: Micros) -> float:
    """Return the part of its rate that a queue may use now."""
    if state.level >= 1.0:
        return 1.0
    doublings = max(0, now - state.since) / DOUBLING
    return min(1.0, state.level * math.exp2(min(doublings, 64.0)))


def note(state: State, tally: Tally, now: Micros) -> State:
    """Return the back pressure after some attempts ended."""
    faded = math.exp2(-max(0, now - state.noted) / MEMORY)
    answers = state.answers * faded + tally.answers
    errors = state.errors * faded + tally.errors
    pushbacks = state.pushbacks * faded + tally.pushbacks
    before = level(state, now)
    after, since, cut = before, max(now, state.since), state.cut
    share = _share(answers, errors, pushbacks) if tally.errors else 0.0
    if share and not 0 <= now - state.cut < WINDOW:
        after, cut = max(FLOOR, before * (1.0 - CUT * share)), now
    if tally.pushbacks:
        since = max(since, tally.hold)
    return State(after, since, cut, now, answers, errors, pushbacks)


def ramp(rate: float, now: Micros) -> State:
    """Return the state of a queue that begins slowly."""
    return State(level=min(1.0, max(FLOOR, RAMP_RATE / rate)), since=now, noted=now)


def effective(state: State, rate: float, burst: int, now: Micros) -> tuple[float, int]:
    """Return the rate and the burst of a queue under back pressure."""
    part = level(state, now)
    return rate * part, max(1, int(burst * part))


def dumps(state: State) -> str:
    """Return the state as text, to be kept."""
    return json.dumps(dataclasses.astuple(state))


def loads(text: str | None) -> State:
    """Return the state that a text keeps, none at all for None."""
    return State() if text is None else State(*json.loads(text))


def _share(answers: float, errors: float, pushbacks: float) -> float:
    """Return which part of the recent answers asks for less."""
    failing = errors >= ERRORS and errors > answers / 2
    return min(1.0, (errors if failing else pushbacks) / max(answers, 1.0))
