"""Requests are bounded before they are parsed: the limits are ours, sized by measurements."""

import json

import pytest
from google.iam.v1 import iam_policy_pb2
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from drayman.core.limits import REQUEST_VALUES
from drayman.tasks_v2 import types
from drayman.wire import protojson, value_count
from message_strategies import messages

Batch = types.BatchCreateTasksRequest.pb()
Task = types.CreateTaskRequest.pb()
Policy = iam_policy_pb2.SetIamPolicyRequest
TOO_MANY = f"The request has more than {REQUEST_VALUES} values."


def task_with_headers(count):
    request = Task()
    for number in range(count):
        request.task.http_request.headers[f"{number}"] = ""
    return request


def fields_of(message, *, unknown=b""):
    """Return the least limit that a message passes."""
    body = message.SerializeToString() + unknown
    for limit in range(1000):
        try:
            value_count.check_protobuf(body, message.DESCRIPTOR, limit)
        except value_count.errors.InvalidArgument:
            continue
        return limit
    raise AssertionError


@pytest.mark.parametrize(
    ("message", "count"),
    [
        (Task(), 0),
        (Task(parent="p"), 1),
        (Task(task={"name": "n", "http_request": {"url": "u", "body": b"\x12\x00" * 900}}), 4 + 1),
        (task_with_headers(5), 2 + 3 * 5),  # task, request; an entry, its name and its value
        (Batch(requests=[{}] * 7), 7),
        (Batch(requests=[{"task": {}}] * 7), 14),
        (Policy(policy={"bindings": [{"members": ["a:b"] * 300}]}), 302),
    ],
    ids=["empty", "text", "body", "headers", "items", "tasks", "members"],
)
def test_every_field_at_every_depth_counts_once(message, count):
    assert fields_of(message) == count
    unknown = b"\xf8\x07\x01" + b"\xfa\x07\x02\x12\x00" + b"\xfd\x07abcd" + b"\xf9\x07abcdefgh"
    assert fields_of(message, unknown=unknown) == count + 4


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\x12\x00" * (8 << 20), Batch),
        (b"\x12\x00" * (8 << 20), types.BatchDeleteTasksRequest.pb()),
        (b"\xf8\x07\x00" * 5_000_000, Batch),
        (task_with_headers(REQUEST_VALUES).SerializeToString(), Task),
        (Policy(policy={"audit_configs": [{}] * (REQUEST_VALUES + 1)}).SerializeToString(), Policy),
    ],
    ids=["items", "names", "unknown", "headers", "audits"],
)
def test_a_message_with_too_many_fields_is_refused(refused, body, message):
    refused(TOO_MANY, value_count.check_protobuf, body, message.DESCRIPTOR)


@pytest.mark.parametrize(
    "body",
    [b"\x12", b"\x12\x05a", b"\x12\x02\x12\x05", b"\xff" * 20, b"\x09abc", b"\x13\x14", b"\x17",
     b"\x12\x03\x0d\x00\x00"],
    ids=["cut", "short", "nested", "tag", "fixed", "group", "type", "beyond"],
)  # fmt: skip
def test_what_is_malformed_or_has_groups_is_refused(body):
    with pytest.raises(DecodeError):
        value_count.check_protobuf(body, Batch.DESCRIPTOR)


@given(st.data())
def test_no_message_is_taken_for_malformed(data):
    message = data.draw(st.sampled_from([Batch, Task, Policy]))
    drawn = data.draw(messages(message.DESCRIPTOR))
    try:
        body = message(**drawn).SerializeToString()
    except ValueError:  # half of a character
        return
    value_count.check_protobuf(body, message.DESCRIPTOR)


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ({}, 1),
        ([], 1),
        ({"a": "b"}, 1),
        ({"a": 1, "b": 2}, 2),
        ([[], [1, 2]], 5),
        ({"a": "[{,", "b,": "\\"}, 2),
        (["\\\\,", '\\",', '",\\', ",\\\\"], 4),
    ],
)
def test_separators_in_strings_do_not_count(value, count, refused):
    body = json.dumps(value).encode()
    value_count.check_json(body, count)
    refused(
        f"The request has more than {count - 1} values.", value_count.check_json, body, count - 1
    )


@pytest.mark.parametrize("shift", range(3))
def test_escapes_are_found_wherever_a_long_text_is_cut(shift, refused):
    text = "x" * shift + "\\" * 100_000 + '",' * 1_500_000
    body = json.dumps([text, 1]).encode()
    value_count.check_json(body, 2)
    refused(None, value_count.check_json, body, 1)


@pytest.mark.parametrize(
    "body",
    [
        b'{"requests":[' + b"{}," * REQUEST_VALUES + b"{}]}",
        b'{"names":[' + b'"",' * REQUEST_VALUES + b'""]}',
        b"[" * (REQUEST_VALUES + 1),
        b'""' * (4 * REQUEST_VALUES) + b"," * (REQUEST_VALUES + 1),
    ],
    ids=["items", "names", "depth", "strings"],
)
def test_a_json_text_with_too_many_values_is_refused(refused, body):
    refused(TOO_MANY, protojson.decode, body)
