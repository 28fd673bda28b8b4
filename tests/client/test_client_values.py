"""Text, times and enum names are converted alike, in every form of a request."""

import datetime
import re
import time

import proto
import pytest
from google.protobuf import timestamp_pb2
from samples import A_TASK, QUEUE

from drayman import tasks

NAIVE = datetime.datetime(2030, 1, 2, 3, 4, 5, 678000)  # noqa: DTZ001
AWARE = NAIVE.replace(tzinfo=datetime.UTC)

FORMS = {
    "message": lambda body, when: tasks.Task(
        http_request=tasks.HttpRequest(body=body), schedule_time=when
    ),
    "dict": lambda body, when: tasks.Task({"http_request": {"body": body}, "schedule_time": when}),
    "dict in a request": lambda body, when: (
        tasks.CreateTaskRequest(
            {"parent": QUEUE, "task": {"http_request": {"body": body}, "schedule_time": when}}
        ).task
    ),
    "dict in a list": lambda body, when: (
        tasks.BatchCreateTasksRequest(
            requests=[{"task": {"http_request": {"body": body}, "schedule_time": when}}]
        )
        .requests[0]
        .task
    ),
    "app engine": lambda body, when: tasks.Task(
        http_request={"body": tasks.AppEngineHttpRequest(body=body).body}, schedule_time=when
    ),
}
each_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


@pytest.fixture(params=["UTC", "America/New_York"])
def _zone(monkeypatch, request):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@each_form
@pytest.mark.parametrize("body", ["text", "héllo ✓", "", "aGk="])
def test_a_text_body_is_encoded_as_utf_8(form, body):
    assert form(body, AWARE).http_request.body == body.encode()


@each_form
@pytest.mark.parametrize("body", [b"", b"\x00\xff", b"aGk="])
def test_a_bytes_body_is_unchanged(form, body):
    assert form(body, AWARE).http_request.body == body


@each_form
@pytest.mark.usefixtures("_zone")
def test_a_time_without_a_zone_is_utc(form):
    assert form(b"", NAIVE).schedule_time == form(b"", AWARE).schedule_time == AWARE


WRITE_METHOD = {
    "message": lambda method: tasks.HttpRequest(http_method=method),
    "dict in a message": lambda method: (
        tasks.Task(http_request={"http_method": method}).http_request
    ),
    "dict in a request": lambda method: (
        tasks.CreateTaskRequest(
            {"task": {"http_request": {"http_method": method}}}
        ).task.http_request
    ),
    "dict in a list": lambda method: (
        tasks.BatchCreateTasksRequest(
            requests=[{"task": {"http_request": {"http_method": method}}}]
        )
        .requests[0]
        .task.http_request
    ),
    "app engine": lambda method: tasks.AppEngineHttpRequest(http_method=method),
    "target of a queue": lambda method: tasks.HttpTarget(http_method=method),
}
each_writer = pytest.mark.parametrize("write", WRITE_METHOD.values(), ids=WRITE_METHOD)


@each_writer
@pytest.mark.parametrize("method", ["PUT", "put", "Put", 4, tasks.HttpMethod.PUT])
def test_the_name_of_a_method_is_accepted_in_any_case(write, method):
    assert write(method).http_method is tasks.HttpMethod.PUT


@each_writer
@pytest.mark.parametrize("method", ["FETCH", "", "P UT"])
def test_an_unknown_method_is_a_value_error_that_lists_the_methods(write, method):
    message = (
        "HttpMethod must be one of POST, GET, HEAD, PUT, DELETE, PATCH, OPTIONS, "
        f"but is {method!r}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        write(method)


def test_an_enum_field_can_be_set_by_name_later():
    request = tasks.HttpRequest()
    request.http_method = "delete"
    assert request.http_method is tasks.HttpMethod.DELETE
    with pytest.raises(ValueError, match="but is 'fetch'"):
        request.http_method = "fetch"


def enum_fields():
    """Every enum field of the API's messages, as message class and field name."""
    for message in map(tasks.__dict__.get, tasks.__all__):
        if isinstance(message, type(proto.Message)):
            for field in message.pb().DESCRIPTOR.fields:
                if field.enum_type is not None:
                    yield message, field.name


@pytest.mark.parametrize(("message", "field"), list(enum_fields()))
def test_every_enum_field_accepts_names_in_any_case(message, field):
    last = message.pb().DESCRIPTOR.fields_by_name[field].enum_type.values[-1]
    assert getattr(message(**{field: last.name.lower()}), field).name == last.name


def test_a_field_that_is_assigned_is_converted_alike():
    task = tasks.Task(http_request=tasks.HttpRequest(url="https://example.com"))
    task.http_request.body = "later"
    task.schedule_time = NAIVE
    assert task.http_request.body == b"later"
    assert task.schedule_time == AWARE


def test_a_task_survives_a_round_trip_through_json():
    task = tasks.Task(A_TASK)
    assert tasks.Task.from_json(tasks.Task.to_json(task)) == task


def test_a_timestamp_keeps_its_nanoseconds():
    stamp = timestamp_pb2.Timestamp(seconds=1, nanos=5)
    assert tasks.Task(schedule_time=stamp).schedule_time.nanosecond == 5
