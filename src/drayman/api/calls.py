"""From a row of the table of calls to the coroutine that answers it: bytes in, bytes out."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from drayman.api import batches, cmek, locations, operations, policies, queues, tasks
from drayman.api.context import Context
from drayman.core import errors, names
from drayman.core.status import Code
from drayman.tasks_v2 import rpcs

_MODULES = (queues, tasks, batches, operations, policies, cmek, locations)

_Answer = TypeVar("_Answer")
Call = Callable[[Context, Any], Awaitable[Any]]

_log = logging.getLogger(__name__)


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
    """Answer a serialized request; every failure is a ServiceError."""
    return await guard(_answer(context, rpc, request_class, body), rpc.name)


async def _answer(context: Context, rpc: rpcs.Rpc, request_class: Any, body: bytes) -> bytes:
    try:
        request = request_class.FromString(body)
    except DecodeError:
        raise errors.InvalidArgument(
            f"The request is not a valid {request_class.DESCRIPTOR.name} message."
        ) from None
    response = await call(context, rpc, request)
    return bytes(response.SerializeToString())


async def call(context: Context, rpc: rpcs.Rpc, request: Any) -> Any:
    """Answer a request message; what fails by a fault of ours raises as it is."""
    names.check_location(_routed(rpc, request), context.limits.locations)
    return await HANDLERS[rpc.name](context, request)


async def guard(answering: Awaitable[_Answer], name: str) -> _Answer:
    """Return what a coroutine returns; a fault of ours becomes a ServiceError."""
    try:
        return await answering
    except errors.ServiceError:
        raise
    except Exception:  # noqa: BLE001 - whatever it is, the caller gets a status
        _log.exception("%s failed", name)
        raise InternalError("Internal error; the server's log has the details.") from None
