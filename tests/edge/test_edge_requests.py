"""Header fields of requests, and those of statuses."""

import base64
import urllib.parse

import pytest
from google.rpc import status_pb2
from http2_client import HEADERS
from hypothesis import given
from hypothesis import strategies as st

from drayman.core.clock import HOUR, MILLISECOND, MINUTE, SECOND
from drayman.core.errors import ErrorInfo, NotFound
from drayman.core.status import Code
from drayman.edge import grpc_requests, grpc_status, limits
from drayman.edge.grpc_status import CallError, HttpError


@pytest.mark.parametrize(
    ("value", "timeout"),
    [(b"1H", HOUR), (b"2M", 2 * MINUTE), (b"30S", 30 * SECOND), (b"5m", 5 * MILLISECOND),
     (b"7u", 7), (b"7999n", 7), (b"0S", 0), (b"99999999H", 99_999_999 * HOUR)],
)  # fmt: skip
def test_a_timeout_has_digits_and_a_unit(value, timeout):
    assert grpc_requests.parse_timeout(value) == timeout


@pytest.mark.parametrize(
    "value",
    [b"", b"S", b"1", b"1s", b"-1S", b"1.5S", b"123456789S", b" 1S", b"1S\n", b"\xd9\xa1S"],
)
def test_any_other_timeout_is_an_internal_error(value):
    with pytest.raises(CallError, match="The grpc-timeout is malformed"):
        grpc_requests.parse_timeout(value)


@pytest.mark.parametrize(
    "value", [b"application/grpc", b"application/grpc+proto", b"application/grpc;charset=utf-8"]
)
def test_content_types_of_grpc_are_taken(value):
    assert grpc_requests.is_grpc(value)


@pytest.mark.parametrize(
    "value", [b"", b"application/grpcx", b"application/grpc-web", b"application/json", b"grpc"]
)
def test_other_content_types_are_415(value):
    headers = tuple((HEADERS | {b"content-type": value}).items())
    with pytest.raises(HttpError) as caught:
        grpc_requests.parse(headers)
    assert caught.value.headers[0] == (b":status", b"415")


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"post", b"CONNECT"])
def test_other_methods_than_post_are_405(method):
    headers = tuple((HEADERS | {b":method": method}).items())
    with pytest.raises(HttpError) as caught:
        grpc_requests.parse(headers)
    assert caught.value.headers[0] == (b":status", b"405")
    assert (b"allow", b"POST") in caught.value.headers


def test_a_request_needs_neither_te_nor_an_authority():
    headers = {key: value for key, value in HEADERS.items() if key not in {b"te", b":authority"}}
    assert grpc_requests.parse(tuple(headers.items())).path == HEADERS[b":path"]


def test_metadata_may_be_as_large_as_the_limit():
    base = tuple(HEADERS.items())
    used = sum(len(name) + len(value) + 32 for name, value in base)
    room = limits.METADATA_SIZE - used - 32 - len(b"x-a")
    assert grpc_requests.parse((*base, (b"x-a", bytes(room))))
    with pytest.raises(CallError) as caught:
        grpc_requests.parse((*base, (b"x-a", bytes(room + 1))))
    assert caught.value.code is Code.RESOURCE_EXHAUSTED


@given(st.text())
def test_a_message_is_printable_ascii_on_the_wire(text):
    encoded = grpc_status.percent_encode(text)
    assert all(0x20 <= byte <= 0x7E for byte in encoded)
    assert encoded == encoded.strip()
    assert urllib.parse.unquote(encoded.decode()) == text


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("plain: 'a' <b>", b"plain: 'a' <b>"),
        ("100%", b"100%25"),
        ("é\n", b"%C3%A9%0A"),
        ("", b""),
        (" a b ", b"%20a b%20"),
        ("a  ", b"a %20"),
        (" ", b"%20"),
    ],
)
def test_what_is_not_printable_is_percent_encoded(text, encoded):
    assert grpc_status.percent_encode(text) == encoded


def test_details_are_a_status_in_base64_without_padding():
    error = NotFound("gone", ErrorInfo("R", "d", {"k": "v"}))
    fields = dict(grpc_status.trailers(error))
    assert fields[b"grpc-status"] == b"5"
    assert fields[b"grpc-message"] == b"gone"
    value = fields[b"grpc-status-details-bin"]
    assert not value.endswith(b"=")
    status = status_pb2.Status.FromString(base64.b64decode(value + b"=" * (-len(value) % 4)))
    assert (status.code, status.message, len(status.details)) == (5, "gone", 1)


def test_an_error_without_details_has_no_field_for_them():
    assert [name for name, _ in grpc_status.trailers(NotFound("gone"))] == [
        b"grpc-status",
        b"grpc-message",
    ]
