"""The calls over gRPC."""

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
    """Calls over gRPC.

    Args:
        host: ``host`` or ``host:port``; with ``http://`` in front it is spoken to in plain text
            and without credentials, also those given: gRPC sends none in plain text.
        credentials: Whose calls these are; found in the environment when absent. Ignored, like
            all that concerns credentials, when a ``channel`` is given.
        credentials_file: Deprecated: a file that holds them.
        scopes: The OAuth scopes to ask for.
        channel: A channel to call through, or a callable that makes one.
        api_mtls_endpoint: Deprecated: the endpoint of mutual TLS, in place of ``host``.
        client_cert_source: Deprecated: its certificate and key.
        ssl_channel_credentials: The TLS side of the channel.
        client_cert_source_for_mtls: Gives the certificate and key of mutual TLS.
        quota_project_id: The project that pays.
        client_info: What to say in ``x-goog-api-client``; None says nothing.
        always_use_jwt_access: Whether service accounts sign their own tokens.
        api_audience: The audience for credentials that need one.

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
        make = None if isinstance(channel, grpc.aio.Channel) else channel
        own = channel is not None and make is None
        address = endpoint.parse(api_mtls_endpoint or host)
        plain = endpoint.parse(host).scheme == "http"
        ssl = (
            None
            if own
            else channels.tls(
                ssl_channel_credentials,
                client_cert_source_for_mtls,
                api_mtls_endpoint,
                client_cert_source,
            )
        )
        self._without_credentials = own or plain
        super().__init__(
            host=address.target,
            credentials=credentials,
            credentials_file=credentials_file,
            scopes=scopes,
            quota_project_id=quota_project_id,
            client_info=client_info,
            always_use_jwt_access=always_use_jwt_access,
            api_audience=api_audience or address.place,
        )
        self._operations_client: Any = None
        self._grpc_channel: Any = (
            channel
            if own
            else channels.connect(
                self._host,
                plain=plain,
                insecure=grpc.aio.insecure_channel,
                create=type(self).create_channel,
                given=make,
                credentials=self._credentials,
                scopes=self._scopes,
                ssl_credentials=ssl,
                quota_project_id=quota_project_id,
            )
        )

    def _find_credentials(self, *given: Any) -> Any:
        return None if self._without_credentials else super()._find_credentials(*given)

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
        """A channel with TLS and credentials.

        Args:
            host: Where to connect.
            credentials: Whose calls these are; found in the environment when absent.
            credentials_file: A file that holds them.
            scopes: The OAuth scopes to ask for.
            quota_project_id: The project that pays.
            kwargs: Passed on to the making of the channel.
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
        """The channel that all calls go through."""
        channel: grpc.aio.Channel = self._grpc_channel
        return channel

    @property
    def operations_client(self) -> Any:
        """A client of ``google.longrunning.Operations`` on the same channel."""
        if self._operations_client is None:
            from google.api_core.operations_v1 import OperationsAsyncClient

            self._operations_client = OperationsAsyncClient(self._grpc_channel)
        return self._operations_client

    def make_stub(self, rpc: rpcs.Rpc) -> Callable[..., Any]:
        """The callable of one RPC."""
        return channels.stub(self._grpc_channel, rpc)

    def wrap(self, stub: Callable[..., Any], rpc: rpcs.Rpc) -> Callable[..., Any]:
        """The callable with its row's defaults."""
        return AsyncCall(stub, rpc, self._headers)

    async def close(self) -> None:
        """Close the channel, which other clients may share."""
        await self._grpc_channel.close()
