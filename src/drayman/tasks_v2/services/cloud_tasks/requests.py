"""Builds the message and the routing header of an RPC from a caller's arguments."""

import enum
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from drayman.tasks_v2 import rpcs

if TYPE_CHECKING:
    from google.api_core import retry, timeout
    from google.api_core.gapic_v1 import method

Metadata = Sequence[tuple[str, str | bytes]]


class Default(enum.Enum):
    """The default of ``retry`` and ``timeout``, for which None means no retry and no timeout."""

    DEFAULT = enum.auto()


DEFAULT = Default.DEFAULT

# For type checkers only: at run time, a caller that passes such an object has imported its module.
if TYPE_CHECKING:
    DefaultOrNone = Default | method._MethodDefault | None  # noqa: SLF001 - the type of gapic_v1's DEFAULT
    Retry = retry.Retry | DefaultOrNone
    AsyncRetry = retry.AsyncRetry | DefaultOrNone
    Timeout = (
        float
        | timeout.TimeToDeadlineTimeout
        | timeout.ConstantTimeout
        | timeout.ExponentialTimeout
        | DefaultOrNone
    )
else:
    Retry = AsyncRetry = Timeout = Any


def is_default(value: object) -> bool:
    """Whether a value is our ``DEFAULT`` or that of ``google.api_core.gapic_v1.method``."""
    return value is DEFAULT or type(value).__name__ == "_MethodDefault"


def build(rpc: rpcs.Rpc, request: Any, fields: Mapping[str, Any]) -> Any:
    """Return the request message of an RPC.

    Args:
        rpc: The RPC.
        request: A message, a dict, or None.
        fields: The flattened arguments by name. None means not set.

    Raises:
        ValueError: Both ``request`` and a flattened argument are set, or a field is unknown.
    """
    arguments = {name: value for name, value in fields.items() if value is not None}
    if request is None:
        return rpc.request(**arguments)
    if arguments:
        raise ValueError(
            f"{rpc.method} takes either a request or the arguments {', '.join(rpc.flattened)}; "
            f"{', '.join(arguments)} came in addition to a request."
        )
    if isinstance(request, rpc.request):
        return request
    if hasattr(rpc.request, "pb"):
        return rpc.request(request)
    return rpc.request(**request)


def routing_header(rpc: rpcs.Rpc, request: Any) -> tuple[str, str]:
    """Return the header by which the service routes a request to the region of its resource."""
    return _routing_header(rpc.routing, routing_value(rpc, request))


def routing_value(rpc: rpcs.Rpc, request: Any) -> str:
    """Return the name of the resource that a request concerns, or of its parent."""
    value = request
    for field in rpc.routing.split("."):
        value = getattr(value, field)
    name: str = value
    return name


@functools.lru_cache(maxsize=128)
def _routing_header(field: str, value: str) -> tuple[str, str]:
    return "x-goog-request-params", f"{field}={quote_plus(value, safe='/')}"
