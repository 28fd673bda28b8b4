"""The token bucket holds a rate whatever the order of what happens to it."""

import math

from hypothesis import example, given
from hypothesis import strategies as st

from drayman.core import bucket
from drayman.core.bucket import Bucket
from drayman.core.clock import DAY, HOUR, SECOND

NOW = 1_700_000_000 * SECOND
RATES = st.floats(0.01, 500)
BURSTS = st.integers(1, 100)


def test_a_bucket_fills_at_its_rate_up_to_its_burst():
    empty = Bucket(0, NOW)
    assert bucket.refill(empty, 2, 10, NOW + SECOND) == Bucket(2, NOW + SECOND)
    assert bucket.refill(empty, 0.25, 10, NOW + SECOND) == Bucket(0.25, NOW + SECOND)
    assert bucket.refill(empty, 2, 10, NOW + HOUR) == Bucket(10, NOW + HOUR)


def test_only_whole_tokens_are_available():
    assert bucket.available(Bucket(2.99, NOW)) == 2
    assert bucket.available(Bucket(0.99, NOW)) == 0


def test_rounding_errors_cost_no_token():
    tenth = Bucket(0, NOW)
    for step in range(1, 11):
        tenth = bucket.refill(tenth, 1, 10, NOW + step * SECOND // 10)
    assert tenth.tokens < 1  # ten times a tenth
    assert bucket.available(tenth) == 1


def test_an_overdrawn_bucket_has_no_tokens_available():
    assert bucket.available(Bucket(-3, NOW)) == 0


@given(
    RATES,
    BURSTS,
    st.lists(st.tuples(st.integers(0, 5 * SECOND), st.integers(1, 50)), max_size=30),
)
def test_no_window_has_more_attempts_than_rate_and_burst_allow(rate, burst, steps):
    now, full, taken = NOW, Bucket(burst, NOW), []
    for elapsed, wanted in steps:
        now += elapsed
        full = bucket.refill(full, rate, burst, now)
        count = min(wanted, bucket.available(full))
        full = bucket.take(full, count)
        taken.append((now, count))
    for first, (start, _) in enumerate(taken):
        for last in range(first, len(taken)):
            end = taken[last][0]
            total = sum(count for _, count in taken[first : last + 1])
            assert total <= rate * (end - start) / SECOND + burst + 1e-4


@given(RATES, BURSTS, st.floats(0, 100), st.integers(1, DAY))
def test_a_clock_set_back_changes_no_tokens(rate, burst, tokens, back):
    before = Bucket(min(tokens, burst), NOW)
    after = bucket.refill(before, rate, burst, NOW - back)
    assert after.tokens == before.tokens


@given(RATES, BURSTS, st.integers(SECOND, DAY))
def test_a_clock_set_back_does_not_stop_a_queue(rate, burst, back):
    after = bucket.refill(Bucket(0, NOW), rate, burst, NOW - back)
    ready = bucket.ready_at(after, rate, burst)
    assert ready <= NOW - back + math.ceil(SECOND / rate) + bucket.BATCH_INTERVAL


@given(RATES, st.integers(10, 100), st.floats(0, 0.999))
@example(rate=0.01, burst=10, tokens=0.0)
def test_a_token_is_available_when_the_bucket_is_ready(rate, burst, tokens):
    before = Bucket(tokens, NOW)
    ready = bucket.ready_at(before, rate, burst)
    assert ready > NOW
    assert bucket.available(bucket.refill(before, rate, burst, ready)) >= 1


@given(RATES, st.integers(10, 100), st.floats(0, 100))
def test_waiting_for_a_batch_takes_at_most_one_batch_interval(rate, burst, tokens):
    ready = bucket.ready_at(Bucket(tokens, NOW), rate, burst)
    first_token = NOW + max(0, math.ceil((1 - tokens) / rate * SECOND))
    assert ready <= first_token + bucket.BATCH_INTERVAL


@given(st.floats(min_value=0, max_value=1e-6, exclude_min=True))
@example(5e-324)
def test_the_slowest_rate_is_ready_within_a_day(rate):
    assert bucket.ready_at(Bucket(0, NOW), rate, 10) <= NOW + DAY
