"""The table of methods: from the path of a call to the coroutine that handles it."""

import datetime
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, Protocol

from drayman.access.caller import Caller
from drayman.access.control import Fields
from drayman.api import calls
from drayman.api.context import Context
from drayman.core.clock import SECOND, Micros
from drayman.core.errors import InvalidArgument
from drayman.core.limits import REQUEST_SIZE
from drayman.edge.budget import Slots
from drayman.tasks_v2 import rpcs

_ROUNDING = 1.01
"""A timeout on the wire may be one per cent too long: gRPC's C core rounds it up to two or three
significant digits, 30 s to 30.1 s and 100 s to 101 s."""
_YEAR_9999 = 253_000_000_000


class Messages(Protocol):
    """Both directions of a streaming call."""

    async def receive(self) -> bytes | None:
        """Return the next message of the caller; None when there are no more."""

    async def send(self, message: bytes) -> None:
        """Send a message, and return when the caller has room for another."""


class Unary(NamedTuple):
    """A method with one request and one response.

    Attributes:
        handler: Takes the request, the time until the caller's deadline, None without one, and
            the header fields; returns the response. ServiceError.
        request_size: The most bytes of a request.
        authenticate: Takes the header fields, and refuses a caller who is not known before a
            message is decompressed for them; None to refuse nobody. ServiceError.
    """

    handler: Callable[[bytes, Micros | None, Fields], Awaitable[bytes]]
    request_size: int = REQUEST_SIZE
    authenticate: Callable[[Fields], Awaitable[None]] | None = None


class Streaming(NamedTuple):
    """A method with streams of messages.

    Attributes:
        serve: Receives and sends messages until the call ends; takes the header fields, too.
            ServiceError.
        request_size: The most bytes of one message of the caller.
        slots: A limit of its own for the calls in progress, below that of all streams.
    """

    serve: Callable[[Messages, Fields], Awaitable[None]]
    request_size: int = 64 << 10
    slots: Slots | None = None


Method = Unary | Streaming
Methods = Mapping[bytes, Method]
"""Methods by their path, ``/SERVICE/NAME``."""


def of_api(context: Context) -> dict[bytes, Method]:
    """Return the methods of the table of calls."""
    return {
        rpc.full_name.encode(): _unary(context, rpc)
        for rpc in rpcs.SERVED
        if rpc.name in calls.HANDLERS
    }


def _unary(context: Context, rpc: rpcs.Rpc) -> Unary:
    request_class = calls.message_class(rpc.request)
    # Google's clients wait longer for the other services: for operations 600 s.
    limit = context.limits.call_deadline if rpc.service == rpcs.SERVICE else 0

    async def handle(caller: Caller | None, body: bytes, remaining: Micros | None) -> bytes:
        check_deadline(limit, context.clock.now(), remaining)
        return await calls.handle_serialized(caller, context, rpc, request_class, body)

    async def guarded(body: bytes, remaining: Micros | None, fields: Fields) -> bytes:
        return await calls.guard(context, rpc.name, fields, handle, body, remaining)

    async def authenticate(fields: Fields) -> None:
        await calls.guard(context, rpc.name, fields, _admit)

    return Unary(guarded, calls.request_size(rpc), authenticate if context.access else None)


async def _admit(_caller: Caller | None) -> None:
    """Do nothing: the caller is known."""


def check_deadline(limit: Micros, now: Micros, remaining: Micros | None) -> None:
    """Refuse a caller who would wait for too long, as the real service does: InvalidArgument.

    Args:
        limit: How far ahead a deadline may lie; 0 for any distance.
        now: The present moment.
        remaining: How long the caller waits; None for a caller without a deadline.
    """
    if limit and remaining is not None and remaining > limit * _ROUNDING:
        when = min((now + remaining) // SECOND, _YEAR_9999)
        shown = datetime.datetime.fromtimestamp(when, tz=datetime.UTC)
        raise InvalidArgument(
            f"The request deadline is {shown:%Y-%m-%dT%H:%M:%SZ}. The deadline cannot be more "
            f"than {limit // SECOND}s in the future."
        )
