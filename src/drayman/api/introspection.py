"""The standard gRPC services beside ours: health, and reflection under Google's names."""

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
OURS = sorted({rpc.service for rpc in rpcs.SERVED})
_HEALTH, _REFLECTION = health.SERVICE_NAME, reflection.SERVICE_NAME
_WATCHED = frozenset({"", *OURS})
_NEWER_REFLECTION = "grpc.reflection.v1.ServerReflection"

google_descriptors.add(health_pb2.DESCRIPTOR)
google_descriptors.add(reflection_pb2.DESCRIPTOR)


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc] # it carries no types
    """Says that the server serves while it does, and its store can be written."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ended = asyncio.Event()

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - the service's name
        """Answer for now."""
        if request.service not in _WATCHED:
            await context.abort(grpc.StatusCode.NOT_FOUND, "There is no such service.")
        return _status(await self._now())

    async def List(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the service's name
        """Answer for all services."""
        now = _status(await self._now())
        return health_pb2.HealthListResponse(statuses=dict.fromkeys(_WATCHED, now))

    async def _now(self) -> Any:
        try:
            await self._context.store.check()
        except ServiceError:
            return NOT_SERVING
        return NOT_SERVING if self._ended.is_set() else SERVING

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802 - the service's name
        """Tell of the end of the server, and end with it."""
        known = request.service in _WATCHED
        await context.write(_status(SERVING if known else SERVICE_UNKNOWN))
        await self._ended.wait()
        await context.write(_status(NOT_SERVING if known else SERVICE_UNKNOWN))

    def end(self) -> None:
        """Serve no more."""
        self._ended.set()


def _status(status: int) -> Any:
    return health_pb2.HealthCheckResponse(status=status)


def add(server: grpc.aio.Server, context: Context) -> Health:
    """Add the services to a server; the health service, which must be told of the end."""
    servicer = Health(context)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    mirror = reflection.aio.ReflectionServicer(
        [*OURS, _HEALTH, _REFLECTION], pool=google_descriptors.POOL
    )
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(mirror, server)
    # The newer version of reflection differs in nothing but its name.
    handler = grpc.stream_stream_rpc_method_handler(
        mirror.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    newer = grpc.method_handlers_generic_handler(
        _NEWER_REFLECTION, {"ServerReflectionInfo": handler}
    )
    server.add_generic_rpc_handlers((newer,))
    return servicer
