"""Adds to the text of an exception what the server's message leaves out: the server or the name."""

import functools
from typing import Any

from google.api_core import exceptions

from drayman.tasks_v2 import rpcs
from drayman.tasks_v2.services.cloud_tasks import requests

# The exceptions of a server that cannot be reached, does not respond, or speaks another protocol.
_SERVER_ERRORS = (
    exceptions.ServiceUnavailable,
    exceptions.DeadlineExceeded,
    exceptions.MethodNotImplemented,
    exceptions.Unknown,
)


class _WithContext:
    """A base that appends the context of the call to the text of an exception."""

    call_context = ""

    def __str__(self) -> str:
        return f"{super().__str__()} ({self.call_context})"


def add_context(
    error: exceptions.GoogleAPICallError, rpc: rpcs.Rpc, request: Any, server: str, timeout: Any
) -> exceptions.GoogleAPICallError:
    """Append the name of a missing resource, or the server that failed, to ``str(error)``.

    The error stays an instance of its class, and its ``message`` is the server's. Other errors are
    returned unchanged.

    Args:
        error: The exception of a call.
        rpc: The RPC.
        request: The request message.
        server: Where the transport connects. Empty if it is unknown.
        timeout: The timeout of the call in seconds, or None.
    """
    if isinstance(error, exceptions.NotFound):
        context = requests.routing_value(rpc, request)
    elif isinstance(error, _SERVER_ERRORS):
        context = f"server: {server}" if server else ""
        if isinstance(error, exceptions.DeadlineExceeded) and timeout is not None:
            context = ", ".join(filter(None, (context, f"timeout: {timeout:g} s")))
    else:
        return error
    if context:
        error.__class__ = _class_with_context(type(error))
        vars(error)["call_context"] = context
    return error


@functools.cache
def _class_with_context(error_class: Any) -> Any:
    if issubclass(error_class, _WithContext):
        return error_class
    attributes = {"__module__": error_class.__module__, "__doc__": error_class.__doc__}
    return type(error_class)(error_class.__name__, (_WithContext, error_class), attributes)
