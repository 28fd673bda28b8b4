"""Over REST our client sends the same as Google's. Its exceptions are more precise."""

import contextlib
import socket

import pytest
import requests
from google.api_core import exceptions
from google.cloud import tasks_v2 as google_tasks
from samples import LOCATION, QUEUE, REQUESTS, TASK, each_rpc

from drayman import tasks
from drayman.tasks_v2.services.cloud_tasks import transports


@each_rpc
def test_a_request_is_sent_as_googles_client_sends_it(
    rpc, rest_client, google_rest_client, rest_recorder
):
    with contextlib.suppress(exceptions.GoogleAPICallError):
        getattr(google_rest_client, rpc.method)(REQUESTS[rpc.method])
    googles = rest_recorder.take_comparable()
    getattr(rest_client, rpc.method)(REQUESTS[rpc.method], metadata=())
    assert rest_recorder.take_comparable() == googles


@each_rpc
def test_a_name_that_does_not_match_the_path_is_refused_before_the_call(
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


def reason(error):
    """Return the reason of an error, or why older versions of google-api-core have none."""
    try:
        return error.reason
    except AttributeError as fault:
        return str(fault)


@pytest.mark.parametrize(("status", "expected"), STATUSES.items())
def test_the_status_name_in_the_body_selects_the_exception(
    status, expected, rest_client, google_rest_client, rest_recorder
):
    code, expected_class = expected
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "R", "domain": "D"}]
    error = {"error": {"code": code, "status": status, "message": "no", "details": details}}
    raised = []
    for client in (google_rest_client, rest_client):
        rest_recorder.responses.append((code, error))
        with pytest.raises(exceptions.GoogleAPICallError) as caught:
            client.create_task(parent=QUEUE, task={"name": TASK})
        raised.append(caught.value)
    google, ours = raised
    assert isinstance(ours, expected_class)
    assert ours.__class__.__name__ == expected_class.__name__ or code == 418
    assert isinstance(ours, type(google))
    assert (ours.message, str(ours)[: len(str(google))]) == (google.message, str(google))
    assert (ours.code, ours.details, reason(ours)) == (google.code, google.details, reason(google))


def test_a_401_without_credentials_is_not_retried(rest_client, rest_recorder):
    rest_recorder.responses.append(
        (401, {"error": {"status": "UNAUTHENTICATED", "message": "who?"}})
    )
    with pytest.raises(exceptions.Unauthenticated, match="who"):
        rest_client.get_queue(name=QUEUE, retry=None)
    assert len(rest_recorder.take()) == 1


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"error": "x"}', b'{"error": {}}'])
def test_a_body_of_another_form_leaves_the_exception_to_the_status_code(
    content, rest_client, rest_recorder
):
    rest_recorder.responses.append((409, content))
    with pytest.raises(exceptions.Conflict):
        rest_client.create_task(parent=QUEUE, task={"name": TASK})


@pytest.mark.parametrize(("code", "status"), [(503, "UNAVAILABLE"), (504, "DEADLINE_EXCEEDED")])
def test_idempotent_calls_are_retried(code, status, rest_client, rest_recorder):
    rest_recorder.responses.append((code, {"error": {"status": status}}))
    rest_client.get_queue(name=QUEUE)
    assert len(rest_recorder.take()) == 2


@pytest.fixture
def silent_server():
    """The address of a server that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def unused_address():
    """An address that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def rest_client_for(address):
    return tasks.CloudTasksClient(transport="rest", client_options={"api_endpoint": address})


def test_a_timeout_is_an_exception_of_google_api_core_and_of_requests(silent_server):
    with rest_client_for(silent_server) as client:
        with pytest.raises(exceptions.DeadlineExceeded, match="timed out") as caught:
            client.create_task(parent=QUEUE, task={}, timeout=0.05)
        assert isinstance(caught.value, requests.ReadTimeout)
        assert isinstance(caught.value.__cause__, requests.ReadTimeout)
        assert (caught.value.code, caught.value.response) == (504, None)
        (creation,) = client.create_tasks(QUEUE, [{}], timeout=0.05, retry=None)
        assert isinstance(creation.error, exceptions.DeadlineExceeded)


def test_a_refused_connection_is_an_exception_of_google_api_core_and_of_requests(unused_address):
    with rest_client_for(unused_address) as client:
        with pytest.raises(exceptions.ServiceUnavailable, match="refused") as caught:
            client.create_task(parent=QUEUE, task={})
        assert isinstance(caught.value, requests.ConnectionError)
        assert caught.value.request.method == "POST"
        (creation,) = client.create_tasks(QUEUE, [{}], retry=None)
        assert isinstance(creation.error, exceptions.ServiceUnavailable)


def test_a_response_is_a_message_of_our_package(rest_client, google_rest_client, rest_recorder):
    response = {
        "name": TASK,
        "httpRequest": {"url": "https://example.com", "httpMethod": "PUT", "body": "aGk="},
        "scheduleTime": "2030-01-02T03:04:05.678Z",
        "dispatchDeadline": "20.500s",
        "view": 2,
        "somethingNew": {"x": 1},
    }
    rest_recorder.responses.extend([(200, response)] * 2)
    theirs = google_rest_client.get_task(name=TASK)
    ours = rest_client.get_task(name=TASK)
    assert tasks.Task.serialize(ours) == google_tasks.Task.serialize(theirs)
    assert ours.http_request.body == b"hi"
    assert rest_client.delete_task(name=TASK) is None


def test_a_pager_fetches_each_page(rest_client, rest_recorder):
    rest_recorder.responses.extend(
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


def test_an_interceptor_sees_and_changes_requests_and_responses(rest_recorder):
    class AddingInterceptor(transports.CloudTasksRestInterceptor):
        def pre_get_queue(self, request, metadata):
            request.name += "2"
            return request, [*metadata, ("x-own", "1")]

        def post_get_queue(self, response):
            response.name += "!"
            return response

        def post_get_queue_with_metadata(self, response, metadata):
            response.name += dict(metadata)["Content-Type"]
            return response, metadata

    rest_recorder.responses.append((200, {"name": "n"}))
    transport = transports.CloudTasksRestTransport(
        host=rest_recorder.address, url_scheme="http", interceptor=AddingInterceptor()
    )
    with tasks.CloudTasksClient(transport=transport) as client:
        assert client.get_queue(name=QUEUE).name == "n!application/json"
    (call,) = rest_recorder.take()
    assert call.path.startswith(f"/v2/{QUEUE}2?")
    assert call.headers["x-own"] == "1"


def test_the_kind_and_host_of_a_transport_are_googles(
    rest_client, google_rest_client, client, google_client
):
    assert rest_client.transport.kind == google_rest_client.transport.kind
    assert rest_client.transport.host == google_rest_client.transport.host
    assert client.transport.kind == google_client.transport.kind
