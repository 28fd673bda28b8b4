"""Back pressure: bounds, cuts, recovery, and that no window ever holds more than it may."""

from hypothesis import given
from hypothesis import strategies as st

from drayman.core import bucket, throttle
from drayman.core.bucket import Bucket
from drayman.core.clock import MINUTE, SECOND
from drayman.core.throttle import FLOOR, Signal, State, Tally

NOW = 1_700_000_000 * SECOND
GOOD, ERROR, PUSHBACK = (Tally().plus(each, 0) for each in list(Signal)[1:])

tallies = st.lists(st.sampled_from(Signal), max_size=20)
steps = st.lists(st.tuples(st.integers(0, 60 * SECOND), tallies, st.integers(0, MINUTE)))


def after(steps):
    state, now = State(), NOW
    for wait, signals, hold in steps:
        now += wait
        tally = Tally()
        for signal in signals:
            tally = tally.plus(signal, now + hold if signal is Signal.PUSHBACK else 0)
        state = throttle.note(state, tally, now)
        yield state, now


def many(signal, count):
    tally = Tally()
    for _ in range(count):
        tally = tally.plus(signal, 0)
    return tally


@given(steps)
def test_the_level_stays_within_its_bounds(steps):
    for state, now in after(steps):
        assert FLOOR <= throttle.level(state, now) <= 1.0


@given(steps, st.lists(st.integers(0, MINUTE)))
def test_time_alone_never_lowers_it_and_restores_it_in_the_end(steps, waits):
    for state, now in after(steps):
        last, moment = throttle.level(state, now), now
        for wait in waits:
            moment += wait
            assert throttle.level(state, moment) >= last
            last = throttle.level(state, moment)
        assert throttle.level(state, state.since + 7 * throttle.DOUBLING) == 1.0


@given(steps, st.integers(1, 100))
def test_good_answers_never_lower_it(steps, count):
    for state, now in after(steps):
        noted = throttle.note(state, many(Signal.GOOD, count), now)
        assert throttle.level(noted, now) == throttle.level(state, now)


@given(steps)
def test_it_is_cut_at_most_once_a_window_and_by_half(steps):
    last, cut = State(), None
    for state, now in after(steps):
        before, here = throttle.level(last, now), throttle.level(state, now)
        if here < before:
            assert here >= before / 2 or here == FLOOR
            assert cut is None or now - cut >= throttle.WINDOW
            cut = now
        last = state


@given(steps)
def test_a_state_is_kept_as_it_is(steps):
    for state, _ in after(steps):
        assert throttle.loads(throttle.dumps(state)) == state
    assert throttle.loads(None) == State()


def test_a_refusal_of_all_halves_the_rate():
    assert throttle.note(State(), many(Signal.PUSHBACK, 50), NOW).level == 0.5


def test_one_refusal_among_a_hundred_answers_hardly_counts():
    state = throttle.note(State(), many(Signal.GOOD, 99), NOW)
    assert throttle.note(state, PUSHBACK, NOW).level == 1 - 0.5 / 100


def test_refusals_at_once_count_once():
    state = throttle.note(State(), PUSHBACK, NOW)
    assert throttle.note(state, PUSHBACK, NOW + SECOND - 1).level > 0.5
    assert throttle.note(state, PUSHBACK, NOW + SECOND).level < 0.27


def test_errors_count_when_they_are_many_and_most():
    assert throttle.note(State(), many(Signal.ERROR, 9), NOW).level == 1.0
    assert throttle.note(State(), many(Signal.ERROR, 10), NOW).level == 0.5
    good = throttle.note(State(), many(Signal.GOOD, 11), NOW)
    assert throttle.note(good, many(Signal.ERROR, 10), NOW).level == 1.0


def test_silence_says_nothing():
    assert throttle.note(State(), Tally().plus(Signal.NONE, 0), NOW).level == 1.0


def test_recovery_waits_for_what_the_target_asked_for():
    state = throttle.note(State(), Tally().plus(Signal.PUSHBACK, NOW + MINUTE), NOW)
    assert throttle.level(state, NOW + MINUTE) == 0.5
    assert throttle.level(state, NOW + MINUTE + throttle.DOUBLING) == 1.0


def test_a_queue_that_ramps_up_begins_at_ten_a_second():
    assert throttle.effective(throttle.ramp(500, NOW), 500, 100, NOW) == (10.0, 2)
    assert throttle.effective(throttle.ramp(5, NOW), 5, 10, NOW) == (5.0, 10)


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
        state = throttle.note(state, tally, now)
        tokens = bucket.refill(tokens, *throttle.effective(state, rate, burst, now), now)
        count = min(wanted, bucket.available(tokens))
        tokens = bucket.take(tokens, count)
        taken.append((now, count))
    for first, (start, _) in enumerate(taken):
        total = 0
        for end, count in taken[first:]:
            total += count
            assert total <= burst + rate * (end - start) / SECOND + 1e-3
