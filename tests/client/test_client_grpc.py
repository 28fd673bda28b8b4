"""Over gRPC our client sends, returns and raises the same as Google's."""

import contextlib
import datetime
import functools
import gc
import inspect
import weakref
from unittest import mock

import grpc
import pytest
from google.api_core import exceptions, gapic_v1, operation, retry
from google.auth.credentials import AnonymousCredentials
from google.cloud import tasks_v2 as google_tasks
from google.cloud.location import locations_pb2
from google.iam.v1 import iam_policy_pb2, policy_pb2
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2
from recorders import AGENT, Failure
from samples import (
    A_QUEUE,
    A_TASK,
    LOCATION,
    QUEUE,
    REQUESTS,
    TASK,
    assert_same_error,
    each_error_code,
    each_flattened_rpc,
    each_rpc,
    flattened,
)

from drayman import tasks
from drayman.tasks_v2.services.cloud_tasks import transports

NOW = datetime.datetime(2030, 1, 1, 1, 1, 1, 5, tzinfo=datetime.UTC)


@each_rpc
def test_a_dict_is_sent_as_googles_client_sends_it(rpc, client, google_client, recorder):
    getattr(google_client, rpc.method)(REQUESTS[rpc.method])
    googles = recorder.take_comparable()
    getattr(client, rpc.method)(REQUESTS[rpc.method])
    assert recorder.take_comparable() == googles


@each_rpc
def test_a_message_is_sent_as_googles_client_sends_it(rpc, client, google_client, recorder):
    google_rpc = getattr(google_tasks, f"{rpc.name}Request", rpc.request)
    values = REQUESTS[rpc.method]
    wrapped = hasattr(rpc.request, "pb")
    google_message = google_rpc(values) if wrapped else google_rpc(**values)
    getattr(google_client, rpc.method)(request=google_message, metadata=[("x-own", "1")])
    googles = recorder.take_comparable()
    message = rpc.request(values) if wrapped else rpc.request(**values)
    getattr(client, rpc.method)(request=message, metadata=[("x-own", "1")])
    assert recorder.take_comparable() == googles
    assert googles[1]["x-own"] == "1"


@each_flattened_rpc
def test_arguments_are_sent_as_googles_client_sends_them(rpc, client, google_client, recorder):
    getattr(google_client, rpc.method)(**flattened(rpc))
    googles = recorder.take_comparable()
    getattr(client, rpc.method)(**flattened(rpc))
    assert recorder.take_comparable() == googles


@each_rpc
def test_a_method_has_googles_arguments_in_googles_order(rpc):
    googles = inspect.signature(getattr(google_tasks.CloudTasksClient, rpc.method)).parameters
    ours = inspect.signature(getattr(tasks.CloudTasksClient, rpc.method)).parameters
    assert [name for name in ours if name in googles] == list(googles)
    assert set(ours) - set(googles) <= {"response_view"}
    assert all(ours[name].kind == googles[name].kind for name in googles)


@each_flattened_rpc
def test_a_request_together_with_arguments_is_refused(rpc, client, google_client):
    for either in (google_client, client):
        with pytest.raises(ValueError, match="request"):
            getattr(either, rpc.method)(REQUESTS[rpc.method], **flattened(rpc))


@each_rpc
def test_an_unknown_field_is_refused(rpc, client):
    with pytest.raises(ValueError, match="nonsense"):
        getattr(client, rpc.method)({"nonsense": 1})


@each_rpc
@each_error_code
def test_every_error_is_the_exception_of_googles_client(rpc, code, client, google_client, recorder):
    raised = []
    for either in (google_client, client):
        recorder.responses.append(Failure(code, "no way"))
        with pytest.raises(exceptions.GoogleAPICallError) as caught:
            getattr(either, rpc.method)(REQUESTS[rpc.method], retry=None)
        raised.append(caught.value)
        assert isinstance(caught.value.errors[0], grpc.RpcError)
    assert_same_error(*raised)


@each_rpc
def test_only_idempotent_calls_are_retried(rpc, client, google_client, recorder):
    times = []
    for either in (google_client, client):
        recorder.responses.append(Failure(grpc.StatusCode.UNAVAILABLE, "later"))
        with contextlib.suppress(exceptions.ServiceUnavailable):
            getattr(either, rpc.method)(REQUESTS[rpc.method])
        times.append(len(recorder.take()))
    assert times[0] == times[1] == (2 if rpc.retried else 1)


def test_the_retry_and_the_timeout_of_the_caller_are_used(client, recorder):
    recorder.responses.append(Failure(grpc.StatusCode.ABORTED, "again"))
    retry_aborted = retry.Retry(
        predicate=retry.if_exception_type(exceptions.Aborted), initial=0.001
    )
    client.run_task(name=TASK, retry=retry_aborted, timeout=7)
    assert [round(call.timeout) for call in recorder.take()] == [7, 7]


def test_a_timeout_of_none_sends_no_deadline(client, recorder):
    client.get_queue(name=QUEUE, timeout=None)
    assert recorder.take()[0].timeout is None


def test_the_default_of_google_api_core_means_the_default(client, recorder):
    client.get_queue(name=QUEUE, retry=gapic_v1.method.DEFAULT, timeout=gapic_v1.method.DEFAULT)
    assert round(recorder.take()[0].timeout) == 20


def test_a_response_is_a_message_of_our_package(client, recorder):
    recorder.responses.append(tasks.Task.serialize(tasks.Task(A_TASK)))
    created = client.create_task(parent=QUEUE, task=tasks.Task(A_TASK))
    assert created == tasks.Task(A_TASK)
    assert client.delete_task(name=TASK) is None


def test_response_view_is_an_argument(client, recorder):
    client.get_task(name=TASK, response_view=tasks.Task.View.FULL)
    message = tasks.GetTaskRequest.deserialize(recorder.take()[0].body)
    assert message.response_view is tasks.Task.View.FULL


def test_a_pager_fetches_each_page_when_it_is_reached(client, recorder):
    page = tasks.ListTasksResponse
    recorder.responses.extend(
        page.serialize(page(tasks=[{"name": f"{TASK}{i}"} for i in names], next_page_token=token))
        for names, token in (((0, 1), "second"), ((2,), "third"), ((), ""))
    )
    pager = client.list_tasks(parent=QUEUE, metadata=[("x-own", "1")], timeout=5)
    assert pager.next_page_token == "second"
    assert len(recorder.calls) == 1
    assert [task.name[-1] for task in pager] == ["0", "1", "2"]
    calls = recorder.take()
    tokens = [tasks.ListTasksRequest.deserialize(call.body).page_token for call in calls]
    assert tokens == ["", "second", "third"]
    assert {call.metadata["x-own"] for call in calls} == {"1"}
    assert {round(call.timeout) for call in calls} == {5}


def test_the_pages_of_a_pager_are_responses(client, recorder):
    page = tasks.ListQueuesResponse
    recorder.responses.extend(
        page.serialize(page(queues=[{"name": name}], next_page_token=token))
        for name, token in (("a", "more"), ("b", ""))
    )
    pages = list(client.list_queues(parent=LOCATION).pages)
    assert [page.queues[0].name for page in pages] == ["a", "b"]


def test_the_client_header_of_the_caller_is_merged_with_ours(client, google_client, recorder):
    header = [(AGENT, "own/1 own/2 own/1")]
    google_client.get_queue(name=QUEUE, metadata=header)
    googles = recorder.take()[0].metadata[AGENT].split()
    client.get_queue(name=QUEUE, metadata=header)
    ours = recorder.take()[0].metadata[AGENT].split()
    assert [token.split("/")[0] for token in ours] == [token.split("/")[0] for token in googles]
    assert ours[-2:] == ["own/1", "own/2"]


def test_a_transport_uses_the_channel_it_is_given(recorder):
    channel = grpc.insecure_channel(recorder.address)
    transport = transports.CloudTasksGrpcTransport(channel=channel)
    with tasks.CloudTasksClient(transport=transport) as client:
        client.get_queue(name=QUEUE)
        assert client.transport is transport
        assert transport.grpc_channel is channel
        assert client.api_endpoint == "cloudtasks.googleapis.com:443"
    assert len(recorder.take()) == 1


def test_a_stub_of_the_transport_can_be_called_and_replaced(client, recorder):
    recorder.responses.append(tasks.Queue.serialize(tasks.Queue(name=QUEUE)))
    assert client.transport.get_queue(tasks.GetQueueRequest(name=QUEUE)).name == QUEUE
    client.transport.get_queue = lambda request, **_options: tasks.Queue(name=request.name + "!")
    assert client.get_queue(name=QUEUE).name == f"{QUEUE}!"


@pytest.mark.parametrize("where", ["transport", "class"])
def test_a_stub_of_the_transport_can_be_patched_temporarily(where, client, recorder):
    client.get_queue(name=QUEUE)
    target = client.transport if where == "transport" else type(client.transport)
    with mock.patch.object(target, "get_queue") as patched:
        patched.return_value = tasks.Queue(name="patched")
        assert client.get_queue(name=QUEUE, timeout=3).name == "patched"
        (request,) = patched.call_args.args
        assert request == tasks.GetQueueRequest(name=QUEUE)
        assert patched.call_args.kwargs["timeout"] == 3
    recorder.responses.append(tasks.Queue.serialize(tasks.Queue(name="real")))
    assert client.get_queue(name=QUEUE).name == "real"


def test_the_call_method_of_a_stub_can_be_patched(client):
    with mock.patch.object(type(client.transport.get_queue), "__call__") as call:
        call.return_value = tasks.Queue(name="patched")
        assert client.get_queue(name=QUEUE).name == "patched"


RESPONSES = {
    tasks.Task: google_tasks.Task(A_TASK | {"view": 2, "first_attempt": {"dispatch_time": NOW}}),
    tasks.Queue: google_tasks.Queue(A_QUEUE | {"state": "PAUSED", "purge_time": NOW}),
    tasks.ListTasksResponse: google_tasks.ListTasksResponse(tasks=[A_TASK], next_page_token="n"),
    tasks.ListQueuesResponse: google_tasks.ListQueuesResponse(queues=[A_QUEUE]),
    tasks.CmekConfig: google_tasks.CmekConfig(name="c", kms_key="k"),
}
PROTOBUF_RESPONSES = {
    policy_pb2.Policy: policy_pb2.Policy(version=1, etag=b"e"),
    iam_policy_pb2.TestIamPermissionsResponse: iam_policy_pb2.TestIamPermissionsResponse(
        permissions=["a"]
    ),
    locations_pb2.Location: locations_pb2.Location(name="l", labels={"a": "b"}),
    locations_pb2.ListLocationsResponse: locations_pb2.ListLocationsResponse(next_page_token="n"),
    operations_pb2.Operation: operations_pb2.Operation(name="o"),
    empty_pb2.Empty: empty_pb2.Empty(),
}


@each_rpc
def test_a_response_is_the_same_as_that_of_googles_client(rpc, client, google_client, recorder):
    if rpc.response in PROTOBUF_RESPONSES:
        content = PROTOBUF_RESPONSES[rpc.response].SerializeToString()
    else:
        content = type(RESPONSES[rpc.response]).serialize(RESPONSES[rpc.response])
    recorder.responses.extend([content, content])
    google, ours = (
        getattr(either, rpc.method)(REQUESTS[rpc.method]) for either in (google_client, client)
    )
    if isinstance(google, operation.Operation):
        google, ours = google.operation, ours.operation
    assert type(ours).__name__ == type(google).__name__
    assert repr(ours) == repr(google)


class CustomTransport(transports.CloudTasksTransport):
    """A transport that a user wrote, with one method."""

    kind = "custom"

    def __init__(self):
        super().__init__(credentials=AnonymousCredentials())
        self.calls = []

    def create_task(self, request, *, timeout, metadata):
        self.calls.append((request.parent, timeout, dict(metadata)["x-goog-request-params"]))
        return tasks.Task(name="created")


def test_a_custom_transport_needs_only_the_methods_that_are_called():
    transport = CustomTransport()
    client = tasks.CloudTasksClient(transport=transport)
    assert client.create_task(parent=QUEUE, task={}).name == "created"
    assert transport.calls == [(QUEUE, 20, f"parent={QUEUE}")]


def test_a_replaced_stub_is_released(client):
    replaced = []
    for index in range(5):
        stub = functools.partial(lambda index, *_, **__: tasks.Queue(name=str(index)), index)
        client.transport.get_queue = stub
        assert client.get_queue(name=QUEUE).name == str(index)
        replaced.append(weakref.ref(stub))
    del stub
    gc.collect()
    assert [reference() is not None for reference in replaced] == [False] * 4 + [True]


@each_rpc
def test_the_annotated_result_of_a_method_is_the_response_of_its_rpc(rpc):
    for client_class in (tasks.CloudTasksClient, tasks.CloudTasksAsyncClient):
        annotated = inspect.signature(getattr(client_class, rpc.method)).return_annotation
        if rpc.response is operations_pb2.Operation and rpc.name != "GetOperation":
            assert annotated in {"operation.Operation", "operation_async.AsyncOperation"}
        elif rpc.response is empty_pb2.Empty:
            assert annotated is None
        elif rpc.response in (tasks.ListQueuesResponse, tasks.ListTasksResponse):
            assert annotated.__name__ in {f"{rpc.name}Pager", f"{rpc.name}AsyncPager"}
        else:
            assert annotated is rpc.response
