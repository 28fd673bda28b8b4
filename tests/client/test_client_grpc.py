"""Over gRPC our client sends what Google's sends, and gives or raises what Google's does."""

import contextlib
import datetime
import inspect
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
from recording import Failure
from samples import A_QUEUE, A_TASK, LOCATION, QUEUE, REQUESTS, TASK

from drayman import tasks
from drayman.tasks_v2 import rpcs
from drayman.tasks_v2.services.cloud_tasks import transports

ALL = (*rpcs.RPCS, *rpcs.MIXINS)
each_rpc = pytest.mark.parametrize("rpc", ALL, ids=lambda rpc: rpc.name)
AGENT = "x-goog-api-client"
NOW = datetime.datetime(2030, 1, 1, 1, 1, 1, 5, tzinfo=datetime.UTC)


def sent(recorder):
    (one,) = recorder.take()
    agent = one.metadata.pop(AGENT)
    one.metadata.pop("user-agent")
    assert agent.startswith("gl-python/")
    return one.method, one.metadata, one.body, one.timeout and round(one.timeout)


def fields(rpc):
    """The flattened arguments of a sample request."""
    return {name: REQUESTS[rpc.method].get(name) for name in rpc.flattened}


@each_rpc
def test_a_dict_goes_over_the_wire_as_googles(rpc, client, google_client, recorder):
    getattr(google_client, rpc.method)(REQUESTS[rpc.method])
    googles = sent(recorder)
    getattr(client, rpc.method)(REQUESTS[rpc.method])
    assert sent(recorder) == googles


@each_rpc
def test_a_message_goes_over_the_wire_as_googles(rpc, client, google_client, recorder):
    google_rpc = getattr(google_tasks, f"{rpc.name}Request", rpc.request)
    values = REQUESTS[rpc.method]
    wrapped = hasattr(rpc.request, "pb")
    google_message = google_rpc(values) if wrapped else google_rpc(**values)
    getattr(google_client, rpc.method)(request=google_message, metadata=[("x-own", "1")])
    googles = sent(recorder)
    message = rpc.request(values) if wrapped else rpc.request(**values)
    getattr(client, rpc.method)(request=message, metadata=[("x-own", "1")])
    assert sent(recorder) == googles
    assert googles[1]["x-own"] == "1"


@pytest.mark.parametrize("rpc", rpcs.RPCS, ids=lambda rpc: rpc.name)
def test_arguments_go_over_the_wire_as_googles(rpc, client, google_client, recorder):
    getattr(google_client, rpc.method)(**fields(rpc))
    googles = sent(recorder)
    getattr(client, rpc.method)(**fields(rpc))
    assert sent(recorder) == googles


@each_rpc
def test_signature_has_googles_arguments_in_googles_order(rpc):
    googles = inspect.signature(getattr(google_tasks.CloudTasksClient, rpc.method)).parameters
    ours = inspect.signature(getattr(tasks.CloudTasksClient, rpc.method)).parameters
    assert [name for name in ours if name in googles] == list(googles)
    assert set(ours) - set(googles) <= {"response_view"}
    assert all(ours[name].kind == googles[name].kind for name in googles)


@pytest.mark.parametrize("rpc", rpcs.RPCS, ids=lambda rpc: rpc.name)
def test_request_and_arguments_together_are_refused(rpc, client, google_client):
    for one in (google_client, client):
        with pytest.raises(ValueError, match="request"):
            getattr(one, rpc.method)(REQUESTS[rpc.method], **fields(rpc))


@each_rpc
def test_a_field_that_is_none_is_refused(rpc, client):
    with pytest.raises(ValueError, match="nonsense"):
        getattr(client, rpc.method)({"nonsense": 1})


@each_rpc
@pytest.mark.parametrize(
    "code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
)
def test_every_failure_is_googles_exception(rpc, code, client, google_client, recorder):
    raised = []
    for one in (google_client, client):
        recorder.answers.append(Failure(code, "no way"))
        with pytest.raises(exceptions.GoogleAPICallError) as caught:
            getattr(one, rpc.method)(REQUESTS[rpc.method], retry=None)
        error = caught.value
        raised.append((type(error), error.message, error.grpc_status_code, str(error)))
        assert isinstance(error.errors[0], grpc.RpcError)
    assert raised[0] == raised[1]


@each_rpc
def test_only_harmless_calls_are_repeated(rpc, client, google_client, recorder):
    times = []
    for one in (google_client, client):
        recorder.answers.append(Failure(grpc.StatusCode.UNAVAILABLE, "later"))
        with contextlib.suppress(exceptions.ServiceUnavailable):
            getattr(one, rpc.method)(REQUESTS[rpc.method])
        times.append(len(recorder.take()))
    assert times[0] == times[1] == (2 if rpc.retried else 1)


def test_a_retry_and_a_timeout_of_the_callers_own(client, recorder):
    recorder.answers.append(Failure(grpc.StatusCode.ABORTED, "again"))
    own = retry.Retry(predicate=retry.if_exception_type(exceptions.Aborted), initial=0.001)
    client.run_task(name=TASK, retry=own, timeout=7)
    assert [round(one.timeout) for one in recorder.take()] == [7, 7]


def test_without_a_timeout_there_is_none(client, recorder):
    client.get_queue(name=QUEUE, timeout=None)
    assert recorder.take()[0].timeout is None


def test_google_names_for_no_argument_are_understood(client, recorder):
    client.get_queue(name=QUEUE, retry=gapic_v1.method.DEFAULT, timeout=gapic_v1.method.DEFAULT)
    assert round(recorder.take()[0].timeout) == 20


def test_a_response_is_our_message(client, recorder):
    recorder.answers.append(tasks.Task.serialize(tasks.Task(A_TASK)))
    created = client.create_task(parent=QUEUE, task=tasks.Task(A_TASK))
    assert created == tasks.Task(A_TASK)
    assert client.delete_task(name=TASK) is None


def test_response_view_is_an_argument_of_its_own(client, recorder):
    client.get_task(name=TASK, response_view=tasks.Task.View.FULL)
    message = tasks.GetTaskRequest.deserialize(recorder.take()[0].body)
    assert message.response_view is tasks.Task.View.FULL


def test_a_list_fetches_its_pages_as_they_are_needed(client, recorder):
    page = tasks.ListTasksResponse
    recorder.answers.extend(
        page.serialize(page(tasks=[{"name": f"{TASK}{i}"} for i in names], next_page_token=token))
        for names, token in (((0, 1), "second"), ((2,), "third"), ((), ""))
    )
    pager = client.list_tasks(parent=QUEUE, metadata=[("x-own", "1")], timeout=5)
    assert pager.next_page_token == "second"
    assert len(recorder.received) == 1
    assert [task.name[-1] for task in pager] == ["0", "1", "2"]
    received = recorder.take()
    tokens = [tasks.ListTasksRequest.deserialize(one.body).page_token for one in received]
    assert tokens == ["", "second", "third"]
    assert {one.metadata["x-own"] for one in received} == {"1"}
    assert {round(one.timeout) for one in received} == {5}


def test_pages_are_responses(client, recorder):
    page = tasks.ListQueuesResponse
    recorder.answers.extend(
        page.serialize(page(queues=[{"name": name}], next_page_token=token))
        for name, token in (("a", "more"), ("b", ""))
    )
    pages = list(client.list_queues(parent=LOCATION).pages)
    assert [page.queues[0].name for page in pages] == ["a", "b"]


def test_a_callers_agent_joins_ours(client, google_client, recorder):
    own = [(AGENT, "own/1 own/2 own/1")]
    google_client.get_queue(name=QUEUE, metadata=own)
    googles = recorder.take()[0].metadata[AGENT].split()
    client.get_queue(name=QUEUE, metadata=own)
    ours = recorder.take()[0].metadata[AGENT].split()
    assert [token.split("/")[0] for token in ours] == [token.split("/")[0] for token in googles]
    assert ours[-2:] == ["own/1", "own/2"]


def test_a_transport_is_made_from_a_channel(recorder):
    channel = grpc.insecure_channel(recorder.address)
    transport = transports.CloudTasksGrpcTransport(channel=channel)
    with tasks.CloudTasksClient(transport=transport) as client:
        client.get_queue(name=QUEUE)
        assert client.transport is transport
        assert transport.grpc_channel is channel
        assert client.api_endpoint == "cloudtasks.googleapis.com:443"
    assert len(recorder.take()) == 1


def test_an_attribute_of_the_transport_can_be_called_and_replaced(client, recorder):
    recorder.answers.append(tasks.Queue.serialize(tasks.Queue(name=QUEUE)))
    assert client.transport.get_queue(tasks.GetQueueRequest(name=QUEUE)).name == QUEUE
    client.transport.get_queue = lambda request, **_options: tasks.Queue(name=request.name + "!")
    assert client.get_queue(name=QUEUE).name == f"{QUEUE}!"


@pytest.mark.parametrize("where", ["transport", "class"])
def test_an_attribute_of_the_transport_can_be_patched_for_a_while(where, client, recorder):
    client.get_queue(name=QUEUE)
    target = client.transport if where == "transport" else type(client.transport)
    with mock.patch.object(target, "get_queue") as patched:
        patched.return_value = tasks.Queue(name="patched")
        assert client.get_queue(name=QUEUE, timeout=3).name == "patched"
        (request,) = patched.call_args.args
        assert request == tasks.GetQueueRequest(name=QUEUE)
        assert patched.call_args.kwargs["timeout"] == 3
    recorder.answers.append(tasks.Queue.serialize(tasks.Queue(name="real")))
    assert client.get_queue(name=QUEUE).name == "real"


def test_a_stubs_call_can_be_patched(client):
    with mock.patch.object(type(client.transport.get_queue), "__call__") as call:
        call.return_value = tasks.Queue(name="patched")
        assert client.get_queue(name=QUEUE).name == "patched"


A_RESPONSE = {
    tasks.Task: google_tasks.Task(A_TASK | {"view": 2, "first_attempt": {"dispatch_time": NOW}}),
    tasks.Queue: google_tasks.Queue(A_QUEUE | {"state": "PAUSED", "purge_time": NOW}),
    tasks.ListTasksResponse: google_tasks.ListTasksResponse(tasks=[A_TASK], next_page_token="n"),
    tasks.ListQueuesResponse: google_tasks.ListQueuesResponse(queues=[A_QUEUE]),
    tasks.CmekConfig: google_tasks.CmekConfig(name="c", kms_key="k"),
}
PLAIN = {
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
def test_what_comes_back_is_what_googles_client_gives(rpc, client, google_client, recorder):
    if rpc.response in PLAIN:
        answer = PLAIN[rpc.response].SerializeToString()
    else:
        answer = type(A_RESPONSE[rpc.response]).serialize(A_RESPONSE[rpc.response])
    given = []
    for one in (google_client, client):
        recorder.answers.append(answer)
        given.append(getattr(one, rpc.method)(REQUESTS[rpc.method]))
    google, ours = given
    if isinstance(google, operation.Operation):
        google, ours = google.operation, ours.operation
    assert type(ours).__name__ == type(google).__name__
    assert repr(ours) == repr(google)


class Own(transports.CloudTasksTransport):
    """A transport of somebody's own, which makes one call by itself."""

    kind = "own"

    def __init__(self):
        super().__init__(credentials=AnonymousCredentials())
        self.seen = []

    def create_task(self, request, *, timeout, metadata):
        self.seen.append((request.parent, timeout, dict(metadata)["x-goog-request-params"]))
        return tasks.Task(name="made")


def test_a_transport_of_ones_own_needs_its_calls_alone():
    transport = Own()
    client = tasks.CloudTasksClient(transport=transport)
    assert client.create_task(parent=QUEUE, task={}).name == "made"
    assert transport.seen == [(QUEUE, 20, f"parent={QUEUE}")]


def test_replaced_calls_are_forgotten(client):
    for index in range(5):
        client.transport.get_queue = lambda *_, index=index, **__: tasks.Queue(name=str(index))
        assert client.get_queue(name=QUEUE).name == str(index)
    assert len(client.transport._wrapped_methods) == 1
