"""Metrics over HTTP/1.1: who may read them, and the response.

They are no call of the API, so a server that takes no calls has them, too.
"""

from collections.abc import Awaitable, Callable

from drayman.access.control import Fields
from drayman.api import permissions, rest
from drayman.api.context import Context
from drayman.api.request import Request
from drayman.api.responses import Response, error_response
from drayman.core import errors
from drayman.core.errors import ServiceError
from drayman.tasks_v2 import rpcs

PATH = "/metrics"
PERMISSION = "drayman.metrics.get"
Exposition = Callable[[str], Awaitable[tuple[bytes, str]]]
"""Takes the ``Accept`` header; returns the metrics as text, and the type of that text."""
_NAME = f"{rpcs.SERVICE}.GetMetrics"
_METHODS = frozenset({"GET", "HEAD"})


class Metrics:
    """Answers requests for the metrics; implements ``api.http.Extension``.

    Args:
        context: What every call needs.
        exposition: Returns the metrics as text.
        protected: Whether callers need the permission, on a server that authenticates callers.
    """

    takes_forms = False

    def __init__(self, context: Context, exposition: Exposition, *, protected: bool) -> None:
        self._context = context
        self._exposition = exposition
        self._protected = protected

    def serves(self, request: Request) -> bool:
        """Return whether a request is for the metrics."""
        return request.path == PATH

    async def answer(self, request: Request) -> Response:
        """Return the response to a request. NotFound, Unauthenticated, PermissionDenied."""
        if request.method not in _METHODS:
            raise errors.NotFound(
                f"No call has the method {request.method} and the path {request.path}."
            )
        access = self._context.access
        if self._protected and access is not None:
            caller = await access.authenticate(_NAME, _fields(request))
            await permissions.require(access, caller, PERMISSION, "")
        body, content_type = await self._exposition(request.field(b"accept"))
        return Response(200, body, content_type=content_type.encode())

    def refuse(self, _request: Request, error: ServiceError) -> Response:
        """Return the response to a request whose body is not received."""
        return error_response(error)


def _fields(request: Request) -> Fields:
    """Return the header fields of a request, with the API key of its query if they have none."""
    return rest.with_api_key(request.fields, request.parameters().get("key", [""])[-1])
