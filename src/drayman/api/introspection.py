"""The standard gRPC services: health, and reflection under Google's names."""

import asyncio
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from drayman.api.context import Context
from drayman.core.errors import ServiceError
from drayman.tasks_v2 import rpcs
from drayman.wire import google_descriptors

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
SERVICES = sorted({rpc.service for rpc in rpcs.SERVED})
"""The names of the services of the table of calls."""
_HEALTH, _REFLECTION = health.SERVICE_NAME, reflection.SERVICE_NAME
_CHECKED = frozenset({"", *SERVICES})
_REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"

google_descriptors.add(health_pb2.DESCRIPTOR)
google_descriptors.add(reflection_pb2.DESCRIPTOR)


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc] # it carries no types
    """The health service: SERVING until shutdown, while the store can be written."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._shutdown = asyncio.Event()

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - the service's name
        """Return the present status of a service."""
        if request.service not in _CHECKED:
            await context.abort(grpc.StatusCode.NOT_FOUND, "There is no such service.")
        return _status(await self._current())

    async def List(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the service's name
        """Return the present status of all services."""
        current = _status(await self._current())
        return health_pb2.HealthListResponse(statuses=dict.fromkeys(_CHECKED, current))

    async def _current(self) -> Any:
        try:
            await self._context.store.check()
        except ServiceError:
            return NOT_SERVING
        return NOT_SERVING if self._shutdown.is_set() else SERVING

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802 - the service's name
        """Send the status, and once more at shutdown, which ends the stream."""
        known = request.service in _CHECKED
        await context.write(_status(SERVING if known else SERVICE_UNKNOWN))
        await self._shutdown.wait()
        await context.write(_status(NOT_SERVING if known else SERVICE_UNKNOWN))

    def shut_down(self) -> None:
        """Report NOT_SERVING from now on."""
        self._shutdown.set()


def _status(status: int) -> Any:
    return health_pb2.HealthCheckResponse(status=status)


def add(server: grpc.aio.Server, context: Context) -> Health:
    """Add the services to a server; return the health service, to be shut down with the server."""
    servicer = Health(context)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    reflector = reflection.aio.ReflectionServicer(
        [*SERVICES, _HEALTH, _REFLECTION], pool=google_descriptors.POOL
    )
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflector, server)
    # Version v1 of reflection differs from v1alpha in its name only.
    handler = grpc.stream_stream_rpc_method_handler(
        reflector.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    reflection_v1 = grpc.method_handlers_generic_handler(
        _REFLECTION_V1, {"ServerReflectionInfo": handler}
    )
    server.add_generic_rpc_handlers((reflection_v1,))
    return servicer
