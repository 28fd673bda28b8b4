"""How many attempts a queue may start, and when it may start the next one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drayman.core import admission, back_pressure
from drayman.core.admission import QueueLoad
from drayman.core.back_pressure import Pressure
from drayman.core.bucket import BATCH_INTERVAL, Bucket
from drayman.core.clock import SECOND
from drayman.core.queue import State

NOW = 1_700_000_000 * SECOND
PLENTY = 1_000
LOAD = QueueLoad(
    state=State.RUNNING, rate=10.0, burst=20, max_concurrent=100, in_flight=0,
    bucket=Bucket(20.0, NOW), pressure=Pressure(),
)  # fmt: skip
HALF_PRESSURE = Pressure(factor=0.5, recovery_time=NOW + SECOND)


@pytest.mark.parametrize(
    ("change", "share", "attempts"),
    [
        ({}, PLENTY, 20),
        ({"bucket": Bucket(3.9, NOW)}, PLENTY, 3),
        ({"bucket": Bucket(0.0, NOW)}, PLENTY, 0),
        ({"bucket": Bucket(-5.0, NOW)}, PLENTY, 0),
        ({"bucket": Bucket(0.0, NOW - SECOND)}, PLENTY, 10),
        ({"bucket": Bucket(0.0, NOW - 60 * SECOND)}, PLENTY, 20),
        ({"in_flight": 95}, PLENTY, 5),
        ({"in_flight": 100}, PLENTY, 0),
        ({"in_flight": 120}, PLENTY, 0),
        ({}, 7, 7),
        ({}, 0, 0),
        ({"state": State.PAUSED}, PLENTY, 0),
        ({"state": State.DISABLED}, PLENTY, 0),
        ({"pressure": HALF_PRESSURE}, PLENTY, 10),
    ],
)
def test_the_scarcest_of_state_tokens_concurrency_and_share_decides(change, share, attempts):
    assert admission.admit(LOAD._replace(**change), share, NOW).attempts == attempts


@pytest.mark.parametrize("state", State)
def test_the_bucket_is_refilled_but_no_token_is_taken(state):
    load = LOAD._replace(state=state, bucket=Bucket(0.0, NOW - SECOND))
    assert admission.admit(load, PLENTY, NOW).bucket == Bucket(10.0, NOW)


def test_back_pressure_lowers_rate_and_burst():
    admitted = admission.admit(LOAD._replace(pressure=HALF_PRESSURE), PLENTY, NOW)
    assert (admitted.rate, admitted.burst) == (5.0, 10)


BATCH = max(BATCH_INTERVAL, SECOND // 10)  # at 10 attempts a second, a batch is one attempt


@pytest.mark.parametrize(
    ("change", "claimed", "share", "delay"),
    [
        ({}, 20, PLENTY, BATCH),
        ({"bucket": Bucket(20.5, NOW)}, 20, PLENTY, BATCH),
        ({"bucket": Bucket(1.5, NOW)}, 1, PLENTY, BATCH // 2),
        ({}, 5, PLENTY, 0),  # fewer tasks than tokens
        ({}, 7, 7, 0),  # the share was used up
        ({"state": State.PAUSED}, 0, PLENTY, None),
        ({"state": State.DISABLED}, 0, PLENTY, None),
        ({"max_concurrent": 20}, 20, PLENTY, None),
        ({"max_concurrent": 20, "in_flight": 25}, 0, PLENTY, None),
        ({"max_concurrent": 7}, 7, 7, None),
        ({"rate": 0.1, "burst": 1, "bucket": Bucket(1.0, NOW)}, 1, PLENTY, 10 * SECOND),
        # Under back pressure the rate grows meanwhile, so the queue is checked sooner.
        ({"rate": 0.2, "burst": 1, "bucket": Bucket(1.0, NOW), "pressure": HALF_PRESSURE}, 1,
         PLENTY, back_pressure.RECHECK_INTERVAL),
    ],
)  # fmt: skip
def test_the_next_attempt_may_start_when_nothing_holds_it_back(change, claimed, share, delay):
    load = LOAD._replace(**change)
    admitted = admission.admit(load, share, NOW)
    next_claim = admission.next_claim(load, admitted, claimed, share)
    assert next_claim == (None if delay is None else NOW + delay)


@given(
    rate=st.floats(0.01, 500),
    burst=st.integers(1, 500),
    max_concurrent=st.integers(1, 500),
    in_flight=st.integers(0, 500),
    tokens=st.floats(-10, 500),
    share=st.integers(1, 500),
)
def test_a_queue_may_start_an_attempt_at_the_time_of_its_next_claim(
    rate, burst, max_concurrent, in_flight, tokens, share
):
    load = QueueLoad(
        State.RUNNING, rate, burst, max_concurrent, in_flight, Bucket(tokens, NOW), Pressure()
    )
    admitted = admission.admit(load, share, NOW)
    ready = admission.next_claim(load, admitted, admitted.attempts, share)
    running = in_flight + admitted.attempts
    assert (ready is None) == (running >= max_concurrent)
    if ready is not None and admitted.attempts < share:
        left = Bucket(admitted.bucket.tokens - admitted.attempts, NOW)
        later = load._replace(in_flight=running, bucket=left)
        assert ready >= NOW
        assert admission.admit(later, share, ready).attempts >= 1
