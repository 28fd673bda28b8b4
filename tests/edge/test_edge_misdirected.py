"""Clients that speak another protocol than the port they have connected to learn the right one."""

import contextlib
import http.client
import json
import socket
import ssl

import grpc
import ngh2
import pytest
import requests
from google.api_core import exceptions
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

from certificates import Authority
from drayman.core.clock import ManualClock
from drayman.core.events import HandshakeFailed
from drayman.edge import limits, misdirected
from drayman.edge.budget import ConnectionLimit
from live import PATIENCE, LiveServer

PARENT = "projects/p/locations/l"


@pytest.fixture(scope="module")
def plain():
    live = LiveServer(http_port="0")
    yield live
    live.stop()


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture(scope="module")
def secure(tmp_path_factory, authority):
    identity = authority.issue()
    both = tmp_path_factory.mktemp("tls") / "both.pem"
    both.write_bytes(identity.key + identity.certificate)
    live = LiveServer(http_port="0", tls_cert=str(both))
    yield live
    live.stop()


def grpc_error(address):
    """Return the error of a call by Google's client, over gRPC without TLS."""
    with grpc.insecure_channel(address) as channel:
        client = tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))
        with pytest.raises(exceptions.MethodNotImplemented) as caught:
            list(client.list_queues(parent=PARENT, timeout=PATIENCE))
    return caught.value.message


def raw_answer(port, data):
    """Send bytes, and return all that comes until the server ends its half."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def test_a_grpc_client_of_the_http_port_learns_the_port_of_grpc(plain):
    message = grpc_error(f"127.0.0.1:{plain.server.http_port}")
    assert message == (
        "This port (--http-port) serves HTTP/1.1 alone; gRPC is served on "
        f"{plain.address} (--port)."
    )


@pytest.mark.parametrize("port", ["port", "http_port"])
def test_clients_without_tls_learn_that_a_port_speaks_it(secure, port):
    number = getattr(secure.server, port)
    assert grpc_error(f"127.0.0.1:{number}") == misdirected.TLS_REQUIRED
    response = requests.get(f"http://127.0.0.1:{number}/healthz", timeout=PATIENCE)
    assert response.status_code == 400
    assert response.json()["error"]["message"] == misdirected.TLS_REQUIRED
    assert secure.next_event(HandshakeFailed).message == "the client speaks plain text"


@pytest.mark.parametrize("port", ["port", "http_port"])
def test_a_client_with_tls_of_a_port_without_gets_a_response_in_plain_text(plain, port):
    number = getattr(plain.server, port)
    answer = raw_answer(number, b"\x16\x03\x01\x02\x00 a TLS hello")
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert misdirected.TLS_REFUSED.encode() in answer
    with (
        contextlib.closing(http.client.HTTPSConnection("127.0.0.1", number)) as connection,
        pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"),
    ):
        connection.connect()


def test_a_request_that_is_still_sent_does_not_lose_the_answer(secure):
    answer = raw_answer(secure.server.port, b"POST / HTTP/1.1\r\n\r\n" + b"x" * (1 << 20))
    assert misdirected.TLS_REQUIRED.encode() in answer


def http2_answer(port):
    """Return the events of a client that sends a request over HTTP/2."""
    client = ngh2.Connection(ngh2.Role.CLIENT, ngh2.Configuration())
    client.initiate_connection({})
    client.send_request(
        [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")],
        end_stream=True,
    )
    client.receive_data(raw_answer(port, client.data_to_send(1 << 16)))
    return client.events()


def test_a_client_of_http2_that_is_not_grpc_is_answered_too(plain):
    events = http2_answer(plain.server.http_port)
    bodies = [event.data for event in events if isinstance(event, ngh2.DataReceived)]
    message = misdirected.http2_refused(plain.address)
    assert json.loads(b"".join(bodies))["error"]["message"] == message


def test_grpc_over_http1_learns_that_it_needs_http2(plain):
    response = requests.post(
        f"{plain.url}/google.cloud.tasks.v2.CloudTasks/ListQueues",
        headers={"Content-Type": "application/grpc"},
        timeout=PATIENCE,
    )
    assert response.status_code == 404
    assert response.json()["error"]["message"] == (
        "gRPC needs HTTP/2, and this request came over HTTP/1.1: a proxy in between must pass "
        "calls on over HTTP/2 (nginx: grpc_pass)."
    )


def test_a_misdirected_connection_counts_and_has_a_limited_time():
    clock, limit = ManualClock(), ConnectionLimit(total=1, per_address=1)

    class Transport:
        aborted = False

        def get_extra_info(self, _name):
            return ("192.0.2.1", 1)

        def abort(self):
            self.aborted = True

    first, second = Transport(), Transport()
    for transport in (first, second):
        misdirected.Http1Refusal("no", clock, limit).connection_made(transport)
    assert (first.aborted, second.aborted) == (False, True)
    clock.advance(limits.PREFACE_TIMEOUT)
    assert first.aborted
