"""The base of all transports: a host, credentials, and one callable per RPC."""

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import drayman
from drayman.tasks_v2 import rpcs
from drayman.tasks_v2.services.cloud_tasks import endpoint
from drayman.tasks_v2.services.cloud_tasks.requests import is_default

_NO_CREDENTIALS_HINT = (
    f"To call a Drayman server or an emulator, which needs no credentials, set "
    f"{endpoint.EMULATOR_VARIABLE}=HOST:PORT, for example localhost:8123."
)


class _Stub:
    """The attribute of a transport for one RPC: the callable that makes it, created on first use.

    A test can assign another callable to the attribute, of a transport or of its class.
    """

    def __init__(self, rpc: rpcs.Rpc) -> None:
        self.rpc = rpc
        self.__doc__ = f"Call {rpc.name} with a request message and return the response message."

    def __get__(self, transport: Any, owner: type | None = None) -> Any:
        if transport is None:
            return self
        stubs = transport.stubs
        if self.rpc.method not in stubs:
            stubs[self.rpc.method] = transport.make_stub(self.rpc)
        return stubs[self.rpc.method]

    def __set__(self, transport: Any, stub: Callable[..., Any]) -> None:
        transport.stubs[self.rpc.method] = stub

    def __delete__(self, transport: Any) -> None:
        transport.stubs.pop(self.rpc.method, None)


class CloudTasksTransport:
    """The base of all transports.

    Each RPC is an attribute named like the client's method (``transport.create_task``): a
    callable that takes the request message, ``timeout`` and ``metadata``.

    Attributes:
        kind: ``grpc``, ``grpc_asyncio`` or ``rest``.
        host: The server, ``host:port``.
        stubs: The callables created so far, by the name of the attribute.
    """

    AUTH_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
    DEFAULT_HOST = endpoint.HOST
    kind = ""

    if TYPE_CHECKING:
        list_queues: Callable[..., Any]
        get_queue: Callable[..., Any]
        create_queue: Callable[..., Any]
        update_queue: Callable[..., Any]
        delete_queue: Callable[..., Any]
        purge_queue: Callable[..., Any]
        pause_queue: Callable[..., Any]
        resume_queue: Callable[..., Any]
        get_iam_policy: Callable[..., Any]
        set_iam_policy: Callable[..., Any]
        test_iam_permissions: Callable[..., Any]
        list_tasks: Callable[..., Any]
        get_task: Callable[..., Any]
        create_task: Callable[..., Any]
        batch_create_tasks: Callable[..., Any]
        delete_task: Callable[..., Any]
        batch_delete_tasks: Callable[..., Any]
        run_task: Callable[..., Any]
        update_cmek_config: Callable[..., Any]
        get_cmek_config: Callable[..., Any]
        get_operation: Callable[..., Any]
        get_location: Callable[..., Any]
        list_locations: Callable[..., Any]

    def __init__(
        self,
        *,
        host: str = DEFAULT_HOST,
        credentials: Any = None,
        credentials_file: str | None = None,
        scopes: Sequence[str] | None = None,
        quota_project_id: str | None = None,
        client_info: Any = None,
        always_use_jwt_access: bool = False,
        api_audience: str | None = None,
        use_credentials: bool = True,
        **_kwargs: Any,
    ) -> None:
        self._scopes = scopes
        self._host = host if ":" in host else f"{host}:443"
        self._server = self._host  # for error messages
        self._credentials: Any = None
        if use_credentials:
            self._credentials = self._load_credentials(
                credentials, credentials_file, scopes, quota_project_id, api_audience or host
            )
        if always_use_jwt_access:
            self._credentials = _with_self_signed_jwt(self._credentials)
        self._headers = headers(default_client_info() if is_default(client_info) else client_info)
        self.stubs: dict[str, Callable[..., Any]] = {}
        self._wrapped_methods: dict[str, tuple[Any, Callable[..., Any]]] = {}

    def _load_credentials(
        self,
        credentials: Any,
        credentials_file: str | None,
        scopes: Sequence[str] | None,
        quota_project_id: str | None,
        audience: str,
    ) -> Any:
        """Return the credentials of the caller, of the file, or of the environment."""
        if credentials is not None and credentials_file is not None:
            from google.api_core import exceptions

            raise exceptions.DuplicateCredentialArgs(
                "credentials and credentials_file exclude each other"
            )
        if credentials is not None:
            return credentials
        import google.auth

        options: dict[str, Any] = {
            "scopes": scopes,
            "quota_project_id": quota_project_id,
            "default_scopes": self.AUTH_SCOPES,
        }
        if credentials_file is not None:
            return google.auth.load_credentials_from_file(credentials_file, **options)[0]
        loaded = _default_credentials(options)
        if hasattr(loaded, "with_gdch_audience"):
            loaded = loaded.with_gdch_audience(audience)
        return loaded

    @property
    def host(self) -> str:
        """The server, ``host:port``."""
        return self._host

    @property
    def operations_client(self) -> Any:
        """A client for ``google.longrunning.Operations`` at the same host."""
        raise NotImplementedError

    def make_stub(self, rpc: rpcs.Rpc) -> Callable[..., Any]:
        """Return the callable that makes an RPC once."""
        raise NotImplementedError

    def wrap(self, stub: Callable[..., Any], rpc: rpcs.Rpc) -> Callable[..., Any]:
        """Add retry, timeout, headers and the exceptions of ``google.api_core`` to a callable."""
        from drayman.tasks_v2.services.cloud_tasks.transports.calls import Call

        return Call(stub, rpc, self._headers, self._server)

    def close(self) -> Any:
        """Close the connections."""
        raise NotImplementedError

    def wrapped_method(self, rpc: rpcs.Rpc) -> Callable[..., Any]:
        """Return the wrapped callable of an RPC, which a client calls."""
        stub = getattr(self, rpc.method)
        wrapped_stub, method = self._wrapped_methods.get(rpc.method, (None, None))
        if method is None or wrapped_stub != stub:  # a test can have replaced the stub
            method = self.wrap(stub, rpc)
            self._wrapped_methods[rpc.method] = stub, method
        return method


for _rpc in (*rpcs.RPCS, *rpcs.MIXINS):
    setattr(CloudTasksTransport, _rpc.method, _Stub(_rpc))


def _default_credentials(options: Mapping[str, Any]) -> Any:
    """Return the credentials of the environment.

    Raises:
        google.auth.exceptions.DefaultCredentialsError: There are none. The message says how to
            connect to a server that needs none.
    """
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        return google.auth.default(**options)[0]
    except DefaultCredentialsError as error:
        raise DefaultCredentialsError(f"{error} {_NO_CREDENTIALS_HINT}") from error


def _with_self_signed_jwt(credentials: Any) -> Any:
    """Let a service account sign its access tokens itself, without a token server."""
    # The import is slow. If the module is not loaded, these are no credentials of its class.
    service_account = sys.modules.get("google.oauth2.service_account")
    if service_account and isinstance(credentials, service_account.Credentials):
        return credentials.with_always_use_jwt_access(True)
    return credentials


@functools.cache
def default_client_info() -> Any:
    """Return the default client info for ``x-goog-api-client``."""
    import google.protobuf
    from google.api_core import client_info

    info = client_info.ClientInfo(gapic_version=drayman.__version__)
    info.protobuf_runtime_version = google.protobuf.__version__
    return info


def headers(client_info: Any) -> tuple[tuple[str, str], ...]:
    """Return the headers of all calls. Without a client info there are none."""
    return (("x-goog-api-client", client_info.to_user_agent()),) if client_info else ()
