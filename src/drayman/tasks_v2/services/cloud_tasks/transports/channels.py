"""Opens gRPC channels and creates their stubs, for threads and asyncio alike."""

import sys
import warnings
from collections.abc import Callable
from typing import Any

import grpc
from google.longrunning import operations_pb2

from drayman.tasks_v2 import rpcs
from drayman.tasks_v2.services.cloud_tasks import operations
from drayman.tasks_v2.services.cloud_tasks.endpoint import CertSource

UNLIMITED_MESSAGES = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
)


def tls_credentials(
    ssl_channel_credentials: Any,
    cert_source_for_mtls: CertSource | None,
    api_mtls_endpoint: str | None,
    client_cert_source: CertSource | None,
) -> Any:
    """Return the TLS credentials of a channel from a transport's arguments. None means defaults.

    Args:
        ssl_channel_credentials: TLS credentials. Ignored with an ``api_mtls_endpoint``.
        cert_source_for_mtls: Returns the client certificate and key.
        api_mtls_endpoint: Deprecated: the endpoint for mutual TLS.
        client_cert_source: Deprecated: ``cert_source_for_mtls`` of the ``api_mtls_endpoint``.
    """
    for name, value in (
        ("api_mtls_endpoint", api_mtls_endpoint),
        ("client_cert_source", client_cert_source),
    ):
        if value:
            warnings.warn(f"{name} is deprecated", DeprecationWarning, stacklevel=3)
    source = client_cert_source if api_mtls_endpoint else cert_source_for_mtls
    if ssl_channel_credentials and not api_mtls_endpoint:
        return ssl_channel_credentials
    if source:
        certificate, key = source()
        return grpc.ssl_channel_credentials(certificate_chain=certificate, private_key=key)
    if api_mtls_endpoint:
        from google.auth.transport.grpc import SslCredentials

        return SslCredentials().ssl_credentials
    return None


Headers = tuple[tuple[str, str], ...]


def api_key_headers(credentials: Any) -> Headers:
    """Return the header of an API key, for a channel in plain text: gRPC itself sends none there.

    Other credentials have no headers here.
    """
    # The import is slow. If the module is not loaded, these are no credentials of its class.
    api_key = sys.modules.get("google.auth.api_key")
    if api_key and isinstance(credentials, api_key.Credentials):
        return (("x-goog-api-key", credentials.token),)
    return ()


def stub(channel: Any, rpc: rpcs.Rpc, headers: Headers = ()) -> Callable[..., Any]:
    """Return the channel's callable for an RPC, which sends these headers with every call."""
    is_proto_plus = hasattr(rpc.request, "pb")
    call: Callable[..., Any] = channel.unary_unary(
        rpc.full_name,
        request_serializer=(
            rpc.request.serialize if is_proto_plus else rpc.request.SerializeToString
        ),
        response_deserializer=_deserializer(rpc.response),
    )
    return _with_headers(call, headers) if headers else call


def _with_headers(call: Callable[..., Any], headers: Headers) -> Callable[..., Any]:
    def send(request: Any, *, timeout: Any = None, metadata: Any = ()) -> Any:
        return call(request, timeout=timeout, metadata=(*metadata, *headers))

    return send


def _deserializer(response_class: Any) -> Callable[[bytes], Any]:
    if response_class is operations_pb2.Operation:
        return operations.deserialize
    deserializer: Callable[[bytes], Any] = (
        response_class.deserialize if hasattr(response_class, "pb") else response_class.FromString
    )
    return deserializer
