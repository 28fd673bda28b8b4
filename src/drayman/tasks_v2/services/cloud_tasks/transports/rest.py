"""The REST transport: JSON over HTTP/1.1, for networks that block gRPC."""

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from google.api_core import exceptions
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2, json_format

from drayman.tasks_v2 import rpcs
from drayman.tasks_v2.services.cloud_tasks import endpoint, operations, request_log
from drayman.tasks_v2.services.cloud_tasks.endpoint import CertSource
from drayman.tasks_v2.services.cloud_tasks.requests import DEFAULT, Metadata
from drayman.tasks_v2.services.cloud_tasks.transports.base import CloudTasksTransport
from drayman.tasks_v2.services.cloud_tasks.transports.calls import Call

VERSION = "v2"
# Connections to keep open, and so the threads that can call at a time without opening new ones.
MAX_CONNECTIONS = 64
# Seconds to connect, also for calls without a timeout. That of gRPC's channels.
CONNECT_TIMEOUT = 20.0


class CloudTasksRestInterceptor:
    """Hooks that see and change each request and response. A subclass overrides them.

    For example, ``pre_create_task(request, metadata)`` returns the request and headers to send,
    ``post_create_task(response)`` returns the response for the caller, and
    ``post_create_task_with_metadata(response, metadata)`` returns it with the headers. RPCs that
    return nothing have only the first hook, those of locations and operations the first two.

    Example:
        >>> class Own(CloudTasksRestInterceptor):
        ...     def pre_create_task(self, request, metadata):
        ...         return request, [*metadata, ("x-own", "1")]
        >>> CloudTasksRestTransport(interceptor=Own())
    """

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Any]:
            """Return a hook of an RPC."""


def _pre(_self: Any, request: Any, metadata: Metadata) -> tuple[Any, Metadata]:
    """Return the request and the headers to send."""
    return request, metadata


def _post(_self: Any, response: Any) -> Any:
    """Return the response for the caller."""
    return response


def _post_with_metadata(_self: Any, response: Any, metadata: Metadata) -> tuple[Any, Metadata]:
    """Return the response for the caller and the headers of the HTTP response."""
    return response, metadata


for _rpc in (*rpcs.RPCS, *rpcs.MIXINS):
    setattr(CloudTasksRestInterceptor, f"pre_{_rpc.method}", _pre)
    if _rpc.response is not empty_pb2.Empty:
        setattr(CloudTasksRestInterceptor, f"post_{_rpc.method}", _post)
        if _rpc in rpcs.RPCS:
            hook = f"post_{_rpc.method}_with_metadata"
            setattr(CloudTasksRestInterceptor, hook, _post_with_metadata)


class CloudTasksRestTransport(CloudTasksTransport):
    """Makes the calls over REST.

    Args:
        host: ``host`` or ``host:port``, optionally with ``http://`` or ``https://`` in front.
        credentials: The credentials of all calls. By default they come from the environment, or
            there are none for a plain-text host. Explicit credentials are sent to a plain-text
            host in plain text.
        credentials_file: Deprecated: a file with the credentials.
        scopes: The OAuth scopes of the credentials.
        client_cert_source_for_mtls: Returns the client certificate and key for mutual TLS.
        quota_project_id: The project to bill and to count quota for.
        client_info: The client info to send in ``x-goog-api-client``. None omits the header.
        always_use_jwt_access: Whether service accounts sign their access tokens themselves.
        url_scheme: The scheme of a host without one: ``https`` or ``http``.
        interceptor: The hooks for requests and responses.
        api_audience: The audience, for credentials that need one.
    """

    kind = "rest"

    def __init__(
        self,
        *,
        host: str = CloudTasksTransport.DEFAULT_HOST,
        credentials: Any = None,
        credentials_file: str | None = None,
        scopes: Sequence[str] | None = None,
        client_cert_source_for_mtls: CertSource | None = None,
        quota_project_id: str | None = None,
        client_info: Any = DEFAULT,
        always_use_jwt_access: bool = False,
        url_scheme: str = "https",
        interceptor: CloudTasksRestInterceptor | None = None,
        api_audience: str | None = None,
    ) -> None:
        from google.auth import credentials as auth
        from google.auth.transport import requests as auth_requests
        from requests.adapters import HTTPAdapter

        address = endpoint.parse(host, grpc=False)
        scheme = address.scheme or url_scheme
        if scheme == "http" and credentials is None and credentials_file is None:
            credentials = auth.AnonymousCredentials()
        super().__init__(
            host=f"{scheme}://{address.authority}",
            credentials=credentials,
            credentials_file=credentials_file,
            scopes=scopes,
            quota_project_id=quota_project_id,
            client_info=client_info,
            always_use_jwt_access=always_use_jwt_access,
            api_audience=api_audience,
        )
        if quota_project_id and isinstance(self._credentials, auth.CredentialsWithQuotaProject):
            self._credentials = self._credentials.with_quota_project(quota_project_id)
        self._credentials = auth.with_scopes_if_required(
            self._credentials, scopes, default_scopes=self.AUTH_SCOPES
        )
        self._operations_client: Any = None
        # Anonymous credentials cannot be refreshed, so a 401 response is final.
        anonymous = isinstance(self._credentials, auth.AnonymousCredentials)
        self._session: Any = auth_requests.AuthorizedSession(
            self._credentials,
            default_host=self.DEFAULT_HOST,
            **({"refresh_status_codes": ()} if anonymous else {}),
        )
        for prefix in ("http://", "https://"):
            self._session.mount(prefix, HTTPAdapter(pool_maxsize=MAX_CONNECTIONS))
        if client_cert_source_for_mtls:
            self._session.configure_mtls_channel(client_cert_source_for_mtls)
        self._interceptor = interceptor or CloudTasksRestInterceptor()

    @property
    def operations_client(self) -> Any:
        """A client for ``google.longrunning.Operations`` at the same host."""
        if self._operations_client is None:
            from google.api_core import operations_v1

            (get,) = (rpc for rpc in rpcs.MIXINS if rpc.name == "GetOperation")
            http_rule = {"method": get.verb.lower(), "uri": f"/{VERSION}/{get.path}"}
            self._operations_client = operations_v1.AbstractOperationsClient(
                transport=operations_v1.OperationsRestTransport(
                    host=self._host,  # its scheme overrides `url_scheme`
                    credentials=self._credentials,
                    scopes=self._scopes,
                    http_options={f"{get.service}.{get.name}": [http_rule]},
                    path_prefix=VERSION,
                )
            )
        return self._operations_client

    def make_stub(self, rpc: rpcs.Rpc) -> Callable[..., Any]:
        """Return the callable that makes an RPC once."""
        return RestStub(rpc, self._host, self._session, self._interceptor)

    def wrap(self, stub: Callable[..., Any], rpc: rpcs.Rpc) -> Callable[..., Any]:
        """Return a callable with the retry, timeout and headers of an RPC."""
        return Call(stub, rpc, self._headers, self._server, logged=False)

    def close(self) -> None:
        """Close the connections, also for other clients that use the transport."""
        self._session.close()


class RestStub:
    """Makes one RPC over REST."""

    def __init__(
        self, rpc: rpcs.Rpc, host: str, session: Any, interceptor: CloudTasksRestInterceptor
    ) -> None:
        self._rpc = rpc
        self._host = host
        self._session = session
        self._pre = getattr(interceptor, f"pre_{rpc.method}")
        self._post = getattr(interceptor, f"post_{rpc.method}", None)
        self._post_with_metadata = getattr(interceptor, f"post_{rpc.method}_with_metadata", None)

    def __call__(
        self,
        request: Any,
        *,
        retry: Any = None,  # noqa: ARG002 - Google's callables take it
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> Any:
        """Make the call.

        Raises:
            ValueError: The name in the request does not fit the path.
            google.api_core.exceptions.GoogleAPICallError: The call failed. Without a response,
                the exception is an exception of requests as well.
        """
        request, metadata = self._pre(request, metadata)
        path, query, body = transcode(self._rpc, getattr(request, "_pb", request))
        url = f"{self._host}/{VERSION}/{path}"
        headers = {**dict(metadata), "Content-Type": "application/json"}
        if request_log.is_enabled():
            self._log("Sending request for", request, "httpRequest", headers, requestUrl=url)
        http_response = self._send(url, params=query, data=body, headers=headers, timeout=timeout)
        if http_response.status_code >= 400:  # noqa: PLR2004 - the first status that is an error
            raise to_api_error(http_response)
        if self._post is None:
            return empty_pb2.Empty()
        try:
            message = parse_response(self._rpc, http_response.content)
        except ValueError as error:
            raise exceptions.Unknown(
                f"{self._rpc.verb} {url}: {error}", response=http_response
            ) from error
        response = self._post(message)
        if self._post_with_metadata is not None:
            header_pairs = [(key, str(value)) for key, value in http_response.headers.items()]
            response, _ = self._post_with_metadata(response, header_pairs)
        if request_log.is_enabled():
            headers = dict(http_response.headers)
            status = http_response.status_code
            self._log("Received response for", response, "httpResponse", headers, status=status)
        return response

    def _send(self, url: str, timeout: float | None, **options: Any) -> Any:
        from requests import RequestException

        connect_timeout = CONNECT_TIMEOUT if timeout is None else min(timeout, CONNECT_TIMEOUT)
        try:
            return self._session.request(
                self._rpc.verb, url, timeout=(connect_timeout, timeout), **options
            )
        except RequestException as error:
            from drayman.tasks_v2.services.cloud_tasks.transports import connection_errors

            api_error = connection_errors.to_api_error(error)
            if api_error is error:
                raise
            raise api_error from error

    def _log(self, text: str, message: Any, field: str, headers: Any, **extra: Any) -> None:
        exchange = {
            "payload": request_log.payload(message),
            "requestMethod": self._rpc.verb.lower(),
            "headers": headers,
            **extra,
        }
        request_log.emit(
            f"{text} {self._rpc.full_name}", self._rpc, **{field: exchange, "metadata": headers}
        )


def transcode(rpc: rpcs.Rpc, request: Any) -> tuple[str, dict[str, Any], bytes | None]:
    """Return the path, the query and the body of an HTTP request for an RPC.

    Raises:
        ValueError: The name in the request does not fit the path.
    """
    is_cloud_tasks = rpc.service == rpcs.SERVICE
    fields = json_format.MessageToDict(request, use_integers_for_enums=is_cloud_tasks)
    path = re.sub(
        r"\{([\w.]+)=([^}]+)\}",
        lambda match: _pop_path_field(rpc, fields, *match.groups()),
        rpc.path,
    )
    body: bytes | None = None
    if rpc.body == "*":
        body, fields = json.dumps(fields).encode(), {}
    elif rpc.body:
        body = json.dumps(fields.pop(_json_name(rpc.body), {})).encode()
    if is_cloud_tasks:
        fields["$alt"] = "json;enum-encoding=int"
    return path, fields, body


def _pop_path_field(rpc: rpcs.Rpc, fields: dict[str, Any], field: str, pattern: str) -> str:
    """Remove the field that is part of the path, and return its value."""
    *parents, name = field.split(".")
    message = fields
    for parent in parents:
        message = message.get(_json_name(parent), {})
    value: str = message.pop(_json_name(name), "")
    if not re.fullmatch(pattern.replace("*", "[^/]+"), value):
        raise ValueError(f"{rpc.method}: {field} must look like {pattern}, but is {value!r}.")
    return value


def _json_name(field: str) -> str:
    first, *rest = field.split("_")
    return first + "".join(word.title() for word in rest)


def parse_response(rpc: rpcs.Rpc, content: bytes) -> Any:
    """Parse a JSON response into the response message. Unknown fields are ignored.

    Raises:
        ValueError: The content is not JSON of this message.
    """
    try:
        values = json.loads(content)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise ValueError(f"the response is not a JSON object but {content[:100]!r}")  # noqa: TRY004 - what the server sent, not an argument
    if rpc.response is operations_pb2.Operation:
        for packed in (values.get("metadata", {}), values.get("response", {})):
            if "@type" in packed:
                packed["@type"] = operations.to_our_package(packed["@type"])
    response = rpc.response()
    message = getattr(response, "_pb", response)
    json_format.ParseDict(values, message, ignore_unknown_fields=True)
    return response


def to_api_error(http_response: Any) -> exceptions.GoogleAPICallError:
    """Return the exception for a response with a status code of 400 or more.

    ``google.api_core`` derives the class from the status code, for example ``Conflict`` from 409.
    The status name in the body selects the subclass that gRPC raises, ``AlreadyExists``.
    """
    error: exceptions.GoogleAPICallError
    try:
        error = exceptions.from_http_response(http_response)
    except AttributeError:  # the body is JSON of another form
        text = f"{http_response.request.method} {http_response.url}: unknown error"
        error = exceptions.from_http_status(http_response.status_code, text)
    subclass = _CLASS_BY_STATUS.get(_status_name(http_response), type(error))
    if subclass is type(error) or not issubclass(subclass, type(error)):
        return error
    return subclass(
        error.message,
        errors=error.errors,
        details=error.details,
        response=http_response,
        error_info=error._error_info,  # noqa: SLF001 - there is no public name
    )


_CLASS_BY_STATUS: dict[str, type[exceptions.GoogleAPICallError]] = {
    "ABORTED": exceptions.Aborted,
    "ALREADY_EXISTS": exceptions.AlreadyExists,
    "CANCELLED": exceptions.Cancelled,
    "DATA_LOSS": exceptions.DataLoss,
    "DEADLINE_EXCEEDED": exceptions.DeadlineExceeded,
    "FAILED_PRECONDITION": exceptions.FailedPrecondition,
    "INTERNAL": exceptions.InternalServerError,
    "INVALID_ARGUMENT": exceptions.InvalidArgument,
    "NOT_FOUND": exceptions.NotFound,
    "OUT_OF_RANGE": exceptions.OutOfRange,
    "PERMISSION_DENIED": exceptions.PermissionDenied,
    "RESOURCE_EXHAUSTED": exceptions.ResourceExhausted,
    "UNAUTHENTICATED": exceptions.Unauthenticated,
    "UNAVAILABLE": exceptions.ServiceUnavailable,
    "UNIMPLEMENTED": exceptions.MethodNotImplemented,
    "UNKNOWN": exceptions.Unknown,
}


def _status_name(http_response: Any) -> str:
    """Return the status name in the body of an error, or an empty string if there is none."""
    try:
        status = http_response.json()["error"]["status"]
    except (ValueError, KeyError, TypeError):
        return ""
    return status if isinstance(status, str) else ""
