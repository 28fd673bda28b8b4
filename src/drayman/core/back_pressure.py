"""Back pressure: how the answers of targets lower a queue's rate, and how it recovers.

Google says that 429, 503 or a high error rate of HTTP targets make a queue slower and that it
recovers gradually, and publishes no formula (API text; section 3.3 of the notes on the service).
Ours, of a queue whose ``level`` is the part of its rate that it may use:

* **Weight.** The n-th attempt of a task counts as one n-th of an answer: what counts is how many
  tasks fare badly, not how often one of them is tried again.
* **Cut.** Targets that push back, or fail for the most part, cut the level by up to a half, at
  most once a second: by a half if all recent answers did so, by one in two hundred if one in a
  hundred did. A burst of refusals counts once, one bad task among good ones hardly at all.
* **Recovery.** The level doubles every thirty seconds by the passing of time, and with every
  three hundred good answers while hardly any is bad. If most recent answers push back, time
  begins to count when the target's ``Retry-After`` is over, a minute later at most, or when
  good answers are the most again.
* **Bounds.** Never below 1/128 nor one attempt a second, never above 1; what is configured is
  never changed, and a queue of less than one attempt a second is left alone.
"""

import dataclasses
import enum
import json
import math

from drayman.core.clock import MINUTE, SECOND, Micros

FLOOR = 1 / 128
"""The least part of its rate that a queue keeps."""
LEAST_RATE = 1.0
"""The attempts a second that a queue keeps, if it has so many."""
CUT = 0.5
"""How much of the level a cut takes when all recent answers ask for it."""
WINDOW: Micros = SECOND
"""The least time between two cuts: what was sent before the first cannot know of it."""
DOUBLING: Micros = 30 * SECOND
"""How long the level needs to double."""
GROWTH = 300
"""So many good answers double the level, too, while it is calm."""
CALM = 0.01
"""It is calm while no larger part of the recent answers asks for less."""
LARGE = 0.5
"""Only when so large a part of the recent answers asks for less, ``Retry-After`` is heeded."""
HOLD: Micros = MINUTE
"""The longest that recovery waits for what a target asked for."""
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
    """What some attempts of a queue said, each by its weight.

    Attributes:
        answers: How many said anything.
        errors: How many of them failed or pushed back.
        pushbacks: How many of them pushed back.
        hold: Until when targets that pushed back asked to be left alone, 0 if none did.
    """

    answers: float = 0.0
    errors: float = 0.0
    pushbacks: float = 0.0
    hold: Micros = 0

    def plus(self, signal: Signal, hold: Micros = 0, attempt: int = 1) -> "Tally":
        """Return the tally with one more attempt in it, the ``attempt``-th of its task."""
        weight, pushed_back = 1.0 / max(attempt, 1), signal is Signal.PUSHBACK
        return Tally(
            self.answers + weight * (signal is not Signal.NONE),
            self.errors + weight * (signal >= Signal.ERROR),
            self.pushbacks + weight * pushed_back,
            max(self.hold, hold) if pushed_back else self.hold,
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


def level(state: State, rate: float, now: Micros) -> float:
    """Return the part of its rate that a queue may use now."""
    if state.level >= 1.0:
        return 1.0
    doublings = max(0, now - state.since) / DOUBLING
    return min(1.0, max(_least(rate), state.level * math.exp2(min(doublings, 64.0))))


def recent(state: State, now: Micros) -> Tally:
    """Return what is remembered of a queue's answers."""
    faded = math.exp2(-max(0, now - state.noted) / MEMORY)
    return Tally(state.answers * faded, state.errors * faded, state.pushbacks * faded)


def note(state: State, tally: Tally, rate: float, now: Micros) -> State:
    """Return the back pressure after some attempts ended."""
    before = recent(state, now)
    answers = before.answers + tally.answers
    errors = before.errors + tally.errors
    pushbacks = before.pushbacks + tally.pushbacks
    share = _share(answers, errors, pushbacks)
    after, cut = level(state, rate, now), state.cut
    since = min(max(now, state.since), now + HOLD)
    if tally.errors and share and not 0 <= now - state.cut < WINDOW:
        after, cut = max(_least(rate), after * (1.0 - CUT * share)), now
    elif share <= CALM:
        after = min(1.0, after * math.exp2(min(1.0, (tally.answers - tally.errors) / GROWTH)))
    if share < LARGE:
        since = now
    elif tally.pushbacks:
        since = max(since, min(tally.hold, now + HOLD))
    return State(after, since, cut, now, answers, errors, pushbacks)


def ramp(state: State, rate: float, now: Micros) -> State:
    """Return the state of a queue that begins slowly, or slower than that under back pressure."""
    start = min(1.0, max(FLOOR, RAMP_RATE / rate))
    if level(state, rate, now) <= start:
        return state
    return dataclasses.replace(state, level=start, since=now)


def effective(state: State, rate: float, burst: int, now: Micros) -> tuple[float, int]:
    """Return the rate and the burst of a queue under back pressure."""
    part = level(state, rate, now)
    return rate * part, max(1, int(burst * part))


def dumps(state: State) -> str:
    """Return the state as text, to be kept."""
    return json.dumps(dataclasses.asdict(state))


def loads(text: str | None) -> State:
    """Return the state that a text keeps, none at all for None."""
    if text is None:
        return State()
    kept = json.loads(text)
    if isinstance(kept, list):  # written before the values had names
        old = State(*kept)
        return dataclasses.replace(old, since=min(old.since, old.noted + HOLD))
    known = {field.name for field in dataclasses.fields(State)}
    return State(**{name: value for name, value in kept.items() if name in known})


def _least(rate: float) -> float:
    """Return the least part of its rate that a queue keeps."""
    return min(1.0, max(FLOOR, LEAST_RATE / rate))


def _share(answers: float, errors: float, pushbacks: float) -> float:
    """Return which part of the recent answers asks for less."""
    failing = errors >= ERRORS and errors > answers / 2
    return min(1.0, (errors if failing else pushbacks) / max(answers, 1.0))
