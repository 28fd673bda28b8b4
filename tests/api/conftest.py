"""One server for all API tests, with a manual clock; each test has a queue of its own."""

import itertools

import grpc
import pytest
from google.api_core import exceptions

from drayman.core.limits import TaskLimits
from drayman.core.queue import Queue, RetryConfig, creation
from drayman.core.status import HTTP_STATUS, Code
from drayman.tasks_v2 import types
from drayman.wire import tasks
from live import PATIENCE, LiveServer, Worker

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


@pytest.fixture(scope="session")
def create_dead_letters():
    """Create a queue and tasks in it that fail for good."""

    def create(server, name, task_ids):
        store, now = server.store, server.clock.now()
        queue = Queue(name, retry_config=RetryConfig(max_attempts=1))
        server.run(store.update_queue(name, creation(queue), now))
        for task_id in task_ids:
            message = types.Task.pb()(
                name=f"{name}/tasks/{task_id}",
                http_request={"url": f"http://127.0.0.1:1/{task_id}", "body": b"x"},
            )
            new_task = tasks.parse(name, message, now, TaskLimits())
            server.run(store.create_tasks(name, [new_task], now))
        while len(server.run(store.list_dead_letters(name, 0, 10))) < len(task_ids):
            server.events.get(timeout=PATIENCE)

    return create


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
