"""The handler of each row of the table of calls, and what every transport does around it."""

import contextlib
import functools
import operator
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from google.protobuf.message import DecodeError

from drayman.access.caller import Caller
from drayman.access.control import Fields
from drayman.api import (
    batches,
    callers,
    cmek,
    locations,
    operations,
    permissions,
    policies,
    queues,
    tasks,
)
from drayman.api.context import Context
from drayman.api.offload import LARGE
from drayman.core import errors, names
from drayman.core.events import CallCrashed, CallRefused
from drayman.core.limits import PAGE_BYTES, PLAIN_REQUEST_SIZE, REQUEST_SIZE
from drayman.core.role import Role
from drayman.core.status import Code
from drayman.tasks_v2 import rpcs
from drayman.wire import value_count

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


_CREATE_TASK, _BATCH = "CreateTask", "BatchCreateTasks"


def request_size(rpc: rpcs.Rpc) -> int:
    """Return the most bytes of a request of a call."""
    return REQUEST_SIZE if rpc.name in {_CREATE_TASK, _BATCH} else PLAIN_REQUEST_SIZE


_RESPONSE_SIZES = {
    "ListTasks": PAGE_BYTES, "ListQueues": PAGE_BYTES, "ListOperations": PAGE_BYTES,
    "GetOperation": REQUEST_SIZE, "WaitOperation": REQUEST_SIZE,
    "GetTask": PLAIN_REQUEST_SIZE, "RunTask": PLAIN_REQUEST_SIZE,
}  # fmt: skip
"""About the most bytes of the responses of calls whose responses may be large though their requests
are small: a caller could have thousands of them made at once."""


def admit_response(
    context: Context, rpc: rpcs.Rpc, expansion: int = 1
) -> contextlib.AbstractAsyncContextManager[None]:
    """Wait until the response of a call, so many times as large as usual, may be made."""
    return context.offload.responses.admit(expansion * _RESPONSE_SIZES.get(rpc.name, 0))


def check_task_size(context: Context, rpc: rpcs.Rpc, size: int) -> None:
    """Refuse a CreateTask request whose task must be too large, before it is parsed."""
    if rpc.name == _CREATE_TASK:
        tasks.check_request_size(context, size)


def message_class(message: Any) -> Any:
    """Return the protobuf class of a row's message, without its proto-plus wrapper."""
    return message.pb() if hasattr(message, "pb") else message


_ROUTING_NAMES: dict[str, Callable[[Any], str]] = {
    rpc.name: operator.attrgetter(rpc.routing) for rpc in rpcs.SERVED
}
"""Return the resource name by which a request is routed; it contains the location."""


async def handle_serialized(
    caller: Caller | None, context: Context, rpc: rpcs.Rpc, request_class: Any, body: bytes
) -> bytes:
    """Return the serialized response to a serialized request; raises what its handler raises."""
    if len(body) > LARGE:
        return await _handle_large(caller, context, rpc, request_class, body)
    if rpc.name in _RESPONSE_SIZES:
        async with admit_response(context, rpc):
            response = await handle(caller, context, rpc, _parse(request_class, body))
            return bytes(response.SerializeToString())
    response = await handle(caller, context, rpc, _parse(request_class, body))
    return bytes(response.SerializeToString())


async def _handle_large(
    caller: Caller | None, context: Context, rpc: rpcs.Rpc, request_class: Any, body: bytes
) -> bytes:
    size, offload = len(body), context.offload
    check_task_size(context, rpc, size)
    async with offload.requests.admit(size), admit_response(context, rpc):
        request = await offload.run(size, _parse_large, request_class, body)
        response = await handle(caller, context, rpc, request)
        return bytes(await offload.run(size, response.SerializeToString))


def _parse_large(request_class: Any, body: bytes) -> Any:
    try:
        value_count.check_protobuf(body, request_class.DESCRIPTOR)
    except DecodeError:
        raise _malformed(request_class) from None
    return _parse(request_class, body)


def _parse(request_class: Any, body: bytes) -> Any:
    try:
        return request_class.FromString(body)
    except DecodeError:
        raise _malformed(request_class) from None


def _malformed(request_class: Any) -> errors.InvalidArgument:
    return errors.InvalidArgument(
        f"The request is not a valid {request_class.DESCRIPTOR.name} message."
    )


async def handle(caller: Caller | None, context: Context, rpc: rpcs.Rpc, request: Any) -> Any:
    """Return the response message to a request message; raises what its handler raises.

    ``caller`` is None if callers are not authenticated.
    """
    name = _ROUTING_NAMES[rpc.name](request)
    if context.access is not None and not permissions.are_held(caller, rpc, request):
        await permissions.authorize(context.access, caller, rpc, name, request)
    check_name(context, rpc.name, name)
    response = await HANDLERS[rpc.name](context, request)
    if context.access is not None and rpc.name == "TestIamPermissions":
        await permissions.select(context.access, caller, name, response)
    return response


_CHECKS = {
    rpc.name: names.resource_check(rpc.pattern, f"{rpc.service}.{rpc.name}", rpc.permission)
    for rpc in rpcs.SERVED
}


def check_name(context: Context, rpc: str, name: str) -> None:
    """Check the name of the resource that a call is about; InvalidArgument, PermissionDenied."""
    _CHECKS[rpc](name)
    names.check_location(name, context.limits.locations)


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
        _check_serves(context.role)
        caller = None
        if context.access is not None:
            caller = context.access.recall(fields)
            if caller is None:
                caller = await context.access.authenticate(_full_name(rpc), fields)
        callers.remember(rpc, caller, fields)
        return await handler(caller, *args, **kwargs)
    except errors.ServiceError as error:
        context.emit(CallRefused(rpc, error.code, errors.describe(error), context.clock.now()))
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a status
        context.emit(CallCrashed(rpc, error, context.clock.now()))
        raise InternalError("Internal error; the server's log has the details.") from None


def _check_serves(role: Role) -> None:
    if not role.serves:
        raise errors.Unimplemented(f"This server has the role {role.name}: it takes no calls.")


@functools.cache
def _full_name(name: str) -> str:
    """Return the name of a call with its service, as details of errors have it."""
    rpc = rpcs.BY_NAME.get(name)
    return f"{rpc.service if rpc else rpcs.SERVICE}.{name}"
