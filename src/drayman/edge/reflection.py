"""The standard reflection service, under Google's names (grpc.reflection.v1 and v1alpha).

Every known caller may use it.
"""

import functools
from typing import Any

from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from drayman.access.control import Fields
from drayman.api.context import Context
from drayman.core.errors import InvalidArgument
from drayman.edge import health, limits
from drayman.edge.budget import Slots
from drayman.edge.methods import Messages, Method, Streaming
from drayman.tasks_v2 import rpcs
from drayman.wire import google_descriptors

google_descriptors.add(health_pb2.DESCRIPTOR)
google_descriptors.add(reflection_pb2.DESCRIPTOR)
_SERVICES = sorted({*(rpc.service for rpc in rpcs.SERVED), health.SERVICE, reflection.SERVICE_NAME})
_SERVICER = reflection.ReflectionServicer(_SERVICES, pool=google_descriptors.POOL)


_METHOD = "ServerReflection.ServerReflectionInfo"


def methods(context: Context) -> dict[bytes, Method]:
    """Return the method of both versions, which differ in nothing but their name."""

    async def serve(messages: Messages, fields: Fields) -> None:
        if context.access is not None:
            await context.access.authenticate(f"grpc.reflection.v1.{_METHOD}", fields)
        while (body := await messages.receive()) is not None:
            await messages.send(respond(body))

    method = Streaming(serve, slots=Slots(limits.REFLECTION_CALLS))
    return {
        b"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": method,
        b"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": method,
    }


@functools.lru_cache(64)  # most of these calls are the same, and take half a millisecond
def respond(body: bytes) -> bytes:
    """Answer one serialized request."""
    (response,) = _SERVICER.ServerReflectionInfo(iter([_parse(body)]), None)
    return bytes(response.SerializeToString())


def _parse(body: bytes) -> Any:
    try:
        return reflection_pb2.ServerReflectionRequest.FromString(body)
    except DecodeError:
        raise InvalidArgument(
            "The request is not a valid ServerReflectionRequest message."
        ) from None
