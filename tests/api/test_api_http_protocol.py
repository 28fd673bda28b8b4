"""HTTP/1.1 on the wire: offers of an upgrade, however the bytes arrive, and bodies cut short."""

import asyncio
import base64
import itertools
import json
import re
import shutil
import socket
import subprocess

import pytest
from google.cloud import tasks_v2
from hypothesis import given
from hypothesis import strategies as st

from drayman.api.responses import Response
from drayman.core.clock import ManualClock
from drayman.edge.budget import Capacity
from drayman.edge.http1 import Connections, HttpProtocol

H2C = {
    "Connection": "Upgrade, HTTP2-Settings",
    "Upgrade": "h2c",
    "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
}
"""What the JDK's client and curl send by default, with the intent of speaking HTTP/2."""
SIZES = [100, 1_000_000]


class Transport(asyncio.Transport):
    """A connection whose other end is a list of bytes."""

    def __init__(self):
        super().__init__()
        self.written = b""
        self.ended = self.closing = False

    def write(self, data):
        self.written += data

    def can_write_eof(self):
        return True

    def write_eof(self):
        self.ended = True

    def close(self):
        self.closing = True

    def is_closing(self):
        return self.closing

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


class Echo:
    """Answers with the request as it was understood."""

    def refuse(self, _request):
        return None

    def body_limit(self, _request):
        return 1 << 20

    async def answer(self, request):
        line = f"{request.method} {request.path}\n".encode()
        return Response(200, line + request.content)


async def answers():
    """Wait for all answers that are on the way, and for what they lead to in the next turn."""
    turn = asyncio.get_running_loop().create_future()
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.gather(*others)
    asyncio.get_running_loop().call_later(0, turn.set_result, None)
    await turn
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.gather(*others)


async def exchange(pieces):
    """Return what a connection answers to bytes that arrive in pieces."""
    protocol = HttpProtocol(Echo(), Connections(), clock=ManualClock(), capacity=Capacity())
    transport = Transport()
    protocol.connection_made(transport)
    for piece in pieces:
        if not transport.closing:
            protocol.data_received(piece)
    written = None
    while written != transport.written:
        written = transport.written
        await answers()
    protocol.connection_lost(None)
    return transport.written


def chunked(body):
    parts = [body[start : start + 7] for start in range(0, len(body), 7)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])


def encoded(verb, path, headers, body, *, in_chunks=False):
    framing = "Transfer-Encoding: chunked" if in_chunks else f"Content-Length: {len(body)}"
    fields = [f"{name}: {value}\r\n" for name, value in headers.items()]
    head = f"{verb} {path} HTTP/1.1\r\nHost: localhost\r\n{''.join(fields)}{framing}\r\n\r\n"
    return head.encode() + (chunked(body) if in_chunks else body)


def answer_to(verb, path, body):
    """Return the response of ``Echo`` at the time of a manual clock."""
    content = f"{verb} {path}\n".encode() + body
    lines = [
        "HTTP/1.1 200 OK",
        "date: Tue, 14 Nov 2023 22:13:20 GMT",
        "content-type: application/json; charset=UTF-8",
        "x-content-type-options: nosniff",
        "content-security-policy: default-src 'none'; frame-ancestors 'none'",
        "cross-origin-resource-policy: same-origin",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
        f"content-length: {len(content)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + content


requests_ = st.tuples(
    st.sampled_from(["POST", "PATCH", "GET"]),
    st.sampled_from(["/a", "/v2/q/tasks:buffer"]),
    st.sampled_from(
        [
            {},
            H2C,
            {"Upgrade": "h2c"},
            {"UPGRADE": "websocket", "CONNECTION": "keep-alive, upgrade", "X-Empty": ""},
            {"Connection": "upgrade"},
            {"Upgrade": "TLS/1.0", "connection": "Upgrade", "upgrade": "h2c"},
        ]
    ),
    st.binary(max_size=40) | st.just(encoded("DELETE", "/b", H2C, b"")),
    st.booleans(),
)


@given(st.lists(requests_, min_size=1, max_size=3), st.lists(st.integers(0, 900), max_size=8))
def test_offers_cut_anywhere_are_answered_as_plain_requests(requests, cuts):
    stream = b"".join(
        encoded(verb, path, headers, body, in_chunks=in_chunks)
        for verb, path, headers, body, in_chunks in requests
    )
    ends = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[start:end] for start, end in itertools.pairwise(ends)]
    expected = b"".join(answer_to(verb, path, body) for verb, path, _, body, _ in requests)
    assert asyncio.run(exchange(pieces)) == expected


def test_an_offer_is_read_byte_by_byte():
    stream = encoded("POST", "/a", H2C, b"body") + encoded("PATCH", "/b", H2C, b"more")
    pieces = [stream[at : at + 1] for at in range(len(stream))]
    expected = answer_to("POST", "/a", b"body") + answer_to("PATCH", "/b", b"more")
    assert asyncio.run(exchange(pieces)) == expected


def test_thousands_of_offers_in_one_piece_are_all_answered():
    stream = encoded("POST", "/a", H2C, b"body") * 2_000
    assert asyncio.run(exchange([stream])) == answer_to("POST", "/a", b"body") * 2_000


def test_an_offer_with_connection_close_closes_after_the_response():
    stream = encoded("POST", "/a", H2C | {"Connection": "close, Upgrade"}, b"body")
    answer = asyncio.run(exchange([stream, b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n"]))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close\r\n" in answer
    assert answer.endswith(b"body")


@pytest.mark.parametrize("target", ["a:80", "/v2/x"])
def test_connect_is_refused(target):
    stream = f"CONNECT {target} HTTP/1.1\r\nHost: a:80\r\n\r\n".encode()
    assert asyncio.run(exchange([stream])).startswith(b"HTTP/1.1 400 ")


@pytest.fixture
def client(clients):
    return clients["grpc"]


@pytest.fixture
def connection(server):
    with server.connect() as connection:
        yield connection


def read_answer(connection):
    """Return the head and the body of the next answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += received(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    size = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
    while len(body) < size:
        body += received(connection)
    return head.decode(), json.loads(body)


def received(connection):
    data = connection.recv(65536)
    assert data, "the connection was closed before the answer was complete"
    return data


def over_socket(server, verb, path, body, content_type):
    headers = H2C | {"Content-Type": content_type}
    with server.connect() as connection:
        connection.sendall(encoded(verb, f"/v2/{path}", headers, body))
        head, answer = read_answer(connection)
    assert head.startswith("HTTP/1.1 200 "), answer
    return answer


def over_curl(server, verb, path, body, content_type):
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    version = subprocess.run(["curl", "-V"], capture_output=True, check=True, text=True)
    if "HTTP2" not in version.stdout:
        pytest.skip("this curl cannot offer HTTP/2")
    command = ["curl", "--silent", "--show-error", "--fail-with-body", "--http2", "-X", verb]
    command += ["-H", f"Content-Type: {content_type}", "--data-binary", "@-", "--noproxy", "*"]
    answer = subprocess.run(
        [*command, f"{server.url}/v2/{path}"],
        input=body,
        capture_output=True,
        check=True,
        timeout=60,
    )
    return json.loads(answer.stdout)


@pytest.fixture(params=[over_socket, over_curl])
def offer(request, server):
    """Send a request that offers HTTP/2, as a raw one and by curl; its answer."""

    def call(verb, path, body, content_type="application/json"):
        return request.param(server, verb, path, body, content_type)

    return call


@pytest.mark.parametrize("size", SIZES)
def test_a_task_is_created_in_spite_of_an_offer(offer, client, queue, size):
    content = bytes(size // 2)
    task = {"httpRequest": {"url": "http://a", "body": base64.b64encode(content).decode()}}
    body = json.dumps({"task": task}).encode()
    name = offer("POST", f"{queue}/tasks", body)["name"]
    full = client.get_task(
        request={"name": name, "response_view": tasks_v2.Task.View.FULL}, timeout=20
    )
    assert full.http_request.body == content


@pytest.mark.parametrize("size", SIZES)
def test_a_body_is_buffered_in_spite_of_an_offer(offer, client, queue, size):
    client.update_queue(
        queue={"name": queue, "http_target": {"uri_override": {"host": "a.example"}}}
    )
    name = offer("POST", f"{queue}/tasks:buffer", b"b" * size, "text/plain")["task"]["name"]
    full = client.get_task(
        request={"name": name, "response_view": tasks_v2.Task.View.FULL}, timeout=20
    )
    assert full.http_request.body == b"b" * size


@pytest.mark.parametrize("size", SIZES)
def test_a_queue_is_updated_in_spite_of_an_offer(offer, queue, size):
    body = json.dumps({"rateLimits": {"maxDispatchesPerSecond": 7}}).encode().ljust(size)
    answer = offer("PATCH", queue, body)
    assert answer["rateLimits"]["maxDispatchesPerSecond"] == 7


@pytest.mark.parametrize("headers", [{}, H2C], ids=["plain", "offer"])
def test_a_body_that_ends_before_its_length_is_refused(connection, client, queue, headers):
    body = json.dumps({"task": {"httpRequest": {"url": "http://a"}}}).encode()
    whole = encoded("POST", f"/v2/{queue}/tasks", headers, body + b"  ")
    connection.sendall(whole[:-2])
    connection.shutdown(socket.SHUT_WR)
    head, answer = read_answer(connection)
    assert head.startswith("HTTP/1.1 400 ")
    assert "connection: close" in head.lower().splitlines()
    assert answer["error"]["status"] == "INVALID_ARGUMENT"
    assert answer["error"]["message"] == (
        f"The body has {len(body)} bytes, its Content-Length is {len(body) + 2}."
    )
    assert connection.recv(1) == b""
    assert list(client.list_tasks(parent=queue)) == []


def test_a_chunked_body_that_is_cut_creates_nothing(connection, client, queue):
    body = json.dumps({"task": {"httpRequest": {"url": "http://a"}}}).encode()
    whole = encoded("POST", f"/v2/{queue}/tasks", {}, body, in_chunks=True)
    connection.sendall(whole.removesuffix(b"0\r\n\r\n"))
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(1) == b""
    assert list(client.list_tasks(parent=queue)) == []


LARGE = f"Content-Length: {12 << 20}\r\n"
FIELDS = "".join(f"X-{number}: y\r\n" for number in range(200))


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"POST /v2/x HTTP/1.1\r\nHost: localhost\r\n{FIELDS}\r\n", 431),
        ("POST /v2/x HTTP/9.1\r\nHost: localhost\r\n\r\n", 400),
        (f"PUT /v2/x HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n{LARGE}\r\n", 403),
    ],
    ids=["fields", "version", "host"],
)
def test_a_caller_that_still_sends_receives_the_refusal(connection, head, status):
    """A connection that is closed before all is read is reset: most callers then read nothing."""
    connection.sendall(head.encode() + b"x" * (12 << 20))
    assert connection.recv(1_000).startswith(f"HTTP/1.1 {status} ".encode())
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(1_000):
        pass


def test_half_closed_connections_are_answered(connection, queue):
    request = encoded("GET", f"/v2/{queue}", {}, b"")
    connection.sendall(request * 2 + b"GET /v2/x HT")
    connection.shutdown(socket.SHUT_WR)
    answers = b""
    while more := connection.recv(65536):
        answers += more
    assert answers.count(b"HTTP/1.1 200 OK") == 2
