"""How a channel is made, for threads and for asyncio alike."""

import warnings
from collections.abc import Callable
from typing import Any

import grpc
from google.longrunning import operations_pb2

from drayman.tasks_v2 import rpcs
from drayman.tasks_v2.services.cloud_tasks import operations
from drayman.tasks_v2.services.cloud_tasks.endpoint import CertSource

OPTIONS = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))


def tls(
    given: Any,
    cert_source_for_mtls: CertSource | None,
    api_mtls_endpoint: str | None,
    client_cert_source: CertSource | None,
) -> Any:
    """The channel credentials of mutual TLS, None when there is none.

    Args:
        given: ``ssl_channel_credentials``.
        cert_source_for_mtls: Gives the client's certificate and key.
        api_mtls_endpoint: Deprecated: the endpoint that calls for mutual TLS.
        client_cert_source: Deprecated: its certificate and key.
    """
    for name, value in (
        ("api_mtls_endpoint", api_mtls_endpoint),
        ("client_cert_source", client_cert_source),
    ):
        if value:
            warnings.warn(f"{name} is deprecated", DeprecationWarning, stacklevel=4)
    source = client_cert_source if api_mtls_endpoint else cert_source_for_mtls
    if given and not api_mtls_endpoint:
        return given
    if source:
        certificate, key = source()
        return grpc.ssl_channel_credentials(certificate_chain=certificate, private_key=key)
    if api_mtls_endpoint:
        from google.auth.transport.grpc import SslCredentials

        return SslCredentials().ssl_credentials
    return given


def connect(
    host: str,
    *,
    plain: bool,
    insecure: Callable[..., Any],
    create: Callable[..., Any],
    given: Callable[..., Any] | None,
    **secure: Any,
) -> Any:
    """A channel to a host.

    Args:
        host: ``host:port``.
        plain: Whether it speaks plain text.
        insecure: Makes a plain channel.
        create: Makes a secure one.
        given: What the caller wants to be asked for a channel instead of both.
        secure: What a secure channel needs.
    """
    if given is None and plain:
        return insecure(host, options=OPTIONS)
    return (given or create)(host, credentials_file=None, options=list(OPTIONS), **secure)


def stub(channel: Any, rpc: rpcs.Rpc) -> Callable[..., Any]:
    """The channel's callable for one RPC."""
    wrapped = hasattr(rpc.request, "pb")
    call: Callable[..., Any] = channel.unary_unary(
        rpc.full_name,
        request_serializer=rpc.request.serialize if wrapped else rpc.request.SerializeToString,
        response_deserializer=_deserializer(rpc.response),
    )
    return call


def _deserializer(response: Any) -> Callable[[bytes], Any]:
    if response is operations_pb2.Operation:
        return operations.deserialize
    read: Callable[[bytes], Any] = (
        response.deserialize if hasattr(response, "pb") else response.FromString
    )
    return read
