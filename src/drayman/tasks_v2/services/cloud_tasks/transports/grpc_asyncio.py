"""The gRPC transport for asyncio."""

from collections.abc import Callable, Sequence
from typing import Any

import grpc

from drayman.tasks_v2 import rpcs
from drayman.tasks_v2.services.cloud_tasks import endpoint
from drayman.tasks_v2.services.cloud_tasks.endpoint import CertSource
from drayman.tasks_v2.services.cloud_tasks.requests import DEFAULT
from drayman.tasks_v2.services.cloud_tasks.transports import channels
from drayman.tasks_v2.services.cloud_tasks.transports.base import CloudTasksTransport
from drayman.tasks_v2.services.cloud_tasks.transports.calls_asyncio import AsyncCall


class CloudTasksGrpcAsyncIOTransport(CloudTasksTransport):
    """Makes the calls over gRPC.

    Args:
        host: ``host`` or ``host:port``. With ``http://`` in front, the channel is plain text and
            sends an API key but no other credentials, which gRPC never sends in plain text.
        credentials: The credentials of all calls. By default they come from the environment.
            This and the other arguments about credentials are ignored with a ``channel``.
        credentials_file: Deprecated: a file with the credentials.
        scopes: The OAuth scopes of the credentials.
        channel: The channel to use, or a callable that returns one.
        api_mtls_endpoint: Deprecated: the endpoint for mutual TLS, instead of ``host``.
        client_cert_source: Deprecated: returns the client certificate and key for
            ``api_mtls_endpoint``.
        ssl_channel_credentials: The TLS credentials of the channel.
        client_cert_source_for_mtls: Returns the client certificate and key for mutual TLS.
        quota_project_id: The project to bill and to count quota for.
        client_info: The client info to send in ``x-goog-api-client``. None omits the header.
        always_use_jwt_access: Whether service accounts sign their access tokens themselves.
        api_audience: The audience, for credentials that need one.

    Example:
        ``CloudTasksGrpcAsyncIOTransport(channel=grpc.aio.insecure_channel("localhost:8123"))``
    """

    kind = "grpc_asyncio"

    def __init__(
        self,
        *,
        host: str = CloudTasksTransport.DEFAULT_HOST,
        credentials: Any = None,
        credentials_file: str | None = None,
        scopes: Sequence[str] | None = None,
        channel: grpc.aio.Channel | Callable[..., grpc.aio.Channel] | None = None,
        api_mtls_endpoint: str | None = None,
        client_cert_source: CertSource | None = None,
        ssl_channel_credentials: grpc.ChannelCredentials | None = None,
        client_cert_source_for_mtls: CertSource | None = None,
        quota_project_id: str | None = None,
        client_info: Any = DEFAULT,
        always_use_jwt_access: bool = False,
        api_audience: str | None = None,
    ) -> None:
        has_channel = isinstance(channel, grpc.aio.Channel)
        address = endpoint.parse(api_mtls_endpoint or host)
        plain_text = endpoint.parse(host).scheme == "http"
        tls_credentials = (
            None
            if has_channel
            else channels.tls_credentials(
                ssl_channel_credentials,
                client_cert_source_for_mtls,
                api_mtls_endpoint,
                client_cert_source,
            )
        )
        super().__init__(
            host=address.target,
            credentials=credentials,
            credentials_file=credentials_file,
            scopes=scopes,
            quota_project_id=quota_project_id,
            client_info=client_info,
            always_use_jwt_access=always_use_jwt_access,
            api_audience=api_audience or address.authority,
            use_credentials=not (has_channel or plain_text),
        )
        if has_channel:
            self._server = ""  # a channel does not name its server
        self._operations_client: Any = None
        self._key_headers = channels.api_key_headers(credentials) if plain_text else ()
        self._grpc_channel: Any = channel
        if channel is None and plain_text:
            self._grpc_channel = grpc.aio.insecure_channel(
                self._host, options=channels.UNLIMITED_MESSAGES
            )
        elif not has_channel:
            create: Any = channel or type(self).create_channel
            self._grpc_channel = create(
                self._host,
                credentials=self._credentials,
                credentials_file=None,
                scopes=self._scopes,
                ssl_credentials=tls_credentials,
                quota_project_id=quota_project_id,
                options=list(channels.UNLIMITED_MESSAGES),
            )

    @classmethod
    def create_channel(
        cls,
        host: str = CloudTasksTransport.DEFAULT_HOST,
        credentials: Any = None,
        credentials_file: str | None = None,
        scopes: Sequence[str] | None = None,
        quota_project_id: str | None = None,
        **kwargs: Any,
    ) -> grpc.aio.Channel:
        """Return a channel with TLS and credentials.

        Args:
            host: ``host`` or ``host:port``.
            credentials: The credentials. By default they come from the environment.
            credentials_file: A file with the credentials.
            scopes: The OAuth scopes of the credentials.
            quota_project_id: The project to bill and to count quota for.
            kwargs: Arguments of ``grpc_helpers_async.create_channel`` in ``google.api_core``.
        """
        from google.api_core import grpc_helpers_async

        channel: grpc.aio.Channel = grpc_helpers_async.create_channel(
            host,
            credentials=credentials,
            credentials_file=credentials_file,
            quota_project_id=quota_project_id,
            default_scopes=cls.AUTH_SCOPES,
            scopes=scopes,
            default_host=cls.DEFAULT_HOST,
            **kwargs,
        )
        return channel

    @property
    def grpc_channel(self) -> grpc.aio.Channel:
        """The channel of all calls."""
        channel: grpc.aio.Channel = self._grpc_channel
        return channel

    @property
    def operations_client(self) -> Any:
        """A client for ``google.longrunning.Operations`` on the same channel."""
        if self._operations_client is None:
            from google.api_core.operations_v1 import OperationsAsyncClient

            self._operations_client = OperationsAsyncClient(self._grpc_channel)
        return self._operations_client

    def make_stub(self, rpc: rpcs.Rpc) -> Callable[..., Any]:
        """Return the channel's callable for an RPC."""
        return channels.stub(self._grpc_channel, rpc, self._key_headers)

    def wrap(self, stub: Callable[..., Any], rpc: rpcs.Rpc) -> Callable[..., Any]:
        """Return a callable with the retry, timeout and headers of an RPC."""
        return AsyncCall(stub, rpc, self._headers, self._server)

    async def close(self) -> None:
        """Close the channel, also for other clients that use it."""
        await self._grpc_channel.close()
