"""JSON that is written, beside what protobuf and ``json`` write."""

import json
import math

import pytest
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from drayman.api.calls import message_class
from drayman.tasks_v2 import rpcs
from drayman.wire import google_descriptors, json_writer, times
from message_strategies import built

KINDS = {
    kind.DESCRIPTOR.full_name: kind
    for rpc in rpcs.SERVED
    for kind in map(message_class, (rpc.request, rpc.response))
}
MESSAGES = st.one_of(built(kind) for kind in KINDS.values())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=20,
)
FIRST, LAST = -62_135_596_800, 253_402_300_799


def by_protobuf(message, *, integers):
    value = json_format.MessageToDict(
        message, use_integers_for_enums=integers, descriptor_pool=google_descriptors.POOL
    )
    return whole(value)


def whole(value):
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value == math.floor(value) else value


@given(MESSAGES, st.booleans())
def test_messages_are_written_as_protobuf_writes_them(message, integers):
    try:
        expected = by_protobuf(message, integers=integers)
    except (ValueError, TypeError, json_format.Error):
        return  # for example a timestamp out of range, or an Any of an unknown type
    assert json_writer.render(message, integers=integers) == expected


@given(JSON)
def test_pretty_json_is_that_of_the_standard_library(value):
    assert json_writer.pretty(value) == json.dumps(value, indent=2, ensure_ascii=False)


@given(st.integers(FIRST, LAST), st.integers(0, 999_999_999))
def test_times_are_written_and_read_as_protobuf_does(seconds, nanos):
    message = Timestamp(seconds=seconds, nanos=nanos)
    text = message.ToJsonString()
    assert times.rfc3339(seconds, nanos) == text
    assert times.parse_rfc3339(text) == (seconds, nanos)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00.1234567890Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "\u0662026-01-01T00:00:00Z",
        "",
    ],
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match=r"RFC 3339|range|month|day|hour|second|years"):
        times.parse_rfc3339(text)


@given(
    st.integers(FIRST, LAST).map(lambda seconds: Timestamp(seconds=seconds)),
    st.integers(-99, 99),
    st.integers(0, 99),
)
def test_offsets_are_taken_off_as_protobuf_does(message, hours, minutes):
    text = f"{message.ToJsonString()[:-1]}{'-' if hours < 0 else '+'}{abs(hours):02d}:{minutes:02d}"
    expected = Timestamp()
    try:
        expected.FromJsonString(text)
    except ValueError:
        return
    assert times.parse_rfc3339(text) == (expected.seconds, expected.nanos)


def test_a_time_that_no_timestamp_has_is_an_error():
    for seconds in (FIRST - 1, LAST + 1, 10**18):
        with pytest.raises(ValueError, match="years 1 to 9999"):
            times.rfc3339(seconds, 0)
