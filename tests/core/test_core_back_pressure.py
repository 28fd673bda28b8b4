"""Back pressure: bounds, cuts, recovery, and that no window ever holds more than it may."""

import json

from hypothesis import given
from hypothesis import strategies as st

from drayman.core import back_pressure, bucket
from drayman.core.back_pressure import MIN_FACTOR, Pressure, Signal, Tally
from drayman.core.bucket import Bucket
from drayman.core.clock import DAY, MINUTE, SECOND

RATE = 500.0
NOW = 1_700_000_000 * SECOND
GOOD, ERROR, PUSHBACK = (Tally().plus(each) for each in list(Signal)[1:])

tallies = st.lists(st.sampled_from(Signal), max_size=20)
steps = st.lists(
    st.tuples(st.integers(0, 60 * SECOND), tallies, st.integers(0, 2 * DAY), st.integers(1, 1000))
)


def after(steps, rate=RATE):
    pressure, now = Pressure(), NOW
    for wait, signals, hold, attempt in steps:
        now += wait
        tally = Tally()
        for signal in signals:
            tally = tally.plus(signal, now + hold, attempt)
        pressure = back_pressure.record(pressure, tally, rate, now)
        yield pressure, now


def many(signal, count, hold=0):
    tally = Tally()
    for _ in range(count):
        tally = tally.plus(signal, hold)
    return tally


def recorded(tally, now=NOW, pressure=None, rate=RATE):
    return back_pressure.record(pressure or Pressure(), tally, rate, now)


def factor(pressure, now=NOW):
    return back_pressure.rate_factor(pressure, RATE, now)


@given(steps, st.floats(0.001, 1000))
def test_the_factor_stays_within_its_bounds(steps, rate):
    for pressure, now in after(steps, rate):
        part = back_pressure.rate_factor(pressure, rate, now)
        assert MIN_FACTOR <= part <= 1.0
        assert rate * part >= min(rate, 1.0) * (1 - 1e-9)


@given(steps, st.lists(st.integers(0, MINUTE)))
def test_time_alone_only_raises_the_factor_up_to_one(steps, waits):
    for pressure, now in after(steps):
        last, moment = factor(pressure, now), now
        for wait in waits:
            moment += wait
            assert factor(pressure, moment) >= last
            last = factor(pressure, moment)
        assert (
            factor(pressure, now + back_pressure.MAX_HOLD + 7 * back_pressure.DOUBLING_TIME) == 1.0
        )


@given(steps, st.integers(1, 1000))
def test_good_responses_never_lower_the_factor(steps, count):
    for pressure, now in after(steps):
        assert factor(recorded(many(Signal.GOOD, count), now, pressure), now) >= factor(
            pressure, now
        )


@given(steps)
def test_good_responses_end_the_hold_of_retry_after(steps):
    for pressure, now in after(steps):
        good = recorded(many(Signal.GOOD, 1000), now, pressure)
        assert good.recovery_time == now


@given(steps)
def test_the_factor_is_cut_at_most_once_a_second_and_by_half(steps):
    last, cut = Pressure(), None
    for pressure, now in after(steps):
        before, here = factor(last, now), factor(pressure, now)
        if here < before:
            assert here >= before / 2 or here == MIN_FACTOR
            assert cut is None or now - cut >= back_pressure.CUT_INTERVAL
            cut = now
        last = pressure


@given(steps)
def test_a_pressure_is_decoded_as_it_was_encoded(steps):
    for pressure, _ in after(steps):
        assert back_pressure.decode(back_pressure.encode(pressure)) == pressure
    assert back_pressure.decode(None) == Pressure()


def test_unknown_fields_of_a_stored_pressure_are_ignored():
    stored = json.dumps({"factor": 0.5, "unknown": 1})
    assert back_pressure.decode(stored) == Pressure(factor=0.5)


def test_pushback_of_all_responses_halves_the_rate():
    assert recorded(many(Signal.PUSHBACK, 50)).factor == 0.5


def test_one_pushback_among_a_hundred_responses_hardly_lowers_the_rate():
    assert recorded(PUSHBACK, NOW, recorded(many(Signal.GOOD, 99))).factor == 1 - 0.5 / 100


def test_concurrent_pushbacks_cut_the_rate_once():
    pressure = recorded(PUSHBACK)
    assert recorded(PUSHBACK, NOW + SECOND - 1, pressure).factor > 0.5
    assert recorded(PUSHBACK, NOW + SECOND, pressure).factor < 0.27


def test_errors_lower_the_rate_if_they_are_many_and_the_majority():
    assert recorded(many(Signal.ERROR, 9)).factor == 1.0
    assert recorded(many(Signal.ERROR, 10)).factor == 0.5
    assert recorded(many(Signal.ERROR, 10), NOW, recorded(many(Signal.GOOD, 11))).factor == 1.0


def test_one_task_that_always_fails_does_not_slow_its_queue():
    pressure = Pressure()
    for attempt in range(1, 1000):
        tally = Tally().plus(Signal.ERROR, attempt=attempt)
        pressure = recorded(tally, NOW + attempt * SECOND, pressure)
        assert pressure.factor > 0.999


def test_one_task_that_is_always_pushed_back_slows_its_queue_for_a_while():
    pressure, now = Pressure(), NOW
    for attempt in range(1, 1000):
        now += SECOND
        tally = many(Signal.GOOD, 10).plus(Signal.PUSHBACK, now + DAY, attempt)
        pressure = recorded(tally, now, pressure)
        assert pressure.factor > 0.75
    assert pressure.factor > 0.999


def test_tasks_that_mostly_fail_lower_the_rate_at_any_attempt():
    pressure = Pressure()
    for second in range(20):
        tally = Tally()
        for _ in range(100):
            tally = tally.plus(Signal.ERROR, attempt=50 + second)
        pressure = recorded(tally, NOW + second * SECOND, pressure)
    assert pressure.factor < 2 * MIN_FACTOR


def test_without_a_signal_nothing_changes():
    assert recorded(Tally().plus(Signal.NONE)).factor == 1.0


def test_recovery_starts_at_the_time_of_retry_after():
    pressure = recorded(PUSHBACK.plus(Signal.PUSHBACK, NOW + 20 * SECOND))
    assert factor(pressure, NOW + 20 * SECOND) == 0.5
    assert factor(pressure, NOW + 20 * SECOND + back_pressure.DOUBLING_TIME) == 1.0


def test_retry_after_delays_recovery_by_a_minute_at_most():
    pressure = recorded(many(Signal.PUSHBACK, 1, NOW + DAY))
    assert factor(pressure, NOW + MINUTE) == 0.5
    assert factor(pressure, NOW + MINUTE + back_pressure.DOUBLING_TIME) == 1.0


def test_retry_after_does_not_delay_recovery_while_most_responses_are_good():
    pressure = recorded(many(Signal.GOOD, 9).plus(Signal.PUSHBACK, NOW + DAY))
    assert factor(pressure, NOW + back_pressure.DOUBLING_TIME) == 1.0


def test_good_responses_speed_up_recovery():
    pressure = Pressure(factor=0.25, recovery_time=NOW, count_time=NOW)
    pressure = recorded(many(Signal.GOOD, back_pressure.DOUBLING_RESPONSES), NOW, pressure)
    assert pressure.factor == 0.5


def test_a_queue_keeps_at_least_one_attempt_a_second():
    for rate, left in ((1000.0, 1000 / 128), (5.0, 1.0), (0.5, 0.5)):
        pressure = Pressure()
        for second in range(60):
            pressure = recorded(many(Signal.PUSHBACK, 100), NOW + second * SECOND, pressure, rate)
        assert back_pressure.effective_limits(pressure, rate, 10, NOW + MINUTE - SECOND)[0] == left


def test_a_queue_that_ramps_up_starts_at_ten_a_second():
    ramped = back_pressure.ramp_up(Pressure(), 500, NOW)
    assert back_pressure.effective_limits(ramped, 500, 100, NOW) == (10.0, 2)
    assert back_pressure.effective_limits(
        back_pressure.ramp_up(Pressure(), 5, NOW), 5, 10, NOW
    ) == (5.0, 10)


def test_ramping_up_does_not_end_back_pressure():
    pressure = Pressure(factor=MIN_FACTOR, recovery_time=NOW, count_time=NOW)
    assert back_pressure.ramp_up(pressure, 500, NOW) == pressure


@given(
    st.floats(0.1, 500), st.integers(1, 100),
    st.lists(st.tuples(st.integers(0, 5 * SECOND), tallies, st.integers(0, 100)), max_size=40),
)  # fmt: skip
def test_no_window_holds_more_than_rate_and_burst(rate, burst, steps):
    pressure, tokens, now, taken = Pressure(), Bucket(float(burst), NOW), NOW, []
    for wait, signals, asked in steps:
        now += wait
        tally = Tally()
        for signal in signals:
            tally = tally.plus(signal, 0)
        pressure = back_pressure.record(pressure, tally, rate, now)
        tokens = bucket.refill(
            tokens, *back_pressure.effective_limits(pressure, rate, burst, now), now
        )
        count = min(asked, bucket.available(tokens))
        tokens = bucket.take(tokens, count)
        taken.append((now, count))
    for first, (start, _) in enumerate(taken):
        total = 0
        for end, count in taken[first:]:
            total += count
            assert total <= burst + rate * (end - start) / SECOND + 1e-3
