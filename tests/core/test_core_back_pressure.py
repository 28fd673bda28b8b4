"""Back pressure: bounds, cuts, recovery, and that no window ever holds more than it may."""

import json

from hypothesis import given
from hypothesis import strategies as st

from drayman.core import back_pressure, bucket
from drayman.core.back_pressure import FLOOR, Signal, State, Tally
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
    state, now = State(), NOW
    for wait, signals, hold, attempt in steps:
        now += wait
        tally = Tally()
        for signal in signals:
            tally = tally.plus(signal, now + hold, attempt)
        state = back_pressure.note(state, tally, rate, now)
        yield state, now


def many(signal, count, hold=0):
    tally = Tally()
    for _ in range(count):
        tally = tally.plus(signal, hold)
    return tally


def noted(tally, now=NOW, state=None, rate=RATE):
    return back_pressure.note(state or State(), tally, rate, now)


def level(state, now=NOW):
    return back_pressure.level(state, RATE, now)


@given(steps, st.floats(0.001, 1000))
def test_the_level_stays_within_its_bounds(steps, rate):
    for state, now in after(steps, rate):
        part = back_pressure.level(state, rate, now)
        assert FLOOR <= part <= 1.0
        assert rate * part >= min(rate, 1.0) * (1 - 1e-9)


@given(steps, st.lists(st.integers(0, MINUTE)))
def test_time_alone_never_lowers_it_and_restores_it_in_the_end(steps, waits):
    for state, now in after(steps):
        last, moment = level(state, now), now
        for wait in waits:
            moment += wait
            assert level(state, moment) >= last
            last = level(state, moment)
        assert level(state, now + back_pressure.HOLD + 7 * back_pressure.DOUBLING) == 1.0


@given(steps, st.integers(1, 1000))
def test_good_answers_never_lower_it(steps, count):
    for state, now in after(steps):
        assert level(noted(many(Signal.GOOD, count), now, state), now) >= level(state, now)


@given(steps)
def test_good_answers_end_what_a_target_asked_for(steps):
    for state, now in after(steps):
        good = noted(many(Signal.GOOD, 1000), now, state)
        assert good.since == now


@given(steps)
def test_it_is_cut_at_most_once_a_window_and_by_half(steps):
    last, cut = State(), None
    for state, now in after(steps):
        before, here = level(last, now), level(state, now)
        if here < before:
            assert here >= before / 2 or here == FLOOR
            assert cut is None or now - cut >= back_pressure.WINDOW
            cut = now
        last = state


@given(steps)
def test_a_state_is_kept_as_it_is(steps):
    for state, _ in after(steps):
        assert back_pressure.loads(back_pressure.dumps(state)) == state
    assert back_pressure.loads(None) == State()


def test_states_of_other_versions_can_be_read():
    kept = [0.5, NOW + DAY, NOW, NOW, 3.0, 2.0, 1.0]
    assert back_pressure.loads(json.dumps(kept)) == State(
        0.5, NOW + MINUTE, NOW, NOW, 3.0, 2.0, 1.0
    )
    assert back_pressure.loads('{"level": 0.5, "unheard_of": 1}') == State(level=0.5)


def test_a_refusal_of_all_halves_the_rate():
    assert noted(many(Signal.PUSHBACK, 50)).level == 0.5


def test_one_refusal_among_a_hundred_answers_hardly_counts():
    assert noted(PUSHBACK, NOW, noted(many(Signal.GOOD, 99))).level == 1 - 0.5 / 100


def test_refusals_at_once_count_once():
    state = noted(PUSHBACK)
    assert noted(PUSHBACK, NOW + SECOND - 1, state).level > 0.5
    assert noted(PUSHBACK, NOW + SECOND, state).level < 0.27


def test_errors_count_when_they_are_many_and_most():
    assert noted(many(Signal.ERROR, 9)).level == 1.0
    assert noted(many(Signal.ERROR, 10)).level == 0.5
    assert noted(many(Signal.ERROR, 10), NOW, noted(many(Signal.GOOD, 11))).level == 1.0


def test_one_task_that_always_fails_does_not_slow_its_queue():
    state = State()
    for attempt in range(1, 1000):
        tally = Tally().plus(Signal.ERROR, attempt=attempt)
        state = noted(tally, NOW + attempt * SECOND, state)
        assert state.level > 0.999


def test_one_task_that_is_always_refused_slows_its_queue_for_a_while():
    state, now = State(), NOW
    for attempt in range(1, 1000):
        now += SECOND
        tally = many(Signal.GOOD, 10).plus(Signal.PUSHBACK, now + DAY, attempt)
        state = noted(tally, now, state)
        assert state.level > 0.75
    assert state.level > 0.999


def test_tasks_that_fail_for_the_most_part_count_at_any_attempt():
    state = State()
    for second in range(20):
        tally = Tally()
        for _ in range(100):
            tally = tally.plus(Signal.ERROR, attempt=50 + second)
        state = noted(tally, NOW + second * SECOND, state)
    assert state.level < 2 * FLOOR


def test_silence_says_nothing():
    assert noted(Tally().plus(Signal.NONE)).level == 1.0


def test_recovery_waits_for_what_the_target_asked_for():
    state = noted(PUSHBACK.plus(Signal.PUSHBACK, NOW + 20 * SECOND))
    assert level(state, NOW + 20 * SECOND) == 0.5
    assert level(state, NOW + 20 * SECOND + back_pressure.DOUBLING) == 1.0


def test_it_waits_a_minute_at_most():
    state = noted(many(Signal.PUSHBACK, 1, NOW + DAY))
    assert level(state, NOW + MINUTE) == 0.5
    assert level(state, NOW + MINUTE + back_pressure.DOUBLING) == 1.0


def test_it_waits_for_nothing_while_most_answers_are_good():
    state = noted(many(Signal.GOOD, 9).plus(Signal.PUSHBACK, NOW + DAY))
    assert level(state, NOW + back_pressure.DOUBLING) == 1.0


def test_good_answers_bring_it_back_sooner():
    state = State(level=0.25, since=NOW, noted=NOW)
    state = noted(many(Signal.GOOD, back_pressure.GROWTH), NOW, state)
    assert state.level == 0.5


def test_slow_queues_keep_an_attempt_a_second():
    for rate, left in ((1000.0, 1000 / 128), (5.0, 1.0), (0.5, 0.5)):
        state = State()
        for second in range(60):
            state = noted(many(Signal.PUSHBACK, 100), NOW + second * SECOND, state, rate)
        assert back_pressure.effective(state, rate, 10, NOW + MINUTE - SECOND)[0] == left


def test_a_queue_that_ramps_up_begins_at_ten_a_second():
    ramped = back_pressure.ramp(State(), 500, NOW)
    assert back_pressure.effective(ramped, 500, 100, NOW) == (10.0, 2)
    assert back_pressure.effective(back_pressure.ramp(State(), 5, NOW), 5, 10, NOW) == (5.0, 10)


def test_ramping_up_is_no_way_out_of_back_pressure():
    state = State(level=FLOOR, since=NOW, noted=NOW)
    assert back_pressure.ramp(state, 500, NOW) == state


@given(
    st.floats(0.1, 500), st.integers(1, 100),
    st.lists(st.tuples(st.integers(0, 5 * SECOND), tallies, st.integers(0, 100)), max_size=40),
)  # fmt: skip
def test_no_window_holds_more_than_rate_and_burst(rate, burst, steps):
    state, tokens, now, taken = State(), Bucket(float(burst), NOW), NOW, []
    for wait, signals, wanted in steps:
        now += wait
        tally = Tally()
        for signal in signals:
            tally = tally.plus(signal, 0)
        state = back_pressure.note(state, tally, rate, now)
        tokens = bucket.refill(tokens, *back_pressure.effective(state, rate, burst, now), now)
        count = min(wanted, bucket.available(tokens))
        tokens = bucket.take(tokens, count)
        taken.append((now, count))
    for first, (start, _) in enumerate(taken):
        total = 0
        for end, count in taken[first:]:
            total += count
            assert total <= burst + rate * (end - start) / SECOND + 1e-3
