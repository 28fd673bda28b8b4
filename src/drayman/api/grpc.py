"""The gRPC server: a method handler for each row of the table of calls."""

import datetime
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio

from drayman.api import calls, introspection, listener
from drayman.api.context import Context
from drayman.core.clock import SECOND, Micros
from drayman.core.errors import InvalidArgument, ServiceError
from drayman.core.limits import REQUEST_SIZE
from drayman.tasks_v2 import rpcs
from drayman.wire import details

_CODES = {code.value[0]: code for code in grpc.StatusCode}
CONCURRENT_CALLS = 10_000
"""The most calls in progress; more are answered RESOURCE_EXHAUSTED."""
PING_INTERVAL = 5_000
"""The least milliseconds between two keepalive pings of a client. gRPC's default of five minutes
ends the connections of clients that ping more often; those of Go may ping every 10 s, and a ping
that the network delays arrives closer to the next. At this rate pings cost nothing."""


def ping_options(interval: int) -> tuple[tuple[str, int], ...]:
    """Return the options of a server that accepts a ping every ``interval`` ms, even without calls.

    A client that sends several sooner gets GOAWAY with ENHANCE_YOUR_CALM.
    """
    return (
        ("grpc.http2.min_ping_interval_without_data_ms", interval),
        ("grpc.keepalive_permit_without_calls", 1),
    )


_OPTIONS = (
    *ping_options(PING_INTERVAL),
    ("grpc.so_reuseport", 0),  # a port in use is an error, not a second server on it
    # Calls received but not yet started. Beyond its own default of some hundred, gRPC drops calls
    # without an error.
    ("grpc.server.max_pending_requests", CONCURRENT_CALLS),
    ("grpc.server.max_pending_requests_hard_limit", 2 * CONCURRENT_CALLS),
    ("grpc.max_receive_message_length", REQUEST_SIZE),
    ("grpc.max_send_message_length", -1),
)
_ROUNDING = 1.01
"""A timeout on the wire may be one per cent too long: gRPC's C core rounds it up to two or three
significant digits, 30 s to 30.1 s and 100 s to 101 s."""
_YEAR_9999 = 253_000_000_000


class GrpcServer:
    """The service ``google.cloud.tasks.v2.CloudTasks`` and its companions on a port."""

    def __init__(self, context: Context, host: str, port: int) -> None:
        self._server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=CONCURRENT_CALLS)
        self._server.add_generic_rpc_handlers((_Handlers(context),))
        self._health = introspection.add(self._server, context)
        address = f"[{host}]" if ":" in host else host
        try:
            self.port = self._server.add_insecure_port(f"{address}:{port}")
        except RuntimeError:
            self.port = 0
        if not self.port:
            reason = listener.bind_failure(host, port)
            raise listener.port_error(f"{address}:{port}", "--port", reason)

    async def start(self) -> None:
        """Start to accept calls."""
        await self._server.start()

    async def stop(self, grace: float) -> None:
        """Accept no new calls; cancel those in progress after ``grace`` seconds."""
        self._health.shut_down()
        await self._server.stop(grace)


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, context: Context) -> None:
        self._methods: dict[str, Any] = {
            rpc.full_name: grpc.unary_unary_rpc_method_handler(_handler(context, rpc))
            for rpc in rpcs.SERVED
            if rpc.name in calls.HANDLERS
        }

    def service(self, details: Any) -> Any:
        return self._methods.get(details.method)


def _handler(context: Context, rpc: rpcs.Rpc) -> Callable[[bytes, Any], Any]:
    request_class = calls.message_class(rpc.request)
    # Google's clients have longer deadlines for the other services, 600 s for operations.
    limit = context.limits.call_deadline if rpc.service == rpcs.SERVICE else 0

    async def respond(body: bytes, remaining: float | None) -> bytes:
        check_deadline(limit, context.clock.now(), remaining)
        return await calls.handle_serialized(context, rpc, request_class, body)

    async def handle(body: bytes, call: Any) -> bytes:
        try:
            return await calls.guard(context, rpc.name, respond(body, call.time_remaining()))
        except ServiceError as error:
            await call.abort(_CODES[error.code], error.message, _trailer(error))
            raise AssertionError("abort raises") from None

    return handle


def check_deadline(limit: Micros, now: Micros, remaining: float | None) -> None:
    """Check that a deadline is not too far ahead, as the real service does. InvalidArgument.

    Args:
        limit: How far ahead a deadline may be; 0 for no limit.
        now: The present moment.
        remaining: Seconds until the caller's deadline; None for a caller without one.
    """
    if limit and remaining is not None and remaining * SECOND > limit * _ROUNDING:
        seconds = min(now // SECOND + round(remaining), _YEAR_9999)
        deadline = datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC)
        raise InvalidArgument(
            f"The request deadline is {deadline:%Y-%m-%dT%H:%M:%SZ}. The deadline cannot be more "
            f"than {limit // SECOND}s in the future."
        )


def _trailer(error: ServiceError) -> tuple[tuple[str, bytes], ...]:
    if not error.details:
        return ()
    return (("grpc-status-details-bin", details.status(error).SerializeToString()),)
