"""What a caller wrote, made into the message and the headers of one call."""

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
    """Stands for an argument that was not given, where None has a meaning of its own."""

    DEFAULT = enum.auto()


DEFAULT = Default.DEFAULT

# None for none. Imported for checkers alone: at run time whoever has one has loaded its module.
if TYPE_CHECKING:
    Given = Default | method._MethodDefault | None  # noqa: SLF001 - the type of gapic_v1's DEFAULT
    Retry = retry.Retry | Given
    AsyncRetry = retry.AsyncRetry | Given
    Timeout = (
        float
        | timeout.TimeToDeadlineTimeout
        | timeout.ConstantTimeout
        | timeout.ExponentialTimeout
        | Given
    )
else:
    Retry = AsyncRetry = Timeout = Any


def is_default(value: object) -> bool:
    """Whether an argument was left out, in our words or in those of ``google.api_core``."""
    return value is DEFAULT or type(value).__name__ == "_MethodDefault"


def build(rpc: rpcs.Rpc, request: Any, fields: Mapping[str, Any]) -> Any:
    """The request's message.

    Args:
        rpc: The call.
        request: A message, a dict, or None.
        fields: The flattened arguments; None stands for one that was not given.

    Raises:
        ValueError: Both forms were used, or a field is unknown.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    if request is None:
        return rpc.request(**given)
    if given:
        raise ValueError(
            f"{rpc.method} takes either a request or the arguments {', '.join(rpc.flattened)}; "
            f"{', '.join(given)} came on top of a request."
        )
    if isinstance(request, rpc.request):
        return request
    if hasattr(rpc.request, "pb"):
        return rpc.request(request)
    return rpc.request(**request)


@functools.lru_cache(maxsize=128)
def _quoted(field: str, value: str) -> tuple[str, str]:
    return "x-goog-request-params", f"{field}={quote_plus(value, safe='/')}"


def routing(rpc: rpcs.Rpc, request: Any) -> tuple[str, str]:
    """The header that tells the service's front door where a call belongs."""
    value = request
    for part in rpc.routing.split("."):
        value = getattr(value, part)
    return _quoted(rpc.routing, value)
