"""The calls of one connection: from the events of its HTTP/2 engine to handlers, and back.

A unary call gets one task that runs its handler. What a call holds is released when its response is
queued, its place in the table when the stream is closed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

from drayman.core.clock import Micros
from drayman.core.deadlines import DeadlineTimer
from drayman.core.errors import ServiceError
from drayman.core.events import CallCrashed, CallRefused
from drayman.core.status import Code
from drayman.edge import grpc_messages, grpc_requests, grpc_status, h2, limits
from drayman.edge.budget import Share, Slots, Transfer
from drayman.edge.call import Call, resolve
from drayman.edge.floods import PingMeter
from drayman.edge.grpc_status import CallError, HttpError
from drayman.edge.methods import Method, Streaming, Unary
from drayman.edge.shared import Shared


class Calls:
    """The calls of one connection.

    Args:
        shared: What all connections share.
        engine: The connection's HTTP/2 engine.
        pings: Is cleared by each response.
        wake: Has what is queued in the engine written soon.

    Attributes:
        client_fields: Header fields that the server adds to each request (see ``tls``).
    """

    def __init__(
        self, shared: Shared, engine: h2.Engine, pings: PingMeter, wake: Callable[[], None]
    ) -> None:
        self._shared = shared
        self._engine = engine
        self._pings = pings
        self._wake = wake
        self.client_fields: grpc_status.Headers = ()
        self._loop = asyncio.get_running_loop()
        self._share = Share(shared.budget)
        self._calls: dict[int, Call] = {}
        self._responded_early: list[int] = []
        self._unary_slots = (shared.unary_calls,)
        self._streaming_slots = (
            Slots(limits.STREAMING_CALLS_OF_CONNECTION),
            shared.streaming_calls,
        )
        # The connection's streams take turns, so that it never has more than one message in the
        # queue of the thread: large requests of others wait there, too.
        self._decompressing = asyncio.Lock()
        self._deadlines = DeadlineTimer(shared.clock, self._expire)

    def __len__(self) -> int:
        return len(self._calls)

    # Events of the engine.

    def begin(self, event: h2.RequestReceived) -> None:
        """Begin a call, or refuse it."""
        try:
            self._begin(event)
        except HttpError as error:
            self._refuse(event, error.headers, error.body)
        except CallError as error:
            self._refuse(event, grpc_status.HEADERS + grpc_status.trailers(error))
            self._emit_refused(dict(event.headers).get(b":path", b""), error)

    def _begin(self, event: h2.RequestReceived) -> None:
        request = grpc_requests.parse(event.headers + self.client_fields)
        method = self._shared.methods.get(request.path)
        if method is None:
            raise CallError(Code.UNIMPLEMENTED, "Method not found!")
        slots = self._take_slots(method)
        call = Call(event.stream_id, method, request, self._shared.clock.now(), slots)
        self._calls[event.stream_id] = call
        if call.deadline is not None:
            self._deadlines.include(call.deadline)
        if isinstance(method, Streaming):
            call.task = self._loop.create_task(self._serve(call, method))
        if event.end_stream:
            self._complete(call)

    def _take_slots(self, method: Method) -> tuple[Slots, ...]:
        if isinstance(method, Unary):
            slots: tuple[Slots, ...] = self._unary_slots
        else:
            slots = self._streaming_slots + ((method.slots,) if method.slots else ())
        for each in slots:
            if not each.free:
                raise CallError(Code.RESOURCE_EXHAUSTED, "Too many calls are in progress.")
        for each in slots:
            each.take()
        return slots

    def _refuse(
        self, event: h2.RequestReceived, headers: grpc_status.Headers, body: bytes = b""
    ) -> None:
        self._pings.clear()
        self._engine.send_headers(event.stream_id, headers, end=not body)
        if body:
            self._engine.send_data(event.stream_id, body, end=True)
        if not event.end_stream:
            self._responded_early.append(event.stream_id)

    def feed(self, event: h2.DataReceived) -> None:
        """Take a part of a request."""
        call = self._calls.get(event.stream_id)
        if call is None or call.responded:
            self._engine.consume(event.stream_id, len(event.data))
            return
        try:
            self._feed(call, event)
        except CallError as error:
            self._refuse_arriving(call, error)

    def _feed(self, call: Call, event: h2.DataReceived) -> None:
        data, method = event.data, call.method
        call.unconsumed += len(data)
        self._charge(call, len(data))
        if isinstance(method, Streaming):
            self._take_messages(call, data)
            resolve(call.arrival)
        else:
            self._consume(call)
            if event.end_stream and call.reader is None:
                request = grpc_messages.unframe(data, method.request_size)
                if request is not None:  # nearly always
                    self._start(call, method, request)
                    return
            self._take_messages(call, data)
            if len(call.messages) > 1:
                raise _not_one_message()
        if event.end_stream:
            self._complete(call)

    def _take_messages(self, call: Call, data: bytes) -> None:
        messages = call.feed(data)
        self._charge(call, len(messages) * limits.MESSAGE_OVERHEAD)
        call.messages.extend(messages)

    def _start(self, call: Call, method: Unary, request: bytes) -> None:
        call.complete = True
        if call.charged > limits.SMALL_CALL:
            self._share.end_transfer(call)
        call.task = self._loop.create_task(self._handle(call, method, request))

    def _charge(self, call: Call, size: int) -> None:
        small = call.charged + size <= limits.SMALL_CALL
        if not (self._share.take(size) if small else self._take_large(call, size)):
            raise _too_many_bytes()
        call.charged += size

    def _take_large(self, call: Call, size: int) -> bool:
        taken = self._share.take_large(size, call, self._shared.clock.now())
        if taken and not call.complete:
            self._begin_transfer(call)
        return taken

    def _begin_transfer(self, call: Call) -> None:
        end = partial(self._end_transfer, call)
        self._share.begin_transfer(call, Transfer(self._shared.clock.now(), end))

    def _end_transfer(self, call: Call) -> None:
        """End a call whose request arrives, or whose response is read, too slowly."""
        if call.responded:
            self._engine.reset(call.stream_id, h2.CANCEL)
            self._share.release(call.unread)
            call.unread = 0
            self._wake()
        else:
            message = "The request arrives too slowly: others need the room."
            self._refuse_arriving(call, CallError(Code.RESOURCE_EXHAUSTED, message))

    def _consume(self, call: Call) -> None:
        size, call.unconsumed = call.unconsumed, 0
        self._engine.consume(call.stream_id, size)

    def end_request(self, event: h2.TrailersReceived) -> None:
        """Take the trailers of a request: they end it, whatever they say."""
        call = self._calls.get(event.stream_id)
        if call is not None and not call.responded:
            self._complete(call)

    def _complete(self, call: Call) -> None:
        call.complete = True
        if call.partial:
            error = CallError(Code.INTERNAL, "The request ends within a message.")
            self._refuse_arriving(call, error)
        elif isinstance(call.method, Streaming):
            resolve(call.arrival)
        elif not call.messages:
            self._refuse_call(call, _not_one_message())
        else:
            self._start(call, call.method, call.messages.pop())

    def remove(self, event: h2.StreamClosed) -> None:
        """Forget a call whose stream is closed."""
        call = self._calls.get(event.stream_id)
        if call is not None:
            self._remove(call)

    def _remove(self, call: Call) -> None:
        del self._calls[call.stream_id]
        if call.charged + call.unread > limits.SMALL_CALL:
            self._share.end_transfer(call)
        self._share.release(call.charged + call.inflated + call.unread)
        if call.responded:
            return
        self._consume(call)
        if call.task is not None:
            call.task.cancel()
        call.end()

    # All calls at once.

    def arriving(self) -> Iterator[Call]:
        """Yield the unary calls whose request has not come to its end."""
        return filter(_is_arriving, self._calls.values())

    def fail_late(self, now: Micros) -> None:
        """End the calls whose request takes too long to arrive."""
        error = CallError(Code.DEADLINE_EXCEEDED, "The request did not arrive in time.")
        for call in list(self.arriving()):
            if now - call.began >= limits.REQUEST_TIMEOUT:
                self._refuse_call(call, error)

    def fail_all(self, error: CallError) -> None:
        """Stop all handlers and respond with an error."""
        for call in list(self._calls.values()):
            self._cancel(call, error)

    def remove_all(self) -> None:
        """Forget all calls, because the connection is gone."""
        for call in list(self._calls.values()):
            self._remove(call)
        self._deadlines.cancel()
        self._wake = _do_nothing  # the connection refers to its calls: no cycle may stay

    # Answers.

    async def _handle(self, call: Call, method: Unary, request: bytes) -> None:
        try:
            if type(request) is grpc_messages.Compressed and call.decompress is not None:
                if method.authenticate is not None:
                    await method.authenticate(call.fields)
                request = await self._decompress_request(call, call.decompress, request)
            response = await method.handler(request, call.timeout, call.fields)
        except ServiceError as error:
            self._fail(call, error)
        except CallError as error:
            self._refuse_call(call, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a status
            self._crash(call, error)
        else:
            self._respond(call, response)

    async def _decompress_request(
        self, call: Call, decompress: grpc_messages.Decompress, request: bytes
    ) -> bytes:
        message = await self._inflate(call, decompress, request)
        self._charge(call, len(message))
        return message

    def _inflate(
        self, call: Call, decompress: grpc_messages.Decompress, message: bytes
    ) -> Awaitable[bytes]:
        size = len(message) * grpc_messages.EXPANSION
        return self._shared.offload.run(size, decompress, message, call.method.request_size)

    async def _serve(self, call: Call, method: Streaming) -> None:
        try:
            await method.serve(_Messages(self, call), call.fields)
        except ServiceError as error:
            self._fail(call, error)
        except CallError as error:
            self._refuse_call(call, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a status
            self._crash(call, error)
        else:
            self._close(call, grpc_status.OK)

    def _respond(self, call: Call, response: bytes) -> None:
        if call.responded:
            return
        body = grpc_messages.frame(response)
        self._discharge(call)
        try:
            self._charge_response(call, len(body))
        except CallError as error:
            self._refuse_call(call, error)
            return
        self._engine.respond(call.stream_id, grpc_status.HEADERS, body, grpc_status.OK)
        self._end(call)
        if call.unread > limits.SMALL_CALL:
            self._begin_transfer(call)

    def _charge_response(self, call: Call, size: int) -> None:
        # A response that is refused may be that of a call that has taken effect. Only large ones
        # are: those are lists, and small ones are bounded by the number of streams.
        if size > limits.SMALL_CALL:
            if not self._take_large(call, size):
                raise CallError(Code.RESOURCE_EXHAUSTED, "Too many bytes of responses are unread.")
        elif not self._share.take(size):
            self._share.add(size)
        call.unread += size

    def _discharge(self, call: Call) -> None:
        if call.charged > limits.SMALL_CALL:
            self._share.end_transfer(call)
        self._share.release(call.charged)
        call.charged = 0

    def _discharge_inflated(self, call: Call) -> None:
        """Count the last message no longer: the handler is done with it."""
        self._share.release(call.inflated)
        call.inflated = 0

    def _crash(self, call: Call, error: Exception) -> None:
        clock = self._shared.clock
        self._shared.emit(CallCrashed(call.path.decode(), error, clock.now()))
        message = "Internal error; the server's log has the details."
        self._fail(call, CallError(Code.INTERNAL, message))

    def _expire(self, now: Micros) -> Micros | None:
        """End the calls whose deadline has come and return the next deadline."""
        error = CallError(Code.DEADLINE_EXCEEDED, "Deadline Exceeded")
        following: Micros | None = None
        for call in list(self._calls.values()):
            if call.responded or call.deadline is None:
                continue
            if call.deadline <= now:
                self._cancel(call, error)
            else:
                following = min(call.deadline, following or call.deadline)
        return following

    def _cancel(self, call: Call, error: CallError) -> None:
        """Stop the handler of a call and respond with an error."""
        if call.task is not None:
            call.task.cancel()
        self._fail(call, error)

    def _refuse_arriving(self, call: Call, error: CallError) -> None:
        """Refuse a call whose request arrives, and stop its handler if it is a stream."""
        if call.task is not None:
            call.task.cancel()
        self._refuse_call(call, error)

    def _refuse_call(self, call: Call, error: CallError) -> None:
        """Fail a call that its handler has not seen or finished, and emit an event."""
        if not call.responded:
            self._fail(call, error)
            self._emit_refused(call.path, error)

    def _emit_refused(self, path: bytes, error: CallError) -> None:
        if path in self._shared.methods:
            name, now = path.decode().rpartition("/")[2], self._shared.clock.now()
            self._shared.emit(CallRefused(name, error.code, error.message, now))

    def _fail(self, call: Call, error: ServiceError | CallError) -> None:
        self._close(call, grpc_status.trailers(error))

    def _close(self, call: Call, trailers: grpc_status.Headers) -> None:
        """Answer with nothing but a status, or end a stream of messages."""
        if call.responded:
            return
        if call.responding:
            self._engine.send_trailers(call.stream_id, trailers)
        else:
            self._engine.send_headers(call.stream_id, grpc_status.HEADERS + trailers, end=True)
        self._discharge(call)
        self._discharge_inflated(call)
        self._consume(call)
        if not call.complete:
            self._responded_early.append(call.stream_id)
        self._end(call)

    def _end(self, call: Call) -> None:
        self._pings.clear()
        call.end()
        self._wake()

    # After a write.

    def reset_responded(self) -> bool:
        """Reset streams whose response is written though their request has not come to its end.

        Returns whether there is something to write.
        """
        early, self._responded_early = self._responded_early, []
        for stream_id in early:
            if self._engine.queued(stream_id):
                self._responded_early.append(stream_id)
            else:
                self._engine.reset(stream_id, h2.NO_ERROR)
        return len(self._responded_early) < len(early)

    def resume_senders(self) -> None:
        """Wake streaming calls whose messages have left the engine."""
        if self._streaming_slots[0].used:
            for call in self._calls.values():
                if call.drained is not None and not self._engine.queued(call.stream_id):
                    resolve(call.drained)

    # Messages of streaming calls.

    async def receive(self, call: Call) -> bytes | None:
        """Return the next message of a call; None when there are no more. CallError."""
        self._discharge_inflated(call)
        while not call.messages:
            if call.complete:
                return None
            call.arrival = self._loop.create_future()
            await call.arrival
        message = call.messages.popleft()
        if not call.messages:
            self._consume(call)
            self._discharge(call)
            self._wake()
        if type(message) is grpc_messages.Compressed and call.decompress is not None:
            message = await self._decompress_message(call, call.decompress, message)
        return message

    async def _decompress_message(
        self, call: Call, decompress: grpc_messages.Decompress, message: bytes
    ) -> bytes:
        async with self._decompressing:
            await self._shared.turns.turn()
            message = await self._inflate(call, decompress, message)
        if not self._share.take(len(message)):
            raise _too_many_bytes()
        call.inflated = len(message)
        return message

    async def send(self, call: Call, message: bytes) -> None:
        """Send a message, and return when it has left the engine. CallError."""
        self._discharge_inflated(call)
        body = grpc_messages.frame(message)
        if len(body) > limits.READ_SIZE:
            await self._shared.turns.turn()
        self._charge_response(call, len(body))
        if not call.responding:
            call.responding = True
            self._engine.send_headers(call.stream_id, grpc_status.HEADERS)
        self._engine.send_data(call.stream_id, body)
        self._pings.clear()
        self._wake()
        call.drained = self._loop.create_future()
        await call.drained
        call.drained = None
        self._share.release(call.unread)
        call.unread = 0


class _Messages:
    """Both directions of a streaming call, as its handler sees them."""

    def __init__(self, calls: Calls, call: Call) -> None:
        self._calls = calls
        self._call = call

    async def receive(self) -> bytes | None:
        return await self._calls.receive(self._call)

    async def send(self, message: bytes) -> None:
        await self._calls.send(self._call, message)


def _do_nothing() -> None:
    pass


def _too_many_bytes() -> CallError:
    return CallError(Code.RESOURCE_EXHAUSTED, "Too many bytes of requests are in flight.")


def _not_one_message() -> CallError:
    return CallError(Code.UNIMPLEMENTED, "The method takes exactly one message.")


def _is_arriving(call: Call) -> bool:
    return not call.complete and not call.responded and isinstance(call.method, Unary)
