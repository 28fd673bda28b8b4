"""From a row of the table of calls to the coroutine that answers it: bytes in, bytes out."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from drayman.api import batches, cmek, locations, operations, policies, queues, tasks
from drayman.api.context import Context
from drayman.core import errors, names
from drayman.core.events import CallCrashed, CallRefused
from drayman.core.status import Code
from drayman.tasks_v2 import rpcs

_MODULES = (queues, tasks, batches, operations, policies, cmek, locations)

_Answer = TypeVar("_Answer")
Call = Callable[[Context, Any], Awaitable[Any]]


class InternalError(errors.ServiceError):
    """A fault of ours; the log has the details, the caller gets none."""

    code = Code.INTERNAL


def _handlers() -> dict[str, Call]:
    found = {}
    for rpc in rpcs.SERVED:
        for module in _MODULES:
            if hasattr(module, rpc.method):
                found[rpc.name] = getattr(module, rpc.method)
    return found


HANDLERS: dict[str, Call] = _handlers()
"""The coroutine of each call that this server has."""


def message_class(message: Any) -> Any:
    """Return the plain protobuf class of a row's message."""
    return message.pb() if hasattr(message, "pb") else message


def _routed(rpc: rpcs.Rpc, request: Any) -> str:
    """Return the name by which a request is routed: it says what location the call is for."""
    *parents, last = rpc.routing.split(".")
    for parent in parents:
        request = getattr(request, parent)
    return str(getattr(request, last))


async def answer(context: Context, rpc: rpcs.Rpc, request_class: Any, body: bytes) -> bytes:
    """Answer a serialized request; internal errors are raised as they are."""
    try:
        request = request_class.FromString(body)
    except DecodeError:
        raise errors.InvalidArgument(
            f"The request is not a valid {request_class.DESCRIPTOR.name} message."
        ) from None
    response = await call(context, rpc, request)
    return bytes(response.SerializeToString())


async def call(context: Context, rpc: rpcs.Rpc, request: Any) -> Any:
    """Answer a request message; internal errors are raised as they are."""
    names.check_location(_routed(rpc, request), context.limits.locations)
    return await HANDLERS[rpc.name](context, request)


async def guard(context: Context, rpc: str, answering: Awaitable[_Answer]) -> _Answer:
    """Return the result of a coroutine that answers a call; emit an event if it fails.

    Every failure is raised as a ServiceError: an internal error as InternalError.
    """
    try:
        return await answering
    except errors.ServiceError as error:
        context.emit(CallRefused(rpc, error.code, error.message, context.clock.now()))
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a status
        context.emit(CallCrashed(rpc, error, context.clock.now()))
        raise InternalError("Internal error; the server's log has the details.") from None
