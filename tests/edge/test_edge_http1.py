"""The limits of HTTP/1.1 connections: bytes, fields, waiting requests, time, connections."""

import asyncio
import re
import tracemalloc

import pytest
from http2_client import turns

from drayman.api.responses import Response
from drayman.core.clock import SECOND, ManualClock
from drayman.edge import limits
from drayman.edge.budget import Budget, Capacity, ConnectionLimit
from drayman.edge.http1 import Connections, HttpProtocol
from drayman.edge.turns import Turns

HEAD = b"POST /a HTTP/1.1\r\nHost: x\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
REFUSED = HEAD.replace(b"/a", b"/refused")


class Transport(asyncio.Transport):
    """A transport that records what happens to it."""

    def __init__(self, peer=("192.0.2.1", 1)):
        super().__init__({"peername": peer})
        self.written = b""
        self.unread = 0
        self.reading = True
        self.ended = self.closing = self.aborted = False

    def write(self, data):
        self.written += data

    def get_write_buffer_size(self):
        return self.unread

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True

    def can_write_eof(self):
        return True

    def write_eof(self):
        self.ended = True

    def close(self):
        self.closing = True

    def is_closing(self):
        return self.closing

    def abort(self):
        self.closing = self.aborted = True


LIMIT = 4 << 20
"""The most bytes of a body here."""


class Server:
    """Connections to an application that answers when it is told to.

    It refuses requests of the path ``/refused``, and fails for those of ``/broken``.
    """

    def __init__(self):
        self.clock = ManualClock()
        self.events = []
        limit = ConnectionLimit(total=3, per_address=2)
        at_once = Turns(credit=1 << 40)
        self.capacity = Capacity(Budget(1_000_000), limit, self.events.append, at_once)
        self.connections = Connections()
        self.released = asyncio.Event()
        self.released.set()
        self.received = asyncio.Event()
        self.requests = []

    @property
    def served(self):
        return len(self.requests)

    def refuse(self, request):
        return Response(403, b"no") if request.path == "/refused" else None

    def body_limit(self, _request):
        return LIMIT

    async def answer(self, request):
        self.received.set()
        await self.released.wait()
        self.requests.append(request)
        if request.path == "/broken":
            raise LookupError("broken")
        return Response(200, b"ok")

    def open(self, peer=("192.0.2.1", 1)):
        protocol = HttpProtocol(self, self.connections, clock=self.clock, capacity=self.capacity)
        transport = Transport(peer)
        protocol.connection_made(transport)
        return protocol, transport

    async def settle(self):
        """Wait for the application to have done what it can."""
        await turns(2)
        while self.released.is_set() and (running := others()):
            await asyncio.gather(*running)
            await turns(2)


def others():
    """Return the tasks but this one."""
    return asyncio.all_tasks() - {asyncio.current_task()}


def statuses(transport):
    """Return the statuses of the responses that were written."""
    return re.findall(rb"HTTP/1.1 (\d+) ", transport.written)


@pytest.fixture
async def connections():
    server = Server()
    yield server
    for task in others():
        task.cancel()


@pytest.mark.parametrize(
    "beginning",
    [b"", b"GET /", HEAD + b"X: ", HEAD + b"X"],
    ids=["empty lines", "path", "value", "name"],
)
async def test_a_head_without_end_is_refused(connections, beginning):
    protocol, transport = connections.open()
    protocol.data_received(beginning)
    sent = 0
    while not transport.ended:
        piece = b"\r\n" * 500 if not beginning else b"a" * 1000
        protocol.data_received(piece)
        sent += len(piece)
        assert sent <= limits.METADATA_SIZE + 2 * limits.PARSE_SIZE
    assert transport.written.startswith(b"HTTP/1.1 4")
    assert connections.served == 0


async def test_a_head_in_one_piece_is_bounded_as_well(connections):
    protocol, transport = connections.open()
    protocol.data_received(HEAD + b"X: " + b"a" * limits.METADATA_SIZE + b"\r\n\r\n")
    assert transport.written.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    await connections.settle()
    assert connections.served == 0


@pytest.mark.parametrize("over", [False, True])
async def test_the_number_of_fields_is_limited(connections, over):
    protocol, transport = connections.open()
    fields = limits.HTTP1_FIELDS - 1 + over
    protocol.data_received(HEAD + b"X: y\r\n" * (fields) + b"\r\n")
    assert transport.written.startswith(b"HTTP/1.1 431 ") == over


@pytest.mark.parametrize(
    "endless",
    [b"1;" + b"e" * 1000, b"0\r\nX: " + b"v" * 1000, b"0\r\n" + b"X: y\r\n" * 200],
    ids=["extension", "trailer", "trailers"],
)
async def test_a_chunked_body_without_end_is_refused(connections, endless):
    protocol, transport = connections.open()
    protocol.data_received(CHUNKED + endless)
    sent = 0
    while not transport.ended:
        protocol.data_received(b"v" * 1000)
        sent += 1000
        assert sent <= limits.METADATA_SIZE + 2 * limits.PARSE_SIZE
    assert transport.written.startswith(b"HTTP/1.1 4")
    assert connections.served == 0


async def test_chunks_of_one_byte_are_served(connections):
    protocol, transport = connections.open()
    protocol.data_received(CHUNKED + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n")
    await connections.settle()
    assert transport.written.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("in_reads", [1, 500], ids=["at once", "in small reads"])
async def test_a_body_in_tiny_chunks_takes_little_more_memory_than_it_counts(connections, in_reads):
    chunks = b"2\r\nxy\r\n" * 100
    protocol, _ = connections.open()
    protocol.data_received(CHUNKED)
    tracemalloc.start()
    for _ in range(in_reads):
        protocol.data_received(chunks * (500 // in_reads))
    memory, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert connections.capacity.budget.used == 100_000
    assert memory < 2 * connections.capacity.budget.used


async def test_a_body_in_parts_of_all_sizes_arrives_whole(connections):
    parts = [bytes([65 + number]) * size for number, size in enumerate([9, 600, 2, 3, 4000, 1, 70])]
    protocol, _ = connections.open()
    protocol.data_received(CHUNKED)
    for part in [*parts, b""]:
        protocol.data_received(b"%x\r\n%s\r\n" % (len(part), part))
    await connections.settle()
    assert connections.requests[0].content == b"".join(parts)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (b"X: Host\r\n", "The request has no Host header field, which HTTP/1.1 requires."),
        (b"Host: x\r\nhost: y\r\n", "The request has more than one Host header field."),
        (b"Host: x\r\nA: b\r\nHOST: x\r\n", "The request has more than one Host header field."),
    ],
    ids=["none", "two", "equal"],
)
async def test_a_request_over_http_1_1_has_exactly_one_host(connections, fields, message):
    """RFC 9112, section 3.2. What follows on the connection is answered: the framing is sound."""
    protocol, transport = connections.open()
    protocol.data_received(b"POST /a HTTP/1.1\r\n" + fields + b"Content-Length: 1\r\n\r\nx" + GET)
    await connections.settle()
    assert statuses(transport) == [b"400", b"200"]
    assert message.encode() in transport.written
    assert connections.served == 1


@pytest.mark.parametrize(
    ("head", "host"),
    [
        (b"GET /a HTTP/1.0\r\n", None),
        (b"GET /a HTTP/1.1\r\nHost:\r\n", b""),
        (b"GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\nA: b\r\n", b"x"),
        (b"GET http://other:81/a HTTP/1.1\r\nHost: x\r\n", b"other:81"),
        (b"GET http://other HTTP/1.1\r\nHost: x\r\n", b"other"),
        (b"GET http://u:p@[::1]:81/a HTTP/1.0\r\n", b"[::1]:81"),
        (b"GET //other/a HTTP/1.1\r\nHost: x\r\n", b"x"),
    ],
)
async def test_the_authority_of_the_target_replaces_the_host(connections, head, host):
    """RFC 9112, section 3.2.2. HTTP/1.0 requires no Host."""
    protocol, transport = connections.open()
    protocol.data_received(head + b"\r\n")
    await connections.settle()
    assert statuses(transport) == [b"200"]
    assert connections.requests[0].fields.get(b"host") == host


async def test_waiting_requests_are_bounded_and_all_are_answered(connections):
    connections.released.clear()
    protocol, transport = connections.open()
    request = HEAD + b"Content-Length: 1\r\n\r\nx"
    protocol.data_received(request * 5_000)
    await connections.received.wait()
    assert not transport.reading
    waiting = connections.capacity.budget.used  # a byte each
    assert 1 < waiting < limits.PIPELINED_REQUESTS + limits.PARSE_SIZE / len(request) + 2
    connections.released.set()
    await connections.settle()
    assert connections.served == transport.written.count(b"HTTP/1.1 200 OK") == 5_000
    assert transport.reading


@pytest.mark.parametrize("received", [b"", b"GET /", HEAD], ids=["nothing", "target", "field"])
async def test_a_head_has_a_limited_time(connections, received):
    protocol, transport = connections.open()
    if received:
        protocol.data_received(received)
    connections.clock.advance(limits.HEAD_TIMEOUT - SECOND)
    if received:
        protocol.data_received(b"a")  # which does not prolong it
    assert not transport.aborted
    connections.clock.advance(SECOND)
    assert transport.aborted


async def test_a_body_has_a_limited_time(connections):
    protocol, transport = connections.open()
    protocol.data_received(HEAD + b"Content-Length: 9\r\n\r\n12345678")
    connections.clock.advance(limits.REQUEST_TIMEOUT - SECOND)
    assert not transport.aborted
    connections.clock.advance(SECOND)
    assert transport.aborted


async def test_a_request_in_progress_has_all_the_time(connections):
    connections.released.clear()
    protocol, transport = connections.open()
    protocol.data_received(GET)
    connections.clock.advance(10 * limits.REQUEST_TIMEOUT)
    assert not transport.aborted


async def test_a_response_that_is_not_read_ends_the_connection(connections):
    protocol, transport = connections.open()
    protocol.data_received(GET)
    transport.unread = 500_000
    protocol.pause_writing()
    transport.unread = 400_000
    connections.clock.advance(limits.WRITE_TIMEOUT)
    assert not transport.aborted  # some was read
    connections.clock.advance(limits.WRITE_TIMEOUT)
    assert transport.aborted


async def test_a_response_that_is_read_slowly_does_not(connections):
    protocol, transport = connections.open()
    protocol.data_received(GET)
    transport.unread = 500_000
    protocol.pause_writing()
    protocol.resume_writing()
    connections.clock.advance(10 * limits.WRITE_TIMEOUT)
    assert not transport.aborted


async def refused(connections):
    """Return a connection of a caller that was refused while it sends."""
    protocol, transport = connections.open()
    protocol.data_received(b"nonsense\r\n\r\n")
    assert transport.written.startswith(b"HTTP/1.1 400 ")
    assert (transport.ended, transport.closing) == (True, False)
    return protocol, transport


async def test_what_a_refused_caller_still_sends_is_discarded(connections):
    protocol, transport = await refused(connections)
    written = transport.written
    for _ in range(limits.DISCARDED_BYTES // 1_000_000):
        protocol.data_received(GET + b"x" * (1_000_000 - len(GET)))
        assert not transport.reading  # until it is its turn
        await turns(2)
    assert (transport.written, transport.reading) == (written, True)
    assert not transport.closing
    assert not protocol.eof_received()  # which closes the connection
    assert (connections.served, connections.capacity.budget.used) == (0, 0)


async def test_a_refused_caller_may_send_a_limited_number_of_bytes(connections):
    protocol, transport = await refused(connections)
    protocol.data_received(b"x" * limits.DISCARDED_BYTES)
    assert not transport.aborted
    protocol.data_received(b"x")
    assert transport.aborted


async def test_a_refused_caller_has_a_limited_time_to_read(connections):
    protocol, transport = await refused(connections)
    connections.clock.advance(limits.DISCARD_TIMEOUT - 1)
    protocol.data_received(b"x")
    assert not transport.aborted
    connections.clock.advance(1)
    assert transport.aborted


async def test_a_server_that_stops_waits_for_no_refused_caller(connections):
    protocol, transport = await refused(connections)
    protocol.shutdown()
    assert transport.closing


async def test_a_caller_that_has_closed_its_half_is_not_waited_for(connections):
    protocol, transport = connections.open()
    protocol.data_received(half_post(10))
    protocol.eof_received()
    assert transport.written.startswith(b"HTTP/1.1 400 ")
    assert transport.closing


async def test_a_body_that_is_refused_while_it_arrives_is_released(connections):
    head = REFUSED + b"Connection: close\r\nContent-Length: 900000\r\n\r\n"
    protocol, transport = connections.open()
    protocol.data_received(head + b"x" * 100_000)
    assert transport.written.startswith(b"HTTP/1.1 403 ")
    assert (transport.ended, transport.closing) == (True, False)
    assert connections.capacity.budget.used == 0


async def test_connections_are_limited_and_counted_off(connections):
    opened = [connections.open() for _ in range(3)]
    assert [transport.aborted for _, transport in opened] == [False, False, True]
    _, other = connections.open(("192.0.2.2", 1))
    assert not other.aborted
    opened[2][0].connection_lost(None)  # it was not counted
    assert connections.open(("192.0.2.3", 1))[1].aborted
    opened[0][0].connection_lost(None)
    assert not connections.open()[1].aborted


async def test_no_timer_outlives_its_connection(connections):
    protocol, transport = connections.open()
    protocol.data_received(GET + GET[:5])
    transport.unread = 1
    protocol.pause_writing()
    protocol.connection_lost(None)
    assert connections.clock.pending_timers == 0


def post(size):
    return HEAD + b"Content-Length: %d\r\n\r\n" % size + b"x" * size


async def test_bodies_count_until_their_response(connections):
    connections.released.clear()
    protocol, _ = connections.open()
    protocol.data_received(post(300_000) + post(200_000))
    assert connections.capacity.budget.used == 500_000
    connections.released.set()
    await connections.settle()
    assert connections.served == 2
    assert connections.capacity.budget.used == 0


async def test_bodies_beyond_the_budget_are_refused(connections):
    connections.released.clear()
    first, _ = connections.open()
    first.data_received(post(700_000))
    protocol, transport = connections.open()
    protocol.data_received(post(100_000))
    assert transport.written.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nretry-after: 1\r\n" in transport.written
    assert connections.capacity.budget.used == 700_000
    protocol.connection_lost(None)
    assert connections.capacity.budget.used == 700_000
    small, transport = connections.open()  # a quarter is left for small ones
    small.data_received(post(60_000))
    assert not transport.closing
    for each in (first, small):
        each.connection_lost(None)
    assert connections.capacity.budget.used == 0


async def test_unread_responses_count(connections):
    protocol, transport = connections.open()
    protocol.data_received(GET)
    transport.unread = 700_000
    protocol.pause_writing()
    assert connections.capacity.budget.used == 700_000
    other, beyond = connections.open()
    other.data_received(GET)
    beyond.unread = 100_000
    other.pause_writing()
    assert beyond.aborted
    transport.unread = 0
    protocol.resume_writing()
    assert connections.capacity.budget.used == 0


async def test_a_body_after_its_response_is_not_kept(connections):
    protocol, transport = connections.open()
    protocol.data_received(REFUSED + b"Content-Length: 9\r\n\r\n1234")
    assert transport.written.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    protocol.data_received(b"56789" + GET)
    assert connections.capacity.budget.used == 0
    await connections.settle()
    assert transport.written.count(b"HTTP/1.1 200 OK\r\n") == 1
    assert connections.served == 1


async def test_a_request_that_is_refused_by_its_head_is_answered_in_its_order(connections):
    connections.released.clear()
    protocol, transport = connections.open()
    protocol.data_received(GET + REFUSED + b"Content-Length: 2\r\n\r\nxx" + GET)
    await connections.received.wait()
    assert transport.written == b""
    connections.released.set()
    await connections.settle()
    assert statuses(transport) == [b"200", b"403", b"200"]


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
async def test_a_body_above_the_limit_is_refused_and_the_connection_stays(connections, declared):
    connections.capacity.budget = Budget(4 * LIMIT)
    protocol, transport = connections.open()
    body = b"x" * (LIMIT + 1)
    chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    protocol.data_received(post(LIMIT + 1) if declared else CHUNKED + chunk)
    protocol.data_received(GET)
    await connections.settle()
    assert transport.written.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert f"exceeds the limit: {LIMIT} bytes.".encode() in transport.written
    assert transport.written.count(b"HTTP/1.1 200 OK\r\n") == connections.served == 1
    assert connections.capacity.budget.used == 0


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_caller_that_waits_for_100_continue_gets_it_once_it_is_its_turn(
    connections, version
):
    connections.released.clear()
    protocol, transport = connections.open()
    if version == b"1.1":
        protocol.data_received(GET)
    head = HEAD.replace(b"1.1", version) + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\n"
    protocol.data_received(head)
    assert transport.written == b""
    connections.released.set()
    await connections.settle()
    assert transport.written.endswith(b"100 Continue\r\n\r\n") == (version == b"1.1")
    protocol.data_received(b"x")
    await connections.settle()
    assert connections.requests[-1].content == b"x"
    assert transport.closing == (version == b"1.0")


EXPECT = b"Expect: 100-continue\r\n"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (REFUSED + b"Content-Length: 1", b"403"),
        (HEAD + b"Content-Length: %d" % (LIMIT + 1), b"400"),
    ],
    ids=["head", "length"],
)
async def test_a_caller_that_is_refused_instead_of_100_continue_sends_no_more_requests(
    connections, head, status
):
    """It need not send the body, and the next request would be taken for it (RFC 9110, 10.1.1)."""
    protocol, transport = connections.open()
    protocol.data_received(head + b"\r\n" + EXPECT + b"\r\n")
    assert statuses(transport) == [status]
    assert b"\r\nconnection: close\r\n" in transport.written
    assert (transport.ended, transport.closing) == (True, False)
    protocol.data_received(GET)
    await connections.settle()
    assert statuses(transport) == [status]
    assert connections.served == 0


async def test_a_refused_caller_that_did_not_wait_for_100_continue_stays_connected(connections):
    connections.released.clear()
    protocol, transport = connections.open()
    protocol.data_received(GET + REFUSED + EXPECT + b"Content-Length: 2\r\n\r\nx")
    connections.released.set()
    await connections.settle()
    protocol.data_received(b"x" + GET)
    await connections.settle()
    assert statuses(transport) == [b"200", b"403", b"200"]
    assert not transport.ended


async def test_a_fault_of_the_application_is_an_internal_error_and_an_event(connections):
    protocol, transport = connections.open()
    protocol.data_received(GET.replace(b"/a", b"/broken") + GET)
    await connections.settle()
    (event,) = connections.events
    assert (event.rpc, str(event.error)) == ("GET /broken", "broken")
    assert transport.written.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert transport.written.count(b"HTTP/1.1 200 OK\r\n") == 1


async def test_a_response_to_head_has_the_size_of_the_body_without_the_body(connections):
    protocol, transport = connections.open()
    protocol.data_received(GET.replace(b"GET", b"HEAD"))
    await connections.settle()
    assert b"\r\ncontent-length: 2\r\n" in transport.written
    assert transport.written.endswith(b"\r\n\r\n")


async def test_a_response_waits_until_the_one_before_is_read(connections):
    protocol, transport = connections.open()
    protocol.data_received(GET)
    protocol.pause_writing()
    await connections.settle()
    assert connections.served == 1
    assert transport.written == b""
    protocol.resume_writing()
    assert transport.written.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("ending", [b"", b"GET /a HT"], ids=["idle", "within a head"])
async def test_an_idle_connection_is_closed(connections, ending):
    protocol, transport = connections.open()
    protocol.data_received(GET)
    await connections.settle()
    protocol.data_received(GET)
    await connections.settle()
    if ending:
        protocol.data_received(ending)
    wait = limits.HEAD_TIMEOUT if ending else limits.KEEP_ALIVE_TIMEOUT
    connections.clock.advance(wait - 1)
    assert not transport.closing
    connections.clock.advance(1)
    assert transport.closing
    assert transport.aborted == bool(ending)


async def test_a_server_that_stops_closes_idle_connections_and_answers_the_others(connections):
    _, idle = connections.open()
    connections.released.clear()
    protocol, transport = connections.open()
    protocol.data_received(GET + GET)
    await connections.received.wait()
    for each in list(connections.connections.open):
        each.shutdown()
    assert idle.closing
    assert not transport.closing
    connections.released.set()
    await connections.settle()
    assert transport.written.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert transport.written.count(b"connection: close\r\n") == 1
    assert transport.closing


async def test_a_response_after_the_connection_is_lost_counts_nothing(connections):
    connections.released.clear()
    protocol, _ = connections.open()
    protocol.data_received(post(1_000) * 3)
    await connections.received.wait()
    protocol.connection_lost(None)
    connections.released.set()
    await connections.settle()
    assert connections.capacity.budget.used == 0
    assert connections.clock.pending_timers == 0


@pytest.mark.parametrize(
    "refused",
    [b"nonsense\r\n\r\n", HEAD + b"X: y\r\n" * 200, post(900_000)],
    ids=["invalid", "too many fields", "too large"],
)
async def test_a_refusal_is_not_taken_for_an_earlier_response(connections, refused):
    connections.released.clear()
    protocol, transport = connections.open()
    protocol.data_received(GET)
    protocol.data_received(refused + GET)
    assert (transport.written, transport.closing, transport.reading) == (b"", False, False)
    assert connections.capacity.budget.used == 0
    connections.clock.advance(10 * limits.REQUEST_TIMEOUT)  # the application has all the time
    connections.released.set()
    await connections.settle()
    first, second = statuses(transport)
    assert first == b"200"
    assert second in {b"400", b"431", b"503"}
    assert transport.written.count(b"connection: close\r\n") == 1
    assert connections.served == 1
    assert (transport.ended, transport.closing, transport.reading) == (True, False, True)


async def test_requests_before_what_is_no_request_are_all_answered_first(connections):
    protocol, transport = connections.open()
    protocol.data_received(post(2) * 5 + b"x")  # as after a Content-Length that is one too low
    await connections.settle()
    assert statuses(transport) == [b"200"] * 5 + [b"400"]
    assert transport.ended
    assert connections.capacity.budget.used == 0


async def test_a_refusal_waits_until_the_responses_before_it_are_read(connections):
    protocol, transport = connections.open()
    protocol.data_received(GET)
    protocol.pause_writing()
    await connections.settle()
    protocol.data_received(b"nonsense\r\n\r\n")
    protocol.data_received(GET)
    assert transport.written == b""
    assert not transport.reading
    protocol.resume_writing()
    await connections.settle()
    assert statuses(transport) == [b"200", b"400"]
    assert connections.served == 1


async def test_a_request_that_gives_way_is_refused_after_the_one_before(connections):
    connections.released.clear()
    slow, refused = connections.open()
    slow.data_received(GET + half_post(700_000))
    connections.clock.advance(limits.TRANSFER_TIME)
    later, _ = connections.open()
    later.data_received(half_post(700_000))
    assert connections.capacity.budget.used == 700_000  # of the later one
    assert (refused.written, refused.reading) == (b"", False)
    slow.data_received(b"x" + GET)
    connections.released.set()
    await connections.settle()
    assert statuses(refused) == [b"200", b"503"]
    assert b"arrives too slowly" in refused.written
    assert connections.served == 1


@pytest.mark.parametrize("waits", [True, False])
async def test_a_request_refused_by_its_head_is_not_refused_again_for_its_body(connections, waits):
    connections.released.clear()
    protocol, transport = connections.open()
    head = REFUSED + b"Transfer-Encoding: chunked\r\n\r\n"
    protocol.data_received(GET * waits + head + b"nonsense\r\n")
    connections.released.set()
    await connections.settle()
    assert statuses(transport) == [b"200"] * waits + [b"403"]
    assert transport.ended


TASKS = b"POST /v2/projects/p/locations/l/queues/q/tasks HTTP/1.1\r\nHost: x\r\n"


def half_post(size):
    return TASKS + b"Content-Length: %d\r\n\r\n" % (size + 1) + b"x" * size


async def test_an_old_request_that_has_not_arrived_gives_way_to_a_later_one(connections):
    slow, refused = connections.open()
    slow.data_received(half_post(700_000))
    connections.clock.advance(limits.TRANSFER_TIME - 1)
    early, refused_early = connections.open()
    early.data_received(half_post(700_000))
    assert refused_early.written.startswith(b"HTTP/1.1 503 ")
    early.connection_lost(None)
    assert refused.written == b""
    connections.clock.advance(1)
    later, transport = connections.open()
    later.data_received(post(700_000))
    assert refused.written.startswith(b"HTTP/1.1 503 ")
    assert b"arrives too slowly" in refused.written
    slow.connection_lost(None)
    await connections.settle()
    assert transport.written.startswith(b"HTTP/1.1 200 ")
    later.connection_lost(None)
    assert connections.capacity.budget.used == 0


async def test_a_request_that_has_arrived_gives_way_to_none(connections):
    connections.released.clear()
    first, transport = connections.open()
    first.data_received(post(700_000))
    connections.clock.advance(limits.TRANSFER_TIME)
    second, refused = connections.open()
    second.data_received(half_post(300_000))
    assert refused.written.startswith(b"HTTP/1.1 503 ")
    second.connection_lost(None)
    connections.released.set()
    await connections.settle()
    assert transport.written.startswith(b"HTTP/1.1 200 ")


async def test_a_request_whose_response_came_early_gives_way_to_none(connections):
    protocol, transport = connections.open()
    protocol.data_received(GET)
    protocol.pause_writing()  # the response to what follows has to wait
    protocol.data_received(REFUSED + b"Content-Length: 700001\r\n\r\n" + b"x" * 700_000)
    protocol.resume_writing()
    await connections.settle()
    written = transport.written
    connections.clock.advance(limits.TRANSFER_TIME)
    second, _ = connections.open()
    second.data_received(half_post(700_000))
    assert transport.written == written


async def test_an_old_response_that_is_not_read_gives_way_to_a_later_request(connections):
    protocol, transport = connections.open()
    protocol.data_received(GET)
    transport.unread = 700_000
    protocol.pause_writing()
    connections.clock.advance(limits.TRANSFER_TIME)
    second, other = connections.open()
    second.data_received(post(700_000))
    assert transport.aborted
    assert not other.closing
    assert connections.capacity.budget.used == 700_000
    protocol.connection_lost(None)
    assert connections.capacity.budget.used == 700_000


def refusals(connections):
    return [(event.rpc, event.code.name) for event in connections.events]


async def test_a_call_whose_body_is_refused_is_an_event(connections):
    protocol, _ = connections.open()
    protocol.data_received(TASKS + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n")
    protocol, _ = connections.open()
    protocol.data_received(half_post(800_000))
    assert refusals(connections) == [
        ("CreateTask", "INVALID_ARGUMENT"), ("CreateTask", "UNAVAILABLE")
    ]  # fmt: skip


async def test_a_call_whose_body_does_not_arrive_is_an_event(connections):
    protocol, _ = connections.open()
    protocol.data_received(
        TASKS.replace(b"/tasks", b"/tasks:buffer") + b"Content-Length: 9\r\n\r\n"
    )
    connections.clock.advance(limits.REQUEST_TIMEOUT)
    assert refusals(connections) == [("BufferTask", "DEADLINE_EXCEEDED")]


@pytest.mark.parametrize(
    "rest", [b"GET /\x00", TASKS.replace(b"/v2", b"/v9") + b"Content-Length: 9\r\n\r\n"]
)
async def test_what_is_no_call_is_no_event(connections, rest):
    protocol, transport = connections.open()
    protocol.data_received(rest)
    connections.clock.advance(limits.REQUEST_TIMEOUT)
    assert transport.closing
    assert connections.events == []


async def test_what_is_too_much_for_a_turn_waits_and_nothing_more_is_read(connections):
    connections.capacity.turns = Turns()
    body = limits.EVENTS_OF_TURN * limits.BYTES_OF_EVENT * 3 // 2
    protocol, transport = connections.open()
    other, answered = connections.open()
    protocol.data_received(post(body) + GET)
    assert not transport.reading
    assert body // 2 < connections.capacity.budget.used < body
    other.data_received(GET)  # a small read does not wait
    await connections.received.wait()
    assert answered.written == b"" or answered.written.startswith(b"HTTP/1.1 200 ")
    await turns(10)
    await connections.settle()
    assert transport.written.count(b"HTTP/1.1 200 ") == 2
    assert answered.written.count(b"HTTP/1.1 200 ") == 1
    assert transport.reading
    assert connections.capacity.budget.used == 0


@pytest.mark.parametrize("chunk", [b"1\r\nx\r\n", b"1;a\r\nx\r\n"], ids=["plain", "extensions"])
async def test_tiny_chunks_count_as_events(connections, chunk):
    connections.capacity.turns = Turns()
    protocol, transport = connections.open()
    protocol.data_received(CHUNKED + chunk * 20_000)
    parts = connections.capacity.budget.used
    assert 0 < 2 * parts <= limits.EVENTS_OF_TURN * 2 * limits.WORK_OF_EVENT
    assert not transport.reading


@pytest.mark.parametrize(
    "request_", [REFUSED + b"\r\n", REFUSED + b"X: y\r\n" * 90 + b"\r\n"], ids=["many", "fields"]
)
async def test_requests_and_their_fields_count_as_events(connections, request_):
    connections.capacity.turns = Turns()
    protocol, transport = connections.open()
    protocol.data_received(request_ * 5_000)
    fields = len(statuses(transport)) * request_.count(b"\n")
    assert 0 < fields <= limits.EVENTS_OF_TURN * 2 * limits.WORK_OF_EVENT
    assert not transport.reading


async def test_ordinary_requests_of_many_connections_share_a_turn(connections):
    connections.capacity.turns = Turns()
    connections.capacity.connection_limit = ConnectionLimit()
    fields = b"X: %s\r\n" % (b"y" * 50)
    call = HEAD + fields * 7 + b"Content-Length: 200\r\n\r\n" + b"x" * 200
    assert limits.SMALL_READ < len(call) < limits.PARSE_SIZE
    opened = [connections.open() for _ in range(limits.EVENTS_OF_TURN)]
    for protocol, _ in opened:
        protocol.data_received(call)
    assert all(transport.reading for _, transport in opened)
    await connections.settle()
    assert connections.served == len(opened)
