"""One server for all API tests, with a manual clock; each test has a queue of its own.

Tests that need deliveries, and neither events nor Google's client over REST, use the testing kit.
"""

import itertools

import grpc
import pytest
from google.api_core import exceptions

from drayman.core.status import HTTP_STATUS, Code
from drayman.testing.plugin import cloud_tasks, cloud_tasks_server  # noqa: F401 - fixtures
from live import LiveServer, Worker

TRANSPORTS = ["grpc", "rest"]
LOCATION = "projects/p/locations/l"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server():
    live = LiveServer()
    yield live
    live.stop()


@pytest.fixture(scope="session")
def worker():
    worker = Worker()
    yield worker
    worker.stop()


@pytest.fixture(scope="session")
def clients(server):
    by_transport = {transport: server.client(transport) for transport in TRANSPORTS}
    yield by_transport
    for client in by_transport.values():
        client.transport.close()


@pytest.fixture(params=TRANSPORTS)
def client(request, clients):
    """Google's client, once over each transport."""
    return clients[request.param]


@pytest.fixture
def location():
    """A location that no other test uses."""
    return f"projects/p{next(_numbers)}/locations/l"


@pytest.fixture
def queue(client, location):
    """A paused queue: its tasks are not dispatched."""
    name = f"{location}/queues/q"
    client.create_queue(parent=location, queue={"name": name})
    client.pause_queue(name=name)
    return name


@pytest.fixture
def refused():
    """Check that a call is refused with a code and, unless it is None, exactly this message."""

    def check(code, message, call, *args, **kwargs):
        with pytest.raises(exceptions.GoogleAPICallError) as caught:
            call(*args, **kwargs)
        error = caught.value
        if isinstance(error.response, grpc.RpcError):
            assert error.grpc_status_code.name == code, error
            actual = error.message
        else:  # Google's client keeps no more than the HTTP status
            assert error.code == HTTP_STATUS[Code[code]], error
            content = error.response.json()["error"]
            assert (content["code"], content["status"]) == (error.code, code)
            actual = content["message"]
        if message is not None:
            assert actual == message
        return error

    return check
