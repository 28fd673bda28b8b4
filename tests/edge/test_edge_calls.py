"""Calls on one connection, as a client of HTTP/2 sees them."""

import asyncio
import gc
import gzip
import itertools
import threading
import weakref

import pytest
from http2_client import STREAM, Client, message, turns

from drayman.api.offload import Offload
from drayman.core.clock import SECOND
from drayman.core.errors import NotFound, Unauthenticated
from drayman.core.events import CallCrashed
from drayman.core.status import Code
from drayman.edge import limits
from drayman.edge.budget import Budget, Slots
from drayman.edge.methods import Streaming


async def test_a_unary_call_is_answered(client):
    response = await client.call(message(b"hello"))
    assert response.headers == {b":status": b"200", b"content-type": b"application/grpc"}
    assert response.body == message(b"hello")
    assert response.trailers == {b"grpc-status": b"0"}
    assert response.reset is None


async def test_calls_that_end_in_one_turn_are_written_at_once(client, service):
    streams = [client.request(message(b"wait %d" % number)) for number in range(50)]
    await client.run()
    writes = client.pipe.writes
    service.released.set()
    await client.run()
    assert client.pipe.writes == writes + 1
    assert all(client.responses[stream].status == 0 for stream in streams)


async def test_an_error_is_a_status_without_a_body(client, service):
    service.error = NotFound("Nothing is called 100%é.")
    response = await client.call(message(b"x"))
    assert response.headers == {
        b":status": b"200",
        b"content-type": b"application/grpc",
        b"grpc-status": b"5",
        b"grpc-message": b"Nothing is called 100%25%C3%A9.",
    }
    assert (response.body, response.trailers, response.ended) == (b"", {}, True)


async def test_a_fault_is_an_event_and_an_internal_error_without_details(client, service):
    service.error = RuntimeError("the secret of the inside")
    response = await client.call(message(b"x"))
    assert response.status == Code.INTERNAL
    assert "secret" not in response.message
    assert service.events == [
        CallCrashed("/test.Service/Unary", service.error, service.clock.now())
    ]


@pytest.mark.parametrize(
    ("body", "fields", "code"),
    [
        (message(b"x"), {"path": b"/test.Service/None"}, Code.UNIMPLEMENTED),
        (message(b"x"), {"path": b"/"}, Code.UNIMPLEMENTED),
        (message(b"x"), {"grpc_encoding": b"snappy"}, Code.UNIMPLEMENTED),
        (message(b"x"), {"grpc_timeout": b"soon"}, Code.INTERNAL),
        (message(b"x"), {"extra": [(b"x-large", b"v" * 7_000)] * 10}, Code.RESOURCE_EXHAUSTED),
        (message(b"x") * 2, {}, Code.UNIMPLEMENTED),
        (b"", {}, Code.UNIMPLEMENTED),
        (message(b"x")[:-1], {}, Code.INTERNAL),
        (b"\0\0\0", {}, Code.INTERNAL),
        (message(b"x", 1), {}, Code.INTERNAL),
        (message(b"x", 7), {}, Code.INTERNAL),
        (message(b"x", 1), {"grpc_encoding": b"gzip"}, Code.INTERNAL),
        (message(bytes((1 << 20) + 1)), {}, Code.RESOURCE_EXHAUSTED),
        (message(gzip.compress(bytes((1 << 20) + 1)), 1), {"grpc_encoding": b"gzip"},
         Code.RESOURCE_EXHAUSTED),
    ],
)  # fmt: skip
async def test_each_wrong_request_has_its_status(client, body, fields, code):
    response = await client.call(body, **fields)
    assert (response.http_status, response.status) == (b"200", code)
    assert (await client.call(message(b"again"))).body == message(b"again")
    assert client.goaway is None


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"method": b"GET"}, b"405"), ({"content_type": b"text/plain"}, b"415"),
     ({"content_type": None}, b"415")],
)  # fmt: skip
async def test_what_is_not_grpc_gets_an_http_status(client, fields, status):
    response = await client.call(message(b"x"), **fields)
    assert (response.http_status, response.status) == (status, None)
    assert response.body == (
        b"Over HTTP/2 this port serves gRPC alone; REST is served over HTTP/1.1.\n"
    )


async def test_a_call_that_is_refused_while_its_request_arrives_is_reset_after_the_answer(client):
    stream = client.begin(path=b"/unknown")
    client.send(stream, bytes(500_000))
    await client.run()
    response = client.responses[stream]
    assert (response.status, response.ended, response.reset) == (Code.UNIMPLEMENTED, True, 0)
    assert (await client.call(message(b"x"))).status == 0


async def test_a_compressed_request_is_read(client):
    response = await client.call(message(gzip.compress(b"hello"), 1), grpc_encoding=b"gzip")
    assert response.body == message(b"hello")


async def test_trailers_end_a_request(client):
    stream = client.begin()
    client.send(stream, message(b"x"))
    client.h2.send_trailers(stream, [(b"x-checksum", b"1")])
    await client.run()
    assert client.responses[stream].body == message(b"x")


async def test_a_call_ends_at_its_deadline_and_its_handler_is_cancelled(client, service):
    stream = client.request(message(b"wait"), grpc_timeout=b"10S")
    await client.run()
    service.clock.advance(10 * SECOND)
    await client.run()
    assert client.responses[stream].status == Code.DEADLINE_EXCEEDED
    assert client.responses[stream].message == "Deadline Exceeded"
    assert service.cancelled == [b"wait"]


async def test_a_request_that_has_not_arrived_ends_at_its_deadline_too(client, service):
    stream = client.begin(grpc_timeout=b"10S")
    client.send(stream, b"\0\0\0")
    await client.run()
    service.clock.advance(10 * SECOND)
    await client.run()
    assert client.responses[stream].status == Code.DEADLINE_EXCEEDED


async def test_a_call_that_its_client_cancels_is_cancelled(client, service):
    stream = client.request(message(b"wait"))
    await client.run()
    client.h2.reset_stream(stream, 8)
    await client.run()
    assert service.cancelled == [b"wait"]


async def test_calls_of_a_lost_connection_are_cancelled(client, service, shared):
    client.request(message(b"wait"))
    client.begin(path=STREAM)
    client.begin()
    await client.run()
    client.pipe.close()
    await turns()
    assert service.cancelled == [b"wait"]
    assert (shared.budget.used, shared.unary_calls.used, shared.streaming_calls.used) == (0, 0, 0)
    assert not shared.connections


async def test_more_calls_than_the_server_takes_are_refused(service):
    client = Client(service.shared(unary_calls=Slots(2)))
    streams = [client.request(message(b"wait")) for _ in range(3)]
    await client.run()
    refused = client.responses[streams[2]]
    assert (refused.status, refused.message) == (
        Code.RESOURCE_EXHAUSTED,
        "Too many calls are in progress.",
    )
    service.released.set()
    await client.run()
    assert [client.responses[stream].status for stream in streams[:2]] == [0, 0]
    assert (await client.call(message(b"x"))).status == 0


async def test_streaming_calls_take_no_slots_of_unary_calls(client):
    streams = [client.begin(path=STREAM) for _ in range(limits.STREAMING_CALLS_OF_CONNECTION + 1)]
    await client.run()
    assert client.responses[streams[-1]].status == Code.RESOURCE_EXHAUSTED
    assert not client.responses[streams[0]].ended
    assert (await client.call(message(b"x"))).status == 0


async def test_a_stream_of_messages_is_answered_message_by_message(client):
    stream = client.begin(path=STREAM)
    for number in range(3):
        client.send(stream, message(b"%d" % number))
        await client.run()
        assert client.responses[stream].body.endswith(message(b"%d" % number))
    client.h2.end_stream(stream)
    await client.run()
    assert client.responses[stream].trailers == {b"grpc-status": b"0"}


async def test_an_empty_stream_is_answered_with_its_status_alone(client):
    stream = client.begin(path=STREAM, end=True)
    await client.run()
    assert (client.responses[stream].status, client.responses[stream].trailers) == (0, {})


async def test_a_stream_that_fails_ends_with_a_status_after_its_messages(client, service):
    stream = client.begin(path=STREAM)
    client.send(stream, message(b"fine"))
    await client.run()
    service.error = NotFound("no more")
    client.send(stream, message(b"x"))
    await client.run()
    response = client.responses[stream]
    assert (response.body, response.status, response.message) == (message(b"fine"), 5, "no more")


async def test_a_streaming_client_that_is_not_read_is_held_by_its_window(client, service):
    stream = client.begin(path=STREAM)
    client.send(stream, message(b"wait"))
    client.send(stream, message(bytes(4_000)) * 1_000)
    await client.run()
    assert client.h2.queued_body_size(stream) > 2_000_000
    service.released.set()
    client.h2.end_stream(stream)
    await client.run()
    assert client.responses[stream].body == message(b"wait") + message(bytes(4_000)) * 1_000


async def test_a_request_may_be_larger_than_all_windows_at_once(client):
    body = bytes(1 << 20)
    streams = [client.request(message(body)) for _ in range(8)]
    await client.run()
    assert all(client.responses[stream].body == message(body) for stream in streams)


async def test_requests_beyond_the_budget_are_refused_and_it_is_released(service):
    shared = service.shared(budget=Budget(1_000_000))
    client = Client(shared)
    streams = [client.request(message(b"wait" + bytes(300_000))) for _ in range(4)]
    await client.run()
    statuses = [client.responses[stream].status for stream in streams]
    assert statuses == [None, None, Code.RESOURCE_EXHAUSTED, Code.RESOURCE_EXHAUSTED]
    assert (await client.call(message(b"small"))).status == 0
    service.released.set()
    await client.run()
    assert [client.responses[stream].status for stream in streams[:2]] == [0, 0]
    assert shared.budget.used == 0


async def test_large_answers_beyond_the_budget_are_refused_small_ones_never(service):
    shared = service.shared(budget=Budget(300_000))
    client = Client(shared, INITIAL_WINDOW_SIZE=0)
    streams = [client.request(message(b"size %d" % size)) for size in (200_000, 100_000, 50_000)]
    streams += [client.request(message(b"size 60000")) for _ in range(3)]
    await client.run()
    statuses = [client.responses[stream].status for stream in streams]
    assert statuses == [None, Code.RESOURCE_EXHAUSTED, None, None, None, None]
    client.pipe.close()
    await turns()
    assert shared.budget.used == 0


async def test_a_message_that_grows_is_counted_as_large_as_it_is(service):
    client = Client(service.shared(budget=Budget(500_000)))
    bomb = message(gzip.compress(bytes(1 << 20)), 1)
    assert (await client.call(bomb, grpc_encoding=b"gzip")).status == Code.RESOURCE_EXHAUSTED


NOT_GZIP = message(b"this is not gzip", 1)


def compressed(body):
    return message(gzip.compress(body), 1)


async def test_compressed_messages_of_a_stream_are_read(client):
    body = compressed(b"one") + message(b"two") + compressed(b"three")
    response = await client.call(body, path=STREAM, grpc_encoding=b"gzip")
    assert response.body == message(b"one") + message(b"two") + message(b"three")
    assert response.status == 0


async def test_messages_of_a_stream_that_refuses_its_caller_are_not_decompressed(service):
    async def refuse(_messages, _fields):
        raise Unauthenticated("Who are you?")

    shared = service.shared()
    shared.methods = {STREAM: Streaming(refuse)}
    response = await Client(shared).call(NOT_GZIP, path=STREAM, grpc_encoding=b"gzip")
    assert response.status == Code.UNAUTHENTICATED


async def test_messages_of_a_stream_are_decompressed_as_they_are_received(client, service):
    stream = client.begin(path=STREAM, grpc_encoding=b"gzip")
    client.send(stream, compressed(b"wait") + NOT_GZIP)
    await client.run()
    assert client.responses[stream].status is None
    service.released.set()
    await client.run()
    response = client.responses[stream]
    assert (response.body, response.status) == (message(b"wait"), Code.INTERNAL)
    assert refusals(service) == [("Stream", Code.INTERNAL)]


@pytest.mark.parametrize(
    ("body", "code"),
    [(NOT_GZIP, Code.INTERNAL), (compressed(bytes((1 << 12) + 1)), Code.RESOURCE_EXHAUSTED)],
    ids=["not gzip", "large"],
)
async def test_a_message_of_a_stream_that_cannot_be_decompressed_ends_it(
    client, service, body, code
):
    response = await client.call(body, path=STREAM, grpc_encoding=b"gzip")
    assert response.status == code
    assert refusals(service) == [("Stream", code)]
    assert service.started == []


async def test_large_messages_of_a_stream_are_decompressed_in_the_thread(service):
    shared, gate = service.shared(), threading.Event()
    shared.offload = Offload()
    client = Client(shared)
    first = asyncio.ensure_future(shared.offload.run(1 << 30, gate.wait))
    stream = client.begin(path=STREAM, grpc_encoding=b"gzip")
    client.send(stream, compressed(bytes(4_000)))
    await client.run()
    try:
        assert service.started == []
    finally:
        gate.set()
        await first
    await shared.offload.run(1 << 30, bool)  # the thread has decompressed the message before this
    await client.run()
    assert client.responses[stream].body == message(bytes(4_000))


@pytest.mark.parametrize(("connections", "most"), [(1, 1), (6, 2)])
async def test_streams_take_turns_when_their_messages_are_decompressed(service, connections, most):
    shared = service.shared()
    clients = [Client(shared) for _ in range(connections)]
    for client in clients:
        for _ in range(12 // connections):
            client.begin(path=STREAM, grpc_encoding=b"gzip")
        await client.run()
    for client in clients:
        for stream in client.responses:
            client.send(stream, compressed(b"x"))
        client.flush()
    started = [0]
    while started[-1] < 12:
        await asyncio.sleep(0)  # noqa: TID251 - exactly one turn of the loop
        started.append(len(service.started))
    assert max(after - before for before, after in itertools.pairwise(started)) == most


async def test_messages_of_a_stream_count_decompressed_while_each_is_handled(service):
    shared = service.shared(budget=Budget(20_000))
    client = Client(shared)
    body = compressed(bytes(4_000))
    response = await client.call(body * 50, path=STREAM, grpc_encoding=b"gzip")
    assert (response.status, len(response.body)) == (0, 50 * 4_005)
    stream = client.begin(path=STREAM, grpc_encoding=b"gzip")
    client.send(stream, compressed(b"wait" + bytes(4_000)))
    await client.run()
    assert shared.budget.used == 4_004
    service.released.set()
    await client.run()
    assert (client.responses[stream].ended, shared.budget.used) == (False, 0)


async def test_a_message_that_is_handled_counts_no_longer_when_its_stream_is_cancelled(service):
    shared = service.shared()
    client = Client(shared)
    stream = client.begin(path=STREAM, grpc_encoding=b"gzip")
    client.send(stream, compressed(b"wait" + bytes(4_000)) + NOT_GZIP)
    await client.run()
    client.h2.reset_stream(stream, 8)
    await client.run()
    assert shared.budget.used == 0
    assert (service.cancelled, service.events) == ([b"wait" + bytes(4_000)], [])


async def test_a_message_of_a_stream_that_finds_no_room_decompressed_is_refused(service):
    shared = service.shared(budget=Budget(3_000))
    client = Client(shared)
    response = await client.call(compressed(bytes(4_000)), path=STREAM, grpc_encoding=b"gzip")
    assert response.status == Code.RESOURCE_EXHAUSTED
    assert refusals(service) == [("Stream", Code.RESOURCE_EXHAUSTED)]
    assert shared.budget.used == 0


async def test_unread_messages_of_a_stream_count_with_their_objects(service):
    shared = service.shared()
    client = Client(shared)
    stream = client.begin(path=STREAM, grpc_encoding=b"gzip")
    client.send(stream, message(b"wait"))
    await client.run()
    client.send(stream, message(b"", 1) * 1_000)
    await client.run()
    assert shared.budget.used == 1_000 * (5 + limits.MESSAGE_OVERHEAD)


async def test_the_handler_of_a_stream_whose_request_is_wrong_is_stopped(client, service):
    stream = client.begin(path=STREAM)
    client.send(stream, message(b"wait"))
    await client.run()
    client.send(stream, message(b"x", 7))
    await client.run()
    assert client.responses[stream].status == Code.INTERNAL
    assert service.cancelled == [b"wait"]


async def _fail(client, service, error, **fields):
    service.error = error
    await client.call(message(b"x"), **fields)
    service.error = None
    service.events.clear()


async def _expire(client, service):
    client.request(message(b"wait"), grpc_timeout=b"1S")
    await client.run()
    service.clock.advance(SECOND)
    await client.run()


async def _cancel(client, data):
    stream = client.begin()
    client.send(stream, data, end=data.endswith(b"wait"))
    await client.run()
    client.h2.reset_stream(stream, 8)
    await client.run()


ENDS = {
    "answered": lambda client, _: client.call(message(b"x")),
    "refused": lambda client, _: client.call(message(b"x"), path=b"/none"),
    "failed": lambda client, service: _fail(client, service, NotFound("no")),
    "crashed": lambda client, service: _fail(client, service, RuntimeError("bug")),
    "cancelled": lambda client, _: _cancel(client, message(b"wait")),
    "incomplete": lambda client, _: _cancel(client, b"\0\0"),
    "streamed": lambda client, _: client.call(message(b"x") * 3, path=STREAM),
    "stream failed": lambda client, service: _fail(client, service, NotFound("no"), path=STREAM),
    "stream refused": lambda client, _: client.call(message(b"x", 7), path=STREAM),
    "stream not gzip": lambda client, _: client.call(NOT_GZIP, path=STREAM, grpc_encoding=b"gzip"),
    "expired": _expire,
}


@pytest.mark.parametrize("end", ENDS)
async def test_a_call_leaves_no_garbage_that_only_a_search_would_free(client, service, end):
    await ENDS[end](client, service)
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            await ENDS[end](client, service)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [type(each).__name__ for each in gc.garbage]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []


async def test_a_connection_leaves_no_garbage(shared):
    gc.collect()
    gc.disable()
    try:
        client = Client(shared)
        client.request(message(b"wait"))
        client.begin(path=STREAM)
        await client.run()
        client.pipe.close()
        await turns()
        gone = weakref.ref(client.connection)
        del client
        assert gone() is None
    finally:
        gc.enable()


def refusals(service):
    return [(event.rpc, event.code) for event in service.events]


async def half_request(client, size):
    stream = client.begin()
    client.send(stream, message(bytes(size + 1))[:-1])
    await client.run()
    return client.responses[stream]


async def test_an_old_request_that_has_not_arrived_gives_way_to_a_later_one(service):
    shared = service.shared(budget=Budget(1_000_000))
    slow = await half_request(Client(shared), 700_000)
    service.clock.advance(limits.TRANSFER_TIME - 1)
    early = await half_request(Client(shared), 700_000)
    assert (slow.status, early.status) == (None, Code.RESOURCE_EXHAUSTED)
    service.clock.advance(1)
    later = await Client(shared).call(message(bytes(700_000)))
    assert later.status == 0


async def test_a_request_that_gave_way_is_refused(service):
    shared = service.shared(budget=Budget(1_000_000))
    client = Client(shared)
    slow = await half_request(client, 700_000)
    service.clock.advance(limits.TRANSFER_TIME)
    await Client(shared).call(message(bytes(700_000)))
    await client.run()
    assert (slow.status, slow.message) == (
        Code.RESOURCE_EXHAUSTED, "The request arrives too slowly: others need the room."
    )  # fmt: skip
    assert refusals(service) == [("Unary", Code.RESOURCE_EXHAUSTED)]
    assert shared.budget.used == 0


async def test_a_request_that_has_arrived_gives_way_to_none(service):
    shared = service.shared(budget=Budget(1_000_000))
    client = Client(shared)
    stream = client.request(message(b"wait" + bytes(700_000)))
    await client.run()
    service.clock.advance(limits.TRANSFER_TIME)
    assert (await half_request(Client(shared), 700_000)).status == Code.RESOURCE_EXHAUSTED
    service.released.set()
    await client.run()
    assert client.responses[stream].status == 0


async def test_an_old_response_that_is_not_read_gives_way_to_a_later_request(service):
    shared = service.shared(budget=Budget(1_000_000))
    client = Client(shared, INITIAL_WINDOW_SIZE=100)
    stream = client.request(message(b"size 700000"))
    await client.run(consume=False)
    service.clock.advance(limits.TRANSFER_TIME)
    assert (await Client(shared).call(message(bytes(700_000)))).status == 0
    await client.run(consume=False)
    assert client.responses[stream].reset == 8
    assert shared.budget.used == 0
    assert (await client.call(message(b"x"))).status == 0


@pytest.mark.parametrize(
    ("body", "fields", "code"),
    [
        (message(b"x") * 2, {}, Code.UNIMPLEMENTED),
        (message(b"x", 7), {}, Code.INTERNAL),
        (message(b"x")[:-1], {}, Code.INTERNAL),
        (b"", {}, Code.UNIMPLEMENTED),
        (message(bytes((1 << 20) + 1)), {}, Code.RESOURCE_EXHAUSTED),
        (message(b"x", 1), {"grpc_encoding": b"gzip"}, Code.INTERNAL),
        (message(b"x"), {"grpc_encoding": b"snappy"}, Code.UNIMPLEMENTED),
        (message(b"x"), {"grpc_timeout": b"1"}, Code.INTERNAL),
    ],
    ids=["two", "flags", "cut", "none", "large", "not gzip", "encoding", "timeout"],
)
async def test_a_call_that_the_edge_refuses_is_an_event(client, service, body, fields, code):
    assert (await client.call(body, **fields)).status == code
    assert refusals(service) == [("Unary", code)]


async def test_what_names_no_method_or_ends_by_its_deadline_is_no_event(client, service):
    await client.call(message(b"x"), path=b"/a/B")
    await _expire(client, service)
    assert service.events == []


async def test_a_request_that_does_not_arrive_is_an_event(client, service):
    client.begin()
    await client.run()
    service.clock.advance(limits.REQUEST_TIMEOUT + limits.PROGRESS_INTERVAL)
    await client.run()
    assert refusals(service) == [("Unary", Code.DEADLINE_EXCEEDED)]


async def test_a_method_may_have_a_limit_of_its_own_for_streams(service):
    shared = service.shared()
    few = {b"/test.Service/Few": Streaming(service.stream, slots=Slots(2))}
    shared.methods = {**shared.methods, **few}
    clients = [Client(shared) for _ in range(3)]
    streams = [client.begin(path=b"/test.Service/Few") for client in clients]
    for client in clients:
        await client.run()
    statuses = [
        client.responses[each].status for client, each in zip(clients, streams, strict=True)
    ]
    assert statuses == [None, None, Code.RESOURCE_EXHAUSTED]
    stream = clients[2].begin(path=STREAM)
    clients[2].send(stream, message(b"x"), end=True)
    await clients[2].run()
    assert clients[2].responses[stream].status == 0
