"""The standard gRPC services beside ours: health, and reflection under Google's names."""

from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from drayman.api.context import Context
from drayman.core.errors import ServiceError
from drayman.tasks_v2 import rpcs
from drayman.wire import published

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
OURS = sorted({rpc.service for rpc in rpcs.SERVED})
_HEALTH, _REFLECTION = health.SERVICE_NAME, reflection.SERVICE_NAME
_NEWER_REFLECTION = "grpc.reflection.v1.ServerReflection"

published.add(health_pb2.DESCRIPTOR)
published.add(reflection_pb2.DESCRIPTOR)


class Health(health.aio.HealthServicer):  # type: ignore[misc] # it carries no types
    """Says that the server serves while it does, and its store can be written."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._server_status.update(dict.fromkeys(OURS, SERVING))

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - the service's name
        """Answer for now; a watch is told of the end of the server alone."""
        answer = await super().Check(request, context)
        try:
            await self._context.store.check()
        except ServiceError:
            return health_pb2.HealthCheckResponse(status=NOT_SERVING)
        return answer


def add(server: grpc.aio.Server, context: Context) -> Health:
    """Add the services to a server; the health service, which must be told of the end."""
    servicer = Health(context)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    mirror = reflection.aio.ReflectionServicer([*OURS, _HEALTH, _REFLECTION], pool=published.POOL)
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
