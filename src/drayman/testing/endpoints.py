"""HTTP calls for tests, below ``/drayman/v1/testing``: for any language, and servers in containers.

A call is a row of ``CALLS``. Its fields are in the JSON object of the body, of a GET in the query.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from drayman.access.caller import Caller
from drayman.api import calls
from drayman.api.admin import TESTING
from drayman.api.context import Context
from drayman.api.request import Request
from drayman.api.responses import Response, error_response, json_response
from drayman.core import errors
from drayman.core.clock import SECOND, Micros, SystemClock
from drayman.core.errors import ServiceError
from drayman.core.limits import PLAIN_REQUEST_SIZE
from drayman.core.status import Code
from drayman.server import Server
from drayman.testing import assertions, waits
from drayman.testing.endpoint_messages import (
    Parser,
    parse_count,
    parse_duration,
    parse_queue,
    parse_response,
    parse_responses,
    parse_text,
    parse_time,
    render_delivery,
)
from drayman.testing.timeline import MoveError
from drayman.testing.virtual import MomentError, VirtualServer
from drayman.wire import protojson, times

MAX_ATTEMPTS = 10_000
"""The attempts after which a call that makes them gives up, unless it has a ``limit``."""
IDLE_TIMEOUT: Micros = 10 * SECOND
"""How long a call waits for queues, unless it has a ``timeout``."""

Fields = Mapping[str, Any]


class DeadlineExceeded(errors.ServiceError):
    """What a call waits for has not come in time."""

    code = Code.DEADLINE_EXCEEDED


async def get_clock(server: VirtualServer, _fields: Fields) -> Any:
    """Return the time, and whether attempts wait for calls."""
    return {"time": times.text(server.clock.now()), "held": server.timeline.held}


async def advance(server: VirtualServer, fields: Fields) -> Any:
    """Let time pass, and make the attempts that are due meanwhile."""
    limit = fields.get("limit", MAX_ATTEMPTS)
    match fields:
        case {"by": by, **rest} if "to" not in rest:
            attempts = await server.advance(by, limit)
        case {"to": to, **rest} if "by" not in rest:
            attempts = await server.advance_to(to, limit)
        case _:
            raise errors.InvalidArgument(
                'The body must have one of "by", a duration, and "to", a time.'
            )
    return await _moved(server, attempts)


async def run_next(server: VirtualServer, _fields: Fields) -> Any:
    """Make the next attempt, and move to its time."""
    return await _moved(server, int(await server.timeline.run_next()))


async def run_all(server: VirtualServer, fields: Fields) -> Any:
    """Make attempts, retries included, until no task can have one."""
    limit = fields.get("limit", MAX_ATTEMPTS)
    return await _moved(server, await server.timeline.run_all(limit))


async def hold(server: VirtualServer, fields: Fields) -> Any:
    """Make attempts only when a call asks for them."""
    await server.timeline.hold()
    return await get_clock(server, fields)


async def deliver_at_once(server: VirtualServer, fields: Fields) -> Any:
    """Make attempts as soon as they are due."""
    server.timeline.deliver_at_once()
    return await get_clock(server, fields)


async def list_deliveries(server: VirtualServer, fields: Fields) -> Any:
    """Return the requests that were sent to targets, the earliest first."""
    log, queue = server.targets.deliveries, fields.get("queue")
    selected = [each for each in log if assertions.is_queue(queue, each.queue)]
    return {"deliveries": [render_delivery(each) for each in selected], "dropped": log.dropped}


async def set_responses(server: VirtualServer, fields: Fields) -> Any:
    """Let targets respond without being asked."""
    match fields:
        case {"url": url, "response": response, **rest} if not rest:
            server.targets.respond(url, response)
        case {"url": url, "responses": responses, **rest} if not rest:
            server.targets.respond(url, responses)
        case _:
            raise errors.InvalidArgument(
                'The body must have a "url" and one of "response" and "responses".'
            )
    return {}


async def reset(server: Server, fields: Fields) -> Any:
    """Delete everything; the server is as after its start."""
    start = fields.get("startTime")
    if isinstance(server, VirtualServer):
        await server.restart(start)
        return await get_clock(server, fields)
    if start is not None:
        raise errors.FailedPrecondition("Only the clock of --manual-clock has a startTime.")
    await server.reset()
    return {}


async def wait_idle(server: Server, fields: Fields) -> Any:
    """Wait until no attempt is in flight and none can start."""
    if not isinstance(server, VirtualServer):
        return await _wait(server, fields, waits.is_idle, "idle")
    timeout, queue = fields.get("timeout", IDLE_TIMEOUT), fields.get("queue")
    if queue is not None:
        await server.store.get_queue(queue)
    try:
        await server.timeline.wait_until_idle(timeout, queue)
    except TimeoutError:
        raise _too_late(queue or "Some queue", "idle", timeout) from None
    return {}


async def wait_empty(server: Server, fields: Fields) -> Any:
    """Wait until there is no task."""
    return await _wait(server, fields, waits.is_empty, "empty")


async def _wait(server: Server, fields: Fields, done: waits.Done, state: str) -> Any:
    timeout, queue = fields.get("timeout", IDLE_TIMEOUT), fields.get("queue")
    name = await waits.wait(server.store, SystemClock(), queue, done, timeout)
    if name is not None:
        raise _too_late(name, state, timeout)
    return {}


def _too_late(name: str, state: str, timeout: Micros) -> DeadlineExceeded:
    return DeadlineExceeded(f"{name} is not {state} after {timeout / SECOND:g} s.")


async def _moved(server: VirtualServer, attempts: int) -> Any:
    return {"time": times.text(server.clock.now()), "attempts": attempts}


class EndpointCall(NamedTuple):
    """A call for tests.

    Attributes:
        name: Its name in events.
        method: Its HTTP method.
        path: Its path below ``TESTING``.
        handler: Returns the JSON value of its response.
        fields: Parses the value of each of its fields; ValueError says what a value must be.
        needs_clock: Whether it needs ``--manual-clock``.
    """

    name: str
    method: str
    path: str
    handler: Callable[[Any, Fields], Awaitable[Any]]
    fields: Mapping[str, Parser] = {}
    needs_clock: bool = True


_LIMIT = {"limit": parse_count}
_WAIT = {"queue": parse_queue, "timeout": parse_duration}
CALLS = (
    EndpointCall("GetClock", "GET", "/clock", get_clock),
    EndpointCall("AdvanceClock", "POST", "/clock:advance", advance,
             {"by": parse_duration, "to": parse_time} | _LIMIT),
    EndpointCall("RunNextAttempt", "POST", "/clock:runNext", run_next),
    EndpointCall("RunAllAttempts", "POST", "/clock:runAll", run_all, _LIMIT),
    EndpointCall("HoldAttempts", "POST", "/clock:hold", hold),
    EndpointCall("DeliverAtOnce", "POST", "/clock:deliverAtOnce", deliver_at_once),
    EndpointCall("ListDeliveries", "GET", "/deliveries", list_deliveries, {"queue": parse_text}),
    EndpointCall("SetResponses", "POST", "/responses", set_responses,
             {"url": parse_text, "response": parse_response, "responses": parse_responses}),
    EndpointCall("Reset", "POST", ":reset", reset, {"startTime": parse_time}, needs_clock=False),
    EndpointCall("WaitIdle", "POST", ":waitIdle", wait_idle, _WAIT, needs_clock=False),
    EndpointCall("WaitEmpty", "POST", ":waitEmpty", wait_empty, _WAIT, needs_clock=False),
)  # fmt: skip


class Endpoints:
    """The calls for tests of a server; implements ``api.http.Extension``."""

    takes_forms = False

    def __init__(self, context: Context, server: Server) -> None:
        self._context = context
        self._server = server

    def serves(self, request: Request) -> bool:
        """Return whether a call has this path and method."""
        return _find(request) is not None

    async def answer(self, request: Request) -> Response:
        """Return the response to a request. ServiceError."""
        call = _find(request)
        assert call is not None  # noqa: S101 - it is served

        async def run(_caller: Caller | None) -> Any:
            return await _handle(self._server, call, request)

        return json_response(200, await calls.guard(self._context, call.name, request.fields, run))

    def refuse(self, _request: Request, error: ServiceError) -> Response:
        """Return the response to a request whose body is not received."""
        return error_response(error)


def _find(request: Request) -> EndpointCall | None:
    return _BY_PATH.get((request.method, request.path))


_BY_PATH = {(call.method, TESTING + call.path): call for call in CALLS}


async def _handle(server: Server, call: EndpointCall, request: Request) -> Any:
    if call.needs_clock and not isinstance(server, VirtualServer):
        raise errors.NotFound(
            f"{request.path} needs a server with --manual-clock and --store memory."
        )
    if call.method == "GET":
        content: Any = {name: values[-1] for name, values in request.parameters().items()}
    else:
        content = protojson.decode(request.body.decompress(PLAIN_REQUEST_SIZE))
    try:
        return await call.handler(server, _parse(call, content))
    except TimeoutError as error:
        raise DeadlineExceeded(str(error)) from None
    except (MoveError, MomentError) as error:
        raise errors.FailedPrecondition(str(error)) from None


def _parse(call: EndpointCall, content: Any) -> Fields:
    """Return the values of the fields of a request; InvalidArgument."""
    if not isinstance(content, dict) or not content.keys() <= call.fields.keys():
        allowed = ", ".join(call.fields) or "none"
        raise errors.InvalidArgument(f"{call.name} takes a JSON object with the fields: {allowed}.")
    return {name: _parse_field(call, name, value) for name, value in content.items()}


def _parse_field(call: EndpointCall, name: str, value: Any) -> Any:
    try:
        return call.fields[name](value)
    except ValueError as error:
        raise errors.invalid_field(name, f"{error}.") from None
