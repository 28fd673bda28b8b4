"""A call that fails says which server failed and why, or which name was not found."""

import socket

import grpc
import pytest
from google.api_core import exceptions, retry
from google.auth.credentials import AnonymousCredentials
from recorders import Failure, GrpcRecorder
from samples import LOCATION, QUEUE, REQUESTS, TASK, each_rpc

from certificates import Authority
from drayman import tasks
from drayman.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport, rest

CONNECTION_ERRORS = (exceptions.ServiceUnavailable, exceptions.DeadlineExceeded)
each_transport = pytest.mark.parametrize("transport", ["grpc", "grpc_asyncio", "rest"])


async def call(transport, endpoint, method="create_task", request=None, **options):
    """Make one call with a client of its own."""
    request = request or REQUESTS[method]
    arguments = {
        "client_options": {"api_endpoint": endpoint},
        "credentials": AnonymousCredentials(),
    }
    options = {"timeout": 20.0, "retry": None, **options}
    if transport == "grpc_asyncio":
        async with tasks.CloudTasksAsyncClient(**arguments) as client:
            return await getattr(client, method)(request, **options)
    with tasks.CloudTasksClient(transport=transport, **arguments) as client:
        return getattr(client, method)(request, **options)


async def failure(transport, endpoint, *expected, **options):
    """Return the exception of a call."""
    with pytest.raises(expected or CONNECTION_ERRORS) as caught:
        await call(transport, endpoint, **options)
    return caught.value


@pytest.fixture
def closed_port():
    """An address that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"127.0.0.1:{port}"


@pytest.fixture
def full_port():
    """An address that does not answer to attempts to connect: its backlog is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        for each in waiting:
            each.close()


@pytest.fixture
def silent_port():
    """An address that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(scope="session")
def tls_server():
    """A gRPC server with TLS."""
    identity = Authority().issue()
    server = GrpcRecorder(grpc.ssl_server_credentials([(identity.key, identity.certificate)]))
    yield server
    server.stop()


@each_transport
@each_rpc
async def test_every_call_names_the_server_that_refuses_connections(rpc, transport, closed_port):
    error = await failure(transport, f"http://{closed_port}", method=rpc.method)
    assert isinstance(error, exceptions.ServiceUnavailable)
    assert "refused" in str(error)
    assert str(error).endswith(f"{closed_port})")
    assert "(server: " not in error.message


@each_transport
async def test_a_call_names_the_host_that_has_no_address(transport):
    error = await failure(transport, "http://no-such-host.invalid:8123")
    assert "no-such-host.invalid:8123" in str(error)


@each_transport
async def test_a_call_to_an_unroutable_address_ends_with_its_timeout(transport, full_port):
    error = await failure(transport, f"http://{full_port}", timeout=0.2)
    assert full_port in str(error)
    assert str(error).endswith("timeout: 0.2 s)")


async def test_without_a_timeout_a_call_over_rest_waits_a_limited_time_for_a_connection(
    full_port, monkeypatch
):
    monkeypatch.setattr(rest, "CONNECT_TIMEOUT", 0.2)
    error = await failure("rest", f"http://{full_port}", timeout=None)
    assert str(error).endswith(f"(server: http://{full_port})")


@each_transport
async def test_a_call_names_the_server_that_does_not_respond(transport, silent_port):
    error = await failure(transport, f"http://{silent_port}", timeout=0.2)
    assert isinstance(error, exceptions.DeadlineExceeded)
    assert f"{silent_port}, timeout: 0.2 s)" in str(error)


@each_transport
async def test_a_call_with_tls_names_the_port_without(transport, recorder, rest_recorder):
    address = (rest_recorder if transport == "rest" else recorder).address
    error = await failure(transport, f"https://{address}")
    assert "SSL" in str(error)
    assert address in str(error)


@each_transport
async def test_a_call_in_plain_text_names_the_port_with_tls(transport, tls_server):
    error = await failure(transport, f"http://{tls_server.address}")
    assert tls_server.address in str(error)


@each_transport
async def test_a_call_names_the_port_that_speaks_another_protocol(
    transport, recorder, rest_recorder
):
    address = (recorder if transport == "rest" else rest_recorder).address
    error = await failure(transport, f"http://{address}", *CONNECTION_ERRORS, exceptions.Unknown)
    assert address in str(error)


@pytest.mark.parametrize("content", [b"<html>hello</html>", b"[]", b"\xff"])
async def test_a_web_server_in_the_place_of_the_api_is_an_unknown_error(content, rest_recorder):
    rest_recorder.responses.append((200, content))
    error = await failure("rest", f"http://{rest_recorder.address}", exceptions.Unknown)
    assert f"the response is not a JSON object but {content!r}" in str(error)
    assert error.response.status_code == 200


def test_retries_that_are_exhausted_name_the_server(client, recorder):
    recorder.handler = lambda _method, _body: Failure(grpc.StatusCode.UNAVAILABLE, "later")
    with pytest.raises(exceptions.RetryError) as caught:
        client.get_queue(name=QUEUE, retry=retry.Retry(timeout=0.01, initial=0.01))
    assert str(caught.value).endswith(f"503 later (server: {recorder.address})")


def test_a_channel_of_the_caller_has_no_known_server(recorder):
    recorder.responses.append(Failure(grpc.StatusCode.UNAVAILABLE, "later"))
    transport = CloudTasksGrpcTransport(channel=grpc.insecure_channel(recorder.address))
    with tasks.CloudTasksClient(transport=transport) as client:
        with pytest.raises(exceptions.ServiceUnavailable) as caught:
            client.create_task(parent=QUEUE, task={"name": TASK})
        assert str(caught.value) == "503 later"


NO_QUEUE = (
    "Queue does not exist. If you just created the queue, "
    "wait at least a minute for the queue to initialize."
)
NAMES = {
    "create_task": QUEUE,
    "get_queue": QUEUE,
    "list_tasks": QUEUE,
    "get_task": TASK,
    "batch_create_tasks": QUEUE,
    "update_queue": QUEUE,
    "get_location": LOCATION,
}


@each_transport
@pytest.mark.parametrize(("method", "name"), NAMES.items())
async def test_an_error_adds_the_name_that_was_not_found_to_googles_words(
    transport, method, name, recorder, rest_recorder
):
    recorder.responses.append(Failure(grpc.StatusCode.NOT_FOUND, NO_QUEUE))
    status = {"error": {"code": 404, "status": "NOT_FOUND", "message": NO_QUEUE}}
    rest_recorder.responses.append((404, status))
    address = (rest_recorder if transport == "rest" else recorder).address
    error = await failure(transport, f"http://{address}", exceptions.NotFound, method=method)
    assert error.message.endswith(NO_QUEUE)
    assert str(error) == f"404 {error.message} ({name})"
