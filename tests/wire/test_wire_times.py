"""Times of messages: those out of range, and how error messages show them."""

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from drayman.core.clock import SECOND
from drayman.wire import times


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (4_102_444_800 * SECOND, "2099-12-31T16:00:00-08:00"),
        (1_781_524_800 * SECOND, "2026-06-15T05:00:00-07:00"),
        (2**80, f"{2**80 // SECOND} s after 1970"),
    ],
)
def test_a_moment_is_shown_in_us_pacific_time(moment, shown):
    assert times.pacific(moment) == shown


@pytest.mark.parametrize(
    ("seconds", "nanos", "moment"),
    [
        (0, -1, -1),
        (0, 10**9, SECOND),
        (-62_135_596_801, 0, -62_135_596_801 * SECOND),
        (253_402_300_800, 0, 253_402_300_800 * SECOND),
    ],
)
def test_a_timestamp_out_of_range_is_the_sum_of_its_parts(seconds, nanos, moment):
    assert times.moment(Timestamp(seconds=seconds, nanos=nanos)) == moment


@pytest.mark.parametrize(
    ("seconds", "nanos"), [(1, -1), (-1, 1), (0, 10**9), (0, -(10**9)), (315_576_000_001, 0)]
)
def test_a_duration_out_of_range_is_refused(refused, seconds, nanos):
    message = Duration(seconds=seconds, nanos=nanos)
    refused("F is not a valid duration.", times.span, "F", message)


def test_times_are_truncated_to_microseconds():
    assert times.moment(Timestamp(seconds=1, nanos=1_999)) == SECOND + 1
    assert times.span("F", Duration(seconds=-1, nanos=-1_999)) == -SECOND - 1
