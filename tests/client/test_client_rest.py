"""Over REST our client asks what Google's asks; its exceptions are more precise."""

import contextlib
import json
import socket

import pytest
import requests
from google.api_core import exceptions
from google.cloud import tasks_v2 as google_tasks
from samples import LOCATION, QUEUE, REQUESTS, TASK

from drayman import tasks
from drayman.tasks_v2 import rpcs
from drayman.tasks_v2.services.cloud_tasks import transports

ALL = (*rpcs.RPCS, *rpcs.MIXINS)
each_rpc = pytest.mark.parametrize("rpc", ALL, ids=lambda rpc: rpc.name)


def asked(recorder):
    (one,) = recorder.take()
    one.headers.pop("User-Agent")
    assert one.headers.pop("x-goog-api-client").startswith("gl-python/")
    body = json.loads(one.body) if one.body else None
    one.headers.pop("Content-Length", None)
    return one.verb, one.path, one.headers, body


@each_rpc
def test_a_request_is_googles(rpc, rest_client, google_rest_client, rest_recorder):
    with contextlib.suppress(exceptions.GoogleAPICallError):
        getattr(google_rest_client, rpc.method)(REQUESTS[rpc.method])
    googles = asked(rest_recorder)
    getattr(rest_client, rpc.method)(REQUESTS[rpc.method], metadata=())
    assert asked(rest_recorder) == googles


@each_rpc
def test_a_name_that_does_not_fit_is_refused_before_the_call(
    rpc, rest_client, google_rest_client, rest_recorder
):
    with pytest.raises(ValueError, match=r"."):
        getattr(google_rest_client, rpc.method)({})
    with pytest.raises(
        ValueError, match=rf"{rpc.method}: {rpc.routing} must look like .*, but is ''"
    ):
        getattr(rest_client, rpc.method)({})
    assert rest_recorder.take() == []


STATUSES = {
    "ABORTED": (409, exceptions.Aborted),
    "ALREADY_EXISTS": (409, exceptions.AlreadyExists),
    "CANCELLED": (499, exceptions.Cancelled),
    "DEADLINE_EXCEEDED": (504, exceptions.DeadlineExceeded),
    "FAILED_PRECONDITION": (400, exceptions.FailedPrecondition),
    "INTERNAL": (500, exceptions.InternalServerError),
    "INVALID_ARGUMENT": (400, exceptions.InvalidArgument),
    "NOT_FOUND": (404, exceptions.NotFound),
    "OUT_OF_RANGE": (400, exceptions.OutOfRange),
    "PERMISSION_DENIED": (403, exceptions.PermissionDenied),
    "RESOURCE_EXHAUSTED": (429, exceptions.ResourceExhausted),
    "UNAVAILABLE": (503, exceptions.ServiceUnavailable),
    "UNIMPLEMENTED": (501, exceptions.MethodNotImplemented),
    "UNKNOWN": (500, exceptions.InternalServerError),
    "A_NEW_ONE": (418, exceptions.GoogleAPICallError),
}


@pytest.mark.parametrize(("status", "expected"), STATUSES.items())
def test_the_status_in_the_body_makes_the_exception_precise(
    status, expected, rest_client, google_rest_client, rest_recorder
):
    code, kind = expected
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "R", "domain": "D"}]
    error = {"error": {"code": code, "status": status, "message": "no", "details": details}}
    raised = []
    for client in (google_rest_client, rest_client):
        rest_recorder.answers.append((code, error))
        with pytest.raises(exceptions.GoogleAPICallError) as caught:
            client.create_task(parent=QUEUE, task={"name": TASK})
        raised.append(caught.value)
    google, ours = raised
    assert type(ours) is kind or kind is exceptions.GoogleAPICallError
    assert isinstance(ours, type(google))
    assert str(ours) == str(google)
    assert (ours.code, ours.details, ours.reason) == (google.code, google.details, google.reason)


def test_nobody_is_told_that_they_are_nobody(rest_client, rest_recorder):
    rest_recorder.answers.append((401, {"error": {"status": "UNAUTHENTICATED", "message": "who?"}}))
    with pytest.raises(exceptions.Unauthenticated, match="who"):
        rest_client.get_queue(name=QUEUE, retry=None)
    assert len(rest_recorder.take()) == 1


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"error": "x"}', b'{"error": {}}'])
def test_an_error_in_another_form_is_the_http_codes(content, rest_client, rest_recorder):
    rest_recorder.answers.append((409, content))
    with pytest.raises(exceptions.Conflict):
        rest_client.create_task(parent=QUEUE, task={"name": TASK})


@pytest.mark.parametrize(("code", "status"), [(503, "UNAVAILABLE"), (504, "DEADLINE_EXCEEDED")])
def test_harmless_calls_are_repeated(code, status, rest_client, rest_recorder):
    rest_recorder.answers.append((code, {"error": {"status": status}}))
    rest_client.get_queue(name=QUEUE)
    assert len(rest_recorder.take()) == 2


@pytest.fixture
def silent():
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def absent():
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def rest_at(address):
    return tasks.CloudTasksClient(transport="rest", client_options={"api_endpoint": address})


def test_no_answer_in_time_is_an_exception_of_both_worlds(silent):
    with rest_at(silent) as client:
        with pytest.raises(exceptions.DeadlineExceeded, match="timed out") as caught:
            client.create_task(parent=QUEUE, task={}, timeout=0.05)
        assert isinstance(caught.value, requests.ReadTimeout)
        assert isinstance(caught.value.__cause__, requests.ReadTimeout)
        assert (caught.value.code, caught.value.response) == (504, None)
        (one,) = client.create_tasks(QUEUE, [{}], timeout=0.05, retry=None)
        assert isinstance(one.error, exceptions.DeadlineExceeded)


def test_no_connection_is_an_exception_of_both_worlds(absent):
    with rest_at(absent) as client:
        with pytest.raises(exceptions.ServiceUnavailable, match="refused") as caught:
            client.create_task(parent=QUEUE, task={})
        assert isinstance(caught.value, requests.ConnectionError)
        assert caught.value.request.method == "POST"
        (one,) = client.create_tasks(QUEUE, [{}], retry=None)
        assert isinstance(one.error, exceptions.ServiceUnavailable)


def test_a_response_is_our_message(rest_client, google_rest_client, rest_recorder):
    answer = {
        "name": TASK,
        "httpRequest": {"url": "https://example.com", "httpMethod": "PUT", "body": "aGk="},
        "scheduleTime": "2030-01-02T03:04:05.678Z",
        "dispatchDeadline": "20.500s",
        "view": 2,
        "somethingNew": {"x": 1},
    }
    rest_recorder.answers.extend([(200, answer)] * 2)
    theirs = google_rest_client.get_task(name=TASK)
    ours = rest_client.get_task(name=TASK)
    assert tasks.Task.serialize(ours) == google_tasks.Task.serialize(theirs)
    assert ours.http_request.body == b"hi"
    assert rest_client.delete_task(name=TASK) is None


def test_a_list_fetches_its_pages(rest_client, rest_recorder):
    rest_recorder.answers.extend(
        [
            (200, {"queues": [{"name": "a"}], "nextPageToken": "more"}),
            (200, {"queues": [{"name": "b"}]}),
        ]
    )
    assert [queue.name for queue in rest_client.list_queues(parent=LOCATION)] == ["a", "b"]
    assert "pageToken=more" in rest_recorder.take()[1].path


def hooks(module):
    interceptor = module.CloudTasksRestInterceptor
    return {name for name in dir(interceptor) if name.startswith(("pre_", "post_"))}


def test_the_interceptor_has_googles_hooks():
    assert hooks(transports) == hooks(google_tasks.services.cloud_tasks.transports)


def test_an_interceptor_sees_and_changes_what_passes(rest_recorder):
    class Own(transports.CloudTasksRestInterceptor):
        def pre_get_queue(self, request, metadata):
            request.name += "2"
            return request, [*metadata, ("x-own", "1")]

        def post_get_queue(self, response):
            response.name += "!"
            return response

        def post_get_queue_with_metadata(self, response, metadata):
            response.name += dict(metadata)["Content-Type"]
            return response, metadata

    rest_recorder.answers.append((200, {"name": "n"}))
    transport = transports.CloudTasksRestTransport(
        host=rest_recorder.address, url_scheme="http", interceptor=Own()
    )
    with tasks.CloudTasksClient(transport=transport) as client:
        assert client.get_queue(name=QUEUE).name == "n!application/json"
    (one,) = rest_recorder.take()
    assert one.path.startswith(f"/v2/{QUEUE}2?")
    assert one.headers["x-own"] == "1"


def test_kinds_and_hosts_are_googles(rest_client, google_rest_client, client, google_client):
    assert rest_client.transport.kind == google_rest_client.transport.kind
    assert rest_client.transport.host == google_rest_client.transport.host
    assert client.transport.kind == google_client.transport.kind
