"""What is logged about a call, at level DEBUG: the request and the response as JSON.

The logger bears the name under which Google's library logs, so that its settings and
``GOOGLE_SDK_PYTHON_LOGGING_SCOPE`` mean the same here. A payload may hold secrets.
"""

import contextlib
import logging
from typing import Any

from drayman.tasks_v2 import rpcs

LOGGER = logging.getLogger("google.cloud.tasks_v2.services.cloud_tasks")


def wanted() -> bool:
    """Whether anyone listens."""
    return LOGGER.isEnabledFor(logging.DEBUG)


def payload(message: Any) -> str:
    """A message as JSON; one that JSON has no form for, as protobuf shows it."""
    from google.protobuf import json_format

    try:
        return str(json_format.MessageToJson(getattr(message, "_pb", message)))
    except Exception:  # noqa: BLE001 - an own type in an Any, an interceptor's own class
        return repr(message)


def event(text: str, rpc: rpcs.Rpc, **fields: Any) -> None:
    """Write one record with Google's field names. No call fails for its record."""
    with contextlib.suppress(Exception):
        LOGGER.debug(text, extra={"serviceName": rpc.service, "rpcName": rpc.full_name, **fields})


def sending(rpc: rpcs.Rpc, request: Any, metadata: Any) -> None:
    """Before a call over gRPC."""
    headers = {key: str(value) for key, value in metadata}
    event(
        f"Sending request for {rpc.full_name}",
        rpc,
        request={"payload": payload(request), "requestMethod": "grpc", "metadata": headers},
        metadata=headers,
    )


def received(rpc: rpcs.Rpc, response: Any) -> None:
    """After a call over gRPC."""
    event(
        f"Received response for {rpc.full_name}.",
        rpc,
        response={"payload": payload(response), "status": "OK"},
    )
