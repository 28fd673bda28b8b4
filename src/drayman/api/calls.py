"""The handler of each row of the table of calls, and what every transport does around it."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from google.protobuf.message import DecodeError

from drayman.access.caller import Caller
from drayman.access.control import Fields
from drayman.api import (
    batches,
    cmek,
    locations,
    operations,
    permissions,
    policies,
    queues,
    tasks,
)
from drayman.api.context import Context
from drayman.core import errors, names
from drayman.core.events import CallCrashed, CallRefused
from drayman.core.status import Code
from drayman.tasks_v2 import rpcs

_MODULES = (queues, tasks, batches, operations, policies, cmek, locations)

_Arguments = ParamSpec("_Arguments")
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
    caller: Caller | None, context: Context, rpc: rpcs.Rpc, request_class: Any, body: bytes
) -> bytes:
    """Return the serialized response to a serialized request; raises what its handler raises."""
    try:
        request = request_class.FromString(body)
    except DecodeError:
        raise errors.InvalidArgument(
            f"The request is not a valid {request_class.DESCRIPTOR.name} message."
        ) from None
    response = await handle(caller, context, rpc, request)
    return bytes(response.SerializeToString())


async def handle(caller: Caller | None, context: Context, rpc: rpcs.Rpc, request: Any) -> Any:
    """Return the response message to a request message; raises what its handler raises.

    ``caller`` is None if callers are not authenticated.
    """
    name = _routing_name(rpc, request)
    if context.access is not None and not permissions.are_held(caller, rpc, request):
        await permissions.authorize(context.access, caller, rpc, name, request)
    names.check_location(name, context.limits.locations)
    response = await HANDLERS[rpc.name](context, request)
    if context.access is not None and rpc.name == "TestIamPermissions":
        await permissions.select(context.access, caller, name, response)
    return response


async def guard(
    context: Context,
    rpc: str,
    fields: Fields,
    handler: Callable[Concatenate[Caller | None, _Arguments], Awaitable[_Result]],
    *args: _Arguments.args,
    **kwargs: _Arguments.kwargs,
) -> _Result:
    """Authenticate the caller of a call and return what its handler returns.

    Every call of every transport comes through here. ``fields`` are the header fields of its
    request. The handler gets the caller, None without authentication. Every failure is raised as a
    ServiceError, and emitted as an event; an internal error becomes InternalError.
    """
    try:
        caller = None
        if context.access is not None:
            caller = context.access.recall(fields)
            if caller is None:
                caller = await context.access.authenticate(_full_name(rpc), fields)
        return await handler(caller, *args, **kwargs)
    except errors.ServiceError as error:
        context.emit(CallRefused(rpc, error.code, errors.describe(error), context.clock.now()))
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a status
        context.emit(CallCrashed(rpc, error, context.clock.now()))
        raise InternalError("Internal error; the server's log has the details.") from None


@functools.cache
def _full_name(name: str) -> str:
    """Return the name of a call with its service, as details of errors have it."""
    rpc = rpcs.BY_NAME.get(name)
    return f"{rpc.service if rpc else rpcs.SERVICE}.{name}"
