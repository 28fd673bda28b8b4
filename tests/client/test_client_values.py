"""Values mean what they say, in every form that a request can be written in."""

import datetime
import time

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
def test_text_is_utf_8(form, body):
    assert form(body, AWARE).http_request.body == body.encode()


@each_form
@pytest.mark.parametrize("body", [b"", b"\x00\xff", b"aGk="])
def test_bytes_stay_what_they_are(form, body):
    assert form(body, AWARE).http_request.body == body


@each_form
@pytest.mark.usefixtures("_zone")
def test_a_time_without_a_zone_is_utc(form):
    assert form(b"", NAIVE).schedule_time == form(b"", AWARE).schedule_time == AWARE


def test_a_body_can_be_set_later():
    task = tasks.Task(http_request=tasks.HttpRequest(url="https://example.com"))
    task.http_request.body = "later"
    task.schedule_time = NAIVE
    assert task.http_request.body == b"later"
    assert task.schedule_time == AWARE


def test_json_goes_there_and_back():
    task = tasks.Task(A_TASK)
    assert tasks.Task.from_json(tasks.Task.to_json(task)) == task


def test_timestamps_are_taken_as_they_are():
    stamp = timestamp_pb2.Timestamp(seconds=1, nanos=5)
    assert tasks.Task(schedule_time=stamp).schedule_time.nanosecond == 5
