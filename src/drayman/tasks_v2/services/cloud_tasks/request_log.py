"""Logs requests and responses as JSON at level DEBUG.

The logger has the name that Google's library uses, so that logging configurations and
``GOOGLE_SDK_PYTHON_LOGGING_SCOPE`` apply unchanged. Payloads may contain secrets.
"""

import contextlib
import logging
from typing import Any

from drayman.tasks_v2 import rpcs

LOGGER = logging.getLogger("google.cloud.tasks_v2.services.cloud_tasks")


def is_enabled() -> bool:
    """Whether the logger emits DEBUG records."""
    return LOGGER.isEnabledFor(logging.DEBUG)


def payload(message: Any) -> str:
    """Return a message as JSON, or its ``repr`` if it has no JSON form."""
    from google.protobuf import json_format

    try:
        return str(json_format.MessageToJson(getattr(message, "_pb", message)))
    except Exception:  # noqa: BLE001 - an unknown type in an Any, or an object of an interceptor
        return repr(message)


def emit(text: str, rpc: rpcs.Rpc, **fields: Any) -> None:
    """Emit a record with the field names of Google's library. Never raises."""
    with contextlib.suppress(Exception):
        LOGGER.debug(text, extra={"serviceName": rpc.service, "rpcName": rpc.full_name, **fields})


def emit_request(rpc: rpcs.Rpc, request: Any, metadata: Any) -> None:
    """Emit the record of a gRPC request."""
    headers = {key: str(value) for key, value in metadata}
    emit(
        f"Sending request for {rpc.full_name}",
        rpc,
        request={"payload": payload(request), "requestMethod": "grpc", "metadata": headers},
        metadata=headers,
    )


def emit_response(rpc: rpcs.Rpc, response: Any) -> None:
    """Emit the record of a gRPC response."""
    emit(
        f"Received response for {rpc.full_name}.",
        rpc,
        response={"payload": payload(response), "status": "OK"},
    )
