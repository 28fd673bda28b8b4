"""A call creates no reference cycles, which only the garbage collector would free.

The server runs the collector rarely, because it stops the event loop: large messages that are
refused would stay in memory until then.
"""

import gzip
import http.client

import grpc
import pytest

from garbage import collecting
from live import LiveServer

CALLS = 10
QUEUE = "projects/p/locations/l/queues/q"
LARGE_TEXT = b"x" * (64 << 10)
TASK = b'{"task": {"httpRequest": {"url": "https://a.example/"}}}'
LATE = b'{"task": {"scheduleTime": "2100-01-01T00:00:00Z"}}'
GZIP = {"Content-Encoding": "gzip"}
REST = {
    "task that is due too late": (QUEUE, LATE, {}),
    "missing queue": (QUEUE, TASK, {}),
    "no JSON": (QUEUE, b"{", {}),
    "large body": (QUEUE, LARGE_TEXT, {}),
    "large compressed body": (QUEUE, gzip.compress(LARGE_TEXT), GZIP),
    "broken gzip": (QUEUE, LARGE_TEXT, GZIP),
}
GRPC = {
    "malformed message": b"\xff",
    "missing queue": b"\x0a\x04oops",
    "large message": b"\x12" + b"\xff" * (64 << 10),
}


@pytest.fixture(scope="module")
def server():
    live = LiveServer()
    yield live
    live.stop()


@pytest.fixture
def garbage():
    with collecting("/drayman/", "drayman", "httptools", "ngh2") as collect:
        yield collect


@pytest.mark.parametrize("request_", REST.values(), ids=REST)
def test_a_refused_call_over_rest_leaves_no_cycles(server, garbage, request_):
    queue, body, fields = request_
    connection = http.client.HTTPConnection("127.0.0.1", server.server.port)

    def call():
        for _ in range(CALLS):
            connection.request("POST", f"/v2/{queue}/tasks", body, fields)
            response = connection.getresponse()
            response.read()
            assert response.status >= 400

    call()  # objects created once do not count
    garbage()
    call()
    assert garbage() == []
    connection.close()


@pytest.mark.parametrize("message", GRPC.values(), ids=GRPC)
def test_a_refused_call_over_grpc_leaves_no_cycles(server, garbage, message):
    with grpc.insecure_channel(f"127.0.0.1:{server.server.port}") as channel:
        create = channel.unary_unary("/google.cloud.tasks.v2.CloudTasks/CreateTask")

        def call():
            for _ in range(CALLS):
                with pytest.raises(grpc.RpcError):
                    create(message)

        call()
        garbage()
        call()
        assert garbage() == []
