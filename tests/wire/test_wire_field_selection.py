"""The ``fields`` parameter: what it selects and what is malformed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drayman.core.errors import InvalidArgument
from drayman.wire import field_selection

NAME = "projects/p/locations/l/queues/q"
LISTING = {
    "queues": [
        {
            "name": NAME,
            "rateLimits": {"maxDispatchesPerSecond": 500, "maxBurstSize": 100},
            "retryConfig": {"maxAttempts": 100, "minBackoff": "0.100s"},
            "state": "PAUSED",
        }
    ]
}


@pytest.mark.parametrize(
    ("fields", "selected"),
    [
        ("queues/name", {"queues": [{"name": NAME}]}),
        (
            "queues(name,rateLimits/maxBurstSize)",
            {"queues": [{"name": NAME, "rateLimits": {"maxBurstSize": 100}}]},
        ),
        (
            "queues(retryConfig(minBackoff),state),nextPageToken",
            {"queues": [{"retryConfig": {"minBackoff": "0.100s"}, "state": "PAUSED"}]},
        ),
        ("*/name", {"queues": [{"name": NAME}]}),
        (" queues / name ", {"queues": [{"name": NAME}]}),
        ("queues/name/below", {"queues": [{"name": NAME}]}),
        ("queues", LISTING),
        ("*", LISTING),
        ("nothing", {}),
    ],
)
def test_fields_select_parts_of_a_response(fields, selected):
    assert field_selection.apply(field_selection.parse(fields), LISTING) == selected


@pytest.mark.parametrize(
    "fields", ["(", "a(", "a)", "a,,b", "a/", "/", "a(b", "é", "a(b)c", "(" * 100,
               "a(" * 100 + "b" + ")" * 100, "", ","]
)  # fmt: skip
def test_a_malformed_selection_is_refused(refused, fields):
    refused(f'Invalid field selection: "{fields[:200]}".', field_selection.parse, fields)


@given(st.text(st.sampled_from("ab*/(), é")))
def test_any_text_is_a_selection_or_an_invalid_argument(fields):
    try:
        selection = field_selection.parse(fields)
    except InvalidArgument:
        return
    assert set(field_selection.apply(selection, {"a": 1, "b": [{"a": 1}]})) <= {"a", "b"}
