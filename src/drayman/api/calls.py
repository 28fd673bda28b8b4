"""The handler of each row of the table of calls, and what every transport does around it."""

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

_Result = TypeVar("_Result")
Handler = Callable[[Context, Any], Awaitable[Any]]


class InternalError(errors.ServiceError):
    """A fault of the server; the log has the details, the caller gets none."""

    code = Code.INTERNAL


HANDLERS: dict[str, Handler] = {
    rpc.name: getattr(module, rpc.method)
    for rpc in rpcs.SERVED
    for module in _MODULES
    if hasattr(module, rpc.method)
}
"""The handler of each call that this server has: request message in, response message out."""


def message_class(message: Any) -> Any:
    """Return the protobuf class of a row's message, without its proto-plus wrapper."""
    return message.pb() if hasattr(message, "pb") else message


def _routing_name(rpc: rpcs.Rpc, request: Any) -> str:
    """Return the resource name by which a request is routed; it contains the location."""
    *parents, last = rpc.routing.split(".")
    for parent in parents:
        request = getattr(request, parent)
    return str(getattr(request, last))


async def handle_serialized(
    context: Context, rpc: rpcs.Rpc, request_class: Any, body: bytes
) -> bytes:
    """Return the serialized response to a serialized request; raises what its handler raises."""
    try:
        request = request_class.FromString(body)
    except DecodeError:
        raise errors.InvalidArgument(
            f"The request is not a valid {request_class.DESCRIPTOR.name} message."
        ) from None
    response = await handle(context, rpc, request)
    return bytes(response.SerializeToString())


async def handle(context: Context, rpc: rpcs.Rpc, request: Any) -> Any:
    """Return the response message to a request message; raises what its handler raises."""
    check_name(context, rpc.name, _routing_name(rpc, request))
    return await HANDLERS[rpc.name](context, request)


_CHECKS = {
    rpc.name: names.resource_check(rpc.pattern, f"{rpc.service}.{rpc.name}", rpc.permission)
    for rpc in rpcs.SERVED
}


def check_name(context: Context, rpc: str, name: str) -> None:
    """Check the name of the resource that a call is about; InvalidArgument, PermissionDenied."""
    _CHECKS[rpc](name)
    names.check_location(name, context.limits.locations)


async def guard(context: Context, rpc: str, handling: Awaitable[_Result]) -> _Result:
    """Return the result of a coroutine that handles a call; emit an event if it fails.

    Every failure is raised as a ServiceError; an internal error becomes InternalError.
    """
    try:
        return await handling
    except errors.ServiceError as error:
        context.emit(CallRefused(rpc, error.code, error.message, context.clock.now()))
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a status
        context.emit(CallCrashed(rpc, error, context.clock.now()))
        raise InternalError("Internal error; the server's log has the details.") from None
