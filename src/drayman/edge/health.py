"""The standard health service (grpc.health.v1). It is open to all: probes have no credentials."""

import asyncio
from typing import Any

from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

from drayman.access.control import Fields
from drayman.api.context import Context
from drayman.core.clock import Micros
from drayman.core.errors import InvalidArgument, NotFound, ServiceError
from drayman.edge.methods import Messages, Method, Streaming, Unary
from drayman.tasks_v2 import rpcs

SERVICE = "grpc.health.v1.Health"
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
_SERVICES = frozenset({"", *(rpc.service for rpc in rpcs.SERVED)})
_REQUEST_SIZE = 64 << 10
HAS_LIST = hasattr(health_pb2, "HealthListResponse")
"""Whether the installed grpcio-health-checking has List. Those that have need protobuf 7."""


class Health:
    """Reports SERVING while the server serves and its store can be written."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ended = asyncio.Event()

    def methods(self) -> dict[bytes, Method]:
        """Return the methods of the service."""
        prefix = f"/{SERVICE}/".encode()
        methods: dict[bytes, Method] = {
            prefix + b"Check": Unary(self._check, _REQUEST_SIZE),
            prefix + b"Watch": Streaming(self._watch, _REQUEST_SIZE),
        }
        if HAS_LIST:
            methods[prefix + b"List"] = Unary(self._list, _REQUEST_SIZE)
        return methods

    def end(self) -> None:
        """Report NOT_SERVING from now on, and end all watches."""
        self._ended.set()

    async def _check(self, body: bytes, _timeout: Micros | None, _fields: Fields) -> bytes:
        if _service(body) not in _SERVICES:
            raise NotFound("There is no such service.")
        return _encode(await self._status())

    async def _list(self, _body: bytes, _timeout: Micros | None, _fields: Fields) -> bytes:
        status = health_pb2.HealthCheckResponse(status=await self._status())
        response = health_pb2.HealthListResponse(statuses=dict.fromkeys(_SERVICES, status))
        return bytes(response.SerializeToString())

    async def _status(self) -> Any:
        try:
            await self._context.store.check()
        except ServiceError:
            return _NOT_SERVING
        return _NOT_SERVING if self._ended.is_set() else _SERVING

    async def _watch(self, messages: Messages, _fields: Fields) -> None:
        known = _service(await messages.receive() or b"") in _SERVICES
        await messages.send(_encode(_SERVING if known else _SERVICE_UNKNOWN))
        await self._ended.wait()
        await messages.send(_encode(_NOT_SERVING if known else _SERVICE_UNKNOWN))


def _service(body: bytes) -> str:
    try:
        return str(health_pb2.HealthCheckRequest.FromString(body).service)
    except DecodeError:
        raise InvalidArgument("The request is not a valid HealthCheckRequest message.") from None


def _encode(status: Any) -> bytes:
    return bytes(health_pb2.HealthCheckResponse(status=status).SerializeToString())
