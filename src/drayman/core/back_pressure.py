"""Back pressure: how responses of targets lower the rate of a queue, and how it recovers.

The API documentation says that responses 429 and 503 and a high error rate of HTTP targets slow a
queue down, and that it recovers gradually. It gives no formula. This one works on one number per
queue, its ``rate_factor``: the fraction of the configured rate that the queue may use.

* **Weight.** The n-th attempt of a task counts as 1/n of a response. What matters is how many tasks
  fail, not how often one of them is retried.
* **Cut.** Responses that push back, or a high error rate, cut the factor at most once a second. The
  cut is half the share of such responses among the recent ones: 50 % if all of them push back,
  0.5 % if one in a hundred does.
* **Recovery.** The factor doubles every thirty seconds, and also with every 300 good
  responses while the share of bad ones is negligible. If most recent responses push back,
  recovery starts when the target's ``Retry-After`` has passed, after a minute at the latest.
* **Bounds.** Never below 1/128 nor below one attempt a second, never above 1. The configured rate
  never changes. A queue slower than one attempt a second is not slowed down.
"""

import enum
import functools
import json
import math
from typing import NamedTuple

from drayman.core.clock import MINUTE, SECOND, Micros

MIN_FACTOR = 1 / 128
"""The smallest rate factor."""
MIN_RATE = 1.0
"""The lowest rate that back pressure leaves, in attempts per second."""
MAX_CUT = 0.5
"""The largest fraction of the factor that one cut removes."""
CUT_INTERVAL: Micros = SECOND
"""Minimum time between two cuts: responses to requests sent before a cut say nothing about it."""
DOUBLING_TIME: Micros = 30 * SECOND
"""Time in which the factor doubles."""
DOUBLING_RESPONSES = 300
"""Number of good responses that double the factor, while bad ones are negligible."""
NEGLIGIBLE_SHARE = 0.01
"""Bad responses are negligible up to this share of the recent ones."""
RETRY_AFTER_SHARE = 0.5
"""``Retry-After`` delays recovery only if at least this share of recent responses is bad."""
MAX_HOLD: Micros = MINUTE
"""The longest time that ``Retry-After`` delays recovery."""
HALF_LIFE: Micros = 10 * SECOND
"""Half-life of the weight of a response."""
MIN_ERRORS = 10
"""The error rate is high with at least this many recent errors that are over half of all."""
IDLE_TIME: Micros = 10 * MINUTE
"""A queue without an attempt for this long is idle and ramps up again."""
RAMP_UP_RATE = 10.0
"""Initial rate of a queue that ramps up, in attempts per second."""
RECHECK_INTERVAL: Micros = 5 * SECOND
"""How often a queue under back pressure is checked again, because its rate grows meanwhile."""


class Signal(enum.IntEnum):
    """What the response to an attempt says about the load of its target."""

    NONE = 0
    GOOD = 1
    ERROR = 2
    PUSHBACK = 3


class Tally(NamedTuple):
    """Weighted counts of the signals of some attempts.

    Attributes:
        responses: Attempts with any signal.
        errors: Those that failed or pushed back.
        pushbacks: Those that pushed back.
        hold: The latest ``Retry-After`` time of those that pushed back, 0 if there is none.
    """

    responses: float = 0.0
    errors: float = 0.0
    pushbacks: float = 0.0
    hold: Micros = 0

    def plus(self, signal: Signal, hold: Micros = 0, attempt: int = 1) -> "Tally":
        """Return the tally with one more attempt, the ``attempt``-th of its task."""
        weight, pushed_back = 1.0 / max(attempt, 1), signal is Signal.PUSHBACK
        return Tally(
            self.responses + weight * (signal is not Signal.NONE),
            self.errors + weight * (signal >= Signal.ERROR),
            self.pushbacks + weight * pushed_back,
            max(self.hold, hold) if pushed_back else self.hold,
        )


class Pressure(NamedTuple):
    """The back pressure on a queue.

    Attributes:
        factor: The rate factor at ``recovery_time``.
        recovery_time: When the factor starts to grow.
        cut_time: When it was last cut.
        count_time: The moment of the counts below, which decay with ``HALF_LIFE``.
        responses: Recent responses.
        errors: Those that failed or pushed back.
        pushbacks: Those that pushed back.
    """

    factor: float = 1.0
    recovery_time: Micros = 0
    cut_time: Micros = 0
    count_time: Micros = 0
    responses: float = 0.0
    errors: float = 0.0
    pushbacks: float = 0.0


def rate_factor(pressure: Pressure, rate: float, now: Micros) -> float:
    """Return the fraction of its ``rate`` that a queue may use now."""
    if pressure.factor >= 1.0:
        return 1.0
    doublings = max(0, now - pressure.recovery_time) / DOUBLING_TIME
    return min(1.0, max(_min_factor(rate), pressure.factor * math.exp2(min(doublings, 64.0))))


def recent(pressure: Pressure, now: Micros) -> Tally:
    """Return the decayed counts of a queue's recent responses."""
    decay = math.exp2(-max(0, now - pressure.count_time) / HALF_LIFE)
    return Tally(pressure.responses * decay, pressure.errors * decay, pressure.pushbacks * decay)


def record(pressure: Pressure, tally: Tally, rate: float, now: Micros) -> Pressure:
    """Return the back pressure on a queue after the attempts in ``tally`` have ended."""
    before = recent(pressure, now)
    responses = before.responses + tally.responses
    errors = before.errors + tally.errors
    pushbacks = before.pushbacks + tally.pushbacks
    bad_share = _bad_share(responses, errors, pushbacks)
    factor, cut_time = rate_factor(pressure, rate, now), pressure.cut_time
    recovery_time = min(max(now, pressure.recovery_time), now + MAX_HOLD)
    if tally.errors and bad_share and not 0 <= now - pressure.cut_time < CUT_INTERVAL:
        factor, cut_time = max(_min_factor(rate), factor * (1.0 - MAX_CUT * bad_share)), now
    elif bad_share <= NEGLIGIBLE_SHARE:
        good = tally.responses - tally.errors
        factor = min(1.0, factor * math.exp2(min(1.0, good / DOUBLING_RESPONSES)))
    if bad_share < RETRY_AFTER_SHARE:
        recovery_time = now
    elif tally.pushbacks:
        recovery_time = max(recovery_time, min(tally.hold, now + MAX_HOLD))
    return Pressure(factor, recovery_time, cut_time, now, responses, errors, pushbacks)


def ramp_up(pressure: Pressure, rate: float, now: Micros) -> Pressure:
    """Return the pressure that starts a queue at ``RAMP_UP_RATE``, unless it is slower already."""
    start = min(1.0, max(MIN_FACTOR, RAMP_UP_RATE / rate))
    if rate_factor(pressure, rate, now) <= start:
        return pressure
    return pressure._replace(factor=start, recovery_time=now)


def effective_limits(pressure: Pressure, rate: float, burst: int, now: Micros) -> tuple[float, int]:
    """Return the rate and the burst of a queue under back pressure."""
    factor = rate_factor(pressure, rate, now)
    return rate * factor, max(1, int(burst * factor))


def encode(pressure: Pressure) -> str:
    """Encode a pressure as JSON, which has the names of its fields."""
    return json.dumps(pressure._asdict())


@functools.lru_cache(maxsize=1024)
def decode(text: str | None) -> Pressure:
    """Decode a pressure, None as no pressure; unknown fields are ignored."""
    if text is None:
        return Pressure()
    fields = json.loads(text).items()
    return Pressure(**{name: value for name, value in fields if name in Pressure._fields})


def _min_factor(rate: float) -> float:
    return min(1.0, max(MIN_FACTOR, MIN_RATE / rate))


def _bad_share(responses: float, errors: float, pushbacks: float) -> float:
    """Return the share of recent responses that call for a lower rate."""
    failing = errors >= MIN_ERRORS and errors > responses / 2
    return min(1.0, (errors if failing else pushbacks) / max(responses, 1.0))
