"""What both clients share: how they are made, and what they know about themselves."""

import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from drayman.tasks_v2 import rpcs
from drayman.tasks_v2.services.cloud_tasks import endpoint, request_log, requests, transports
from drayman.tasks_v2.services.cloud_tasks.paths import Paths
from drayman.tasks_v2.services.cloud_tasks.requests import DEFAULT
from drayman.tasks_v2.services.cloud_tasks.transports.base import CloudTasksTransport


class BaseClient(Paths):
    """A client's making: options, credentials, endpoint and transport.

    Args:
        credentials: Whose calls these are, ``google.auth`` credentials; found in the environment
            when absent.
        transport: ``"grpc"``, ``"grpc_asyncio"``, ``"rest"``, a transport, or a callable (a
            class) that makes one.
        client_options: A ``google.api_core.client_options.ClientOptions`` or a dict with its
            keys, among them ``api_endpoint``, ``api_key``, ``quota_project_id`` and ``scopes``.
            An ``api_endpoint`` with ``http://`` in front is spoken to in plain text.
        client_info: What to say in ``x-goog-api-client``.

    With ``CLOUD_TASKS_EMULATOR_HOST=host:port`` in the environment when it is made, a client
    without an ``api_endpoint`` or transport of its own talks to that server, in plain text and
    without credentials.

    Raises:
        ValueError: The options contradict one another, or a variable makes no sense.
        google.auth.exceptions.DefaultCredentialsError: No credentials were found.
        google.auth.exceptions.MutualTLSChannelError: Mutual TLS was asked for and failed.
    """

    DEFAULT_ENDPOINT = endpoint.HOST
    DEFAULT_MTLS_ENDPOINT = endpoint.MTLS_HOST

    _transports: ClassVar[tuple[str, ...]]  # those that fit, the usual one first

    def __init__(
        self,
        *,
        credentials: Any = None,
        transport: str | CloudTasksTransport | Callable[..., CloudTasksTransport] | None = None,
        client_options: Any = None,
        client_info: Any = DEFAULT,
    ) -> None:
        from google.api_core import client_logging
        from google.api_core import client_options as client_options_lib

        client_logging.initialize_logging()
        options = (
            client_options_lib.from_dict(client_options)
            if isinstance(client_options, Mapping)
            else client_options or client_options_lib.ClientOptions()
        )
        if options.api_key and credentials:
            raise ValueError("client_options.api_key and credentials are mutually exclusive")
        if isinstance(transport, CloudTasksTransport):
            if credentials or options.credentials_file or options.api_key or options.scopes:
                raise ValueError(
                    "A transport comes with credentials and scopes of its own; "
                    "give them to the transport instead of the client."
                )
            self._universe_domain = endpoint.universe(options)
            self._transport: CloudTasksTransport = transport
            self._api_endpoint = transport.host
            self._log_making()
            return
        place = endpoint.resolve(options)
        self._universe_domain = place.universe
        self._api_endpoint = place.host.removeprefix("http://") if place.emulated else place.host
        if transport in transports.REGISTRY and transport not in self._transports:
            raise ValueError(
                f"{type(self).__name__} takes the transport {' or '.join(self._transports)}, "
                f"not {transport}."
            )
        make = (
            self.get_transport_class(transport)
            if transport is None or isinstance(transport, str)
            else transport
        )
        self._transport = make(
            credentials=endpoint.credentials(place, options, credentials),
            credentials_file=None if place.emulated else options.credentials_file,
            host=place.host,
            scopes=options.scopes,
            client_cert_source_for_mtls=place.cert_source,
            quota_project_id=options.quota_project_id,
            client_info=client_info,
            always_use_jwt_access=True,
            api_audience=options.api_audience,
        )
        self._log_making()

    def _log_making(self) -> None:
        if not request_log.LOGGER.isEnabledFor(logging.DEBUG):
            return
        with contextlib.suppress(Exception):  # no client fails for its record
            made = getattr(self._transport, "_credentials", None)
            request_log.LOGGER.debug(
                "Created client `%s`.",
                type(self).__name__,
                extra={
                    "serviceName": rpcs.SERVICE,
                    "universeDomain": getattr(made, "universe_domain", ""),
                    "credentialsType": f"{type(made).__module__}.{type(made).__qualname__}",
                    "credentialsInfo": getattr(made, "get_cred_info", lambda: None)(),
                },
            )

    @classmethod
    def from_service_account_info(cls, info: Mapping[str, Any], *args: Any, **kwargs: Any) -> Self:
        """A client with the credentials of a service account's key.

        Args:
            info: The key, as parsed from its JSON.
            args: Passed on to the client.
            kwargs: The same.
        """
        from google.oauth2 import service_account

        kwargs["credentials"] = service_account.Credentials.from_service_account_info(info)
        return cls(*args, **kwargs)

    @classmethod
    def from_service_account_file(cls, filename: str, *args: Any, **kwargs: Any) -> Self:
        """A client with the credentials of a service account's key file.

        Args:
            filename: The file, JSON.
            args: Passed on to the client.
            kwargs: The same.
        """
        from google.oauth2 import service_account

        kwargs["credentials"] = service_account.Credentials.from_service_account_file(filename)
        return cls(*args, **kwargs)

    from_service_account_json = from_service_account_file

    @classmethod
    def get_transport_class(cls, label: str | None = None) -> type[CloudTasksTransport]:
        """The transport of that name, or the client's usual one.

        Raises:
            KeyError: There is none of that name.
        """
        label = label or cls._transports[0]
        if label not in transports.REGISTRY:
            raise KeyError(f"{label!r} is no transport; there are {', '.join(transports.REGISTRY)}")
        found: type[CloudTasksTransport] = getattr(transports, transports.REGISTRY[label])
        return found

    @classmethod
    def get_mtls_endpoint_and_cert_source(
        cls, client_options: Any = None
    ) -> tuple[str, endpoint.CertSource | None]:
        """Deprecated: the endpoint and the client certificate's source for mutual TLS."""
        import warnings

        from google.api_core.client_options import ClientOptions

        warnings.warn(
            "get_mtls_endpoint_and_cert_source is deprecated; use api_endpoint",
            DeprecationWarning,
            stacklevel=2,
        )
        options = client_options or ClientOptions()
        source, mtls = endpoint.mutual_tls(options)
        usual = cls.DEFAULT_MTLS_ENDPOINT if mtls else cls.DEFAULT_ENDPOINT
        return (usual if options.api_endpoint is None else options.api_endpoint), source

    @property
    def transport(self) -> CloudTasksTransport:
        """What makes the calls."""
        return self._transport

    @property
    def api_endpoint(self) -> str:
        """Where the calls go."""
        return self._api_endpoint

    @property
    def universe_domain(self) -> str:
        """The universe domain, ``googleapis.com`` unless told otherwise."""
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
        """What to call, and with what."""
        rpc = rpcs.BY_METHOD[method]
        message = requests.build(rpc, request, fields)
        options: dict[str, Any] = {
            "retry": retry,
            "timeout": timeout,
            "metadata": (*metadata, requests.routing(rpc, message)),
        }
        return self._transport.wrapped(rpc), message, options
