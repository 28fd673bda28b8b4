"""The base of both clients: the constructor, the connection and the path helpers."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from drayman.tasks_v2 import rpcs
from drayman.tasks_v2.services.cloud_tasks import endpoint, request_log, requests, transports
from drayman.tasks_v2.services.cloud_tasks.paths import Paths
from drayman.tasks_v2.services.cloud_tasks.requests import DEFAULT
from drayman.tasks_v2.services.cloud_tasks.transports.base import CloudTasksTransport


class BaseClient(Paths):
    """A client without its RPCs.

    Args:
        credentials: The ``google.auth`` credentials of all calls. By default they come from the
            environment.
        transport: ``"grpc"``, ``"grpc_asyncio"``, ``"rest"``, a transport, or a callable (such as
            a class) that returns one.
        client_options: A ``google.api_core.client_options.ClientOptions`` or a dict with its
            keys, among them ``api_endpoint``, ``api_key``, ``quota_project_id`` and ``scopes``.
            A client connects in plain text if ``api_endpoint`` starts with ``http://``.
        client_info: The ``google.api_core`` client info to send in ``x-goog-api-client``.

    If ``CLOUD_TASKS_EMULATOR_HOST=host:port`` is set when the client is created, and neither
    an ``api_endpoint`` nor a transport object is passed, the client connects to that server in
    plain text and without credentials.

    Raises:
        ValueError: Two options exclude each other, or an environment variable is invalid.
        google.auth.exceptions.DefaultCredentialsError: There are no credentials.
        google.auth.exceptions.MutualTLSChannelError: The settings of mutual TLS are invalid.
    """

    DEFAULT_ENDPOINT = endpoint.HOST
    DEFAULT_MTLS_ENDPOINT = endpoint.MTLS_HOST

    _transports: ClassVar[tuple[str, ...]]  # the names of supported transports, the default first

    def __init__(
        self,
        *,
        credentials: Any = None,
        transport: str | CloudTasksTransport | Callable[..., CloudTasksTransport] | None = None,
        client_options: Any = None,
        client_info: Any = DEFAULT,
    ) -> None:
        from google.api_core import client_logging

        client_logging.initialize_logging()
        options = _parse_options(client_options)
        if options.api_key and credentials:
            raise ValueError("client_options.api_key and credentials are mutually exclusive")
        if isinstance(transport, CloudTasksTransport):
            if credentials or options.credentials_file or options.api_key or options.scopes:
                raise ValueError(
                    "A transport has its own credentials and scopes: "
                    "pass them to the transport instead of the client."
                )
            self._transport: CloudTasksTransport = transport
            self._api_endpoint = transport.host
            self._universe_domain = endpoint.universe_domain(options)
        else:
            server = endpoint.resolve(options)
            self._transport = self._transport_factory(transport)(
                credentials=endpoint.credentials(server, options, credentials),
                credentials_file=None if server.is_emulator else options.credentials_file,
                host=server.host,
                scopes=options.scopes,
                client_cert_source_for_mtls=server.cert_source,
                quota_project_id=options.quota_project_id,
                client_info=client_info,
                always_use_jwt_access=True,
                api_audience=options.api_audience,
            )
            self._api_endpoint = server.api_endpoint
            self._universe_domain = server.universe
        self._log_creation()

    def _transport_factory(self, transport: Any) -> Callable[..., CloudTasksTransport]:
        """Return the class or function that creates the transport of the client."""
        if callable(transport):
            factory: Callable[..., CloudTasksTransport] = transport
            return factory
        if transport in transports.REGISTRY and transport not in self._transports:
            raise ValueError(
                f"{type(self).__name__} takes the transport {' or '.join(self._transports)}, "
                f"not {transport}."
            )
        return self.get_transport_class(transport)

    def _log_creation(self) -> None:
        if not request_log.is_enabled():
            return
        with contextlib.suppress(Exception):  # credentials can fail to describe themselves
            credentials = getattr(self._transport, "_credentials", None)
            kind = type(credentials)
            request_log.LOGGER.debug(
                "Created client `%s`.",
                type(self).__name__,
                extra={
                    "serviceName": rpcs.SERVICE,
                    "universeDomain": getattr(credentials, "universe_domain", ""),
                    "credentialsType": f"{kind.__module__}.{kind.__qualname__}",
                    "credentialsInfo": getattr(credentials, "get_cred_info", lambda: None)(),
                },
            )

    @classmethod
    def from_service_account_info(cls, info: Mapping[str, Any], *args: Any, **kwargs: Any) -> Self:
        """Return a client with the credentials of a service account key.

        Args:
            info: The key, parsed from JSON.
            args: Arguments of the constructor.
            kwargs: Arguments of the constructor.
        """
        from google.oauth2 import service_account

        kwargs["credentials"] = service_account.Credentials.from_service_account_info(info)
        return cls(*args, **kwargs)

    @classmethod
    def from_service_account_file(cls, filename: str, *args: Any, **kwargs: Any) -> Self:
        """Return a client with the credentials of a service account key file.

        Args:
            filename: The path of the JSON file.
            args: Arguments of the constructor.
            kwargs: Arguments of the constructor.
        """
        from google.oauth2 import service_account

        kwargs["credentials"] = service_account.Credentials.from_service_account_file(filename)
        return cls(*args, **kwargs)

    from_service_account_json = from_service_account_file

    @classmethod
    def get_transport_class(cls, label: str | None = None) -> type[CloudTasksTransport]:
        """Return the transport class with a name, or the client's default.

        Raises:
            KeyError: There is no such transport.
        """
        label = label or cls._transports[0]
        if label not in transports.REGISTRY:
            raise KeyError(f"{label!r} is no transport; there are {', '.join(transports.REGISTRY)}")
        transport: type[CloudTasksTransport] = getattr(transports, transports.REGISTRY[label])
        return transport

    @classmethod
    def get_mtls_endpoint_and_cert_source(
        cls, client_options: Any = None
    ) -> tuple[str, endpoint.CertSource | None]:
        """Return the endpoint and the source of the client certificate. Deprecated."""
        import warnings

        from google.api_core.client_options import ClientOptions

        warnings.warn(
            "get_mtls_endpoint_and_cert_source is deprecated; use api_endpoint",
            DeprecationWarning,
            stacklevel=2,
        )
        options = client_options or ClientOptions()
        source, use_mtls_endpoint = endpoint.mutual_tls(options)
        default = cls.DEFAULT_MTLS_ENDPOINT if use_mtls_endpoint else cls.DEFAULT_ENDPOINT
        return (default if options.api_endpoint is None else options.api_endpoint), source

    @property
    def transport(self) -> CloudTasksTransport:
        """The transport that makes the calls."""
        return self._transport

    @property
    def api_endpoint(self) -> str:
        """The endpoint that the client connects to."""
        return self._api_endpoint

    @property
    def universe_domain(self) -> str:
        """The universe domain, ``googleapis.com`` by default."""
        return self._universe_domain

    def _prepare(
        self,
        method: str,
        request: Any,
        fields: Mapping[str, Any],
        retry: Any,
        timeout: Any,
        metadata: requests.Metadata,
    ) -> tuple[Callable[..., Any], Any, dict[str, Any]]:
        """Return the function that makes a call, the request, and the options of the call."""
        rpc = rpcs.BY_METHOD[method]
        message = requests.build(rpc, request, fields)
        options: dict[str, Any] = {
            "retry": retry,
            "timeout": timeout,
            "metadata": (*metadata, requests.routing_header(rpc, message)),
        }
        return self._transport.wrapped_method(rpc), message, options


def _parse_options(client_options: Any) -> Any:
    from google.api_core import client_options as client_options_lib

    if isinstance(client_options, Mapping):
        return client_options_lib.from_dict(client_options)
    return client_options or client_options_lib.ClientOptions()
