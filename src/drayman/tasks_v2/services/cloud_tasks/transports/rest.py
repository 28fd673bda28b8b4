"""The calls over REST: JSON over HTTP/1.1, for networks that gRPC does not get through."""

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
# How many threads can call at a time without waiting for one another's connections to open.
CONNECTIONS = 64


class CloudTasksRestInterceptor:
    """Sees every request before it is sent and every response before it is given.

    Each RPC has its hooks, which a subclass overrides: ``pre_create_task(request, metadata)``
    returns what to send, ``post_create_task(response)`` what to give to the caller, and
    ``post_create_task_with_metadata(response, metadata)`` both that and the headers. Deletions,
    which answer nothing, have the first alone; location and operation calls the first two.

    Example:
        >>> class Own(CloudTasksRestInterceptor):
        ...     def pre_create_task(self, request, metadata):
        ...         return request, [*metadata, ("x-own", "1")]
        >>> CloudTasksRestTransport(interceptor=Own())
    """

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Any]:
            """The hooks of each RPC."""


def _pre(_self: Any, request: Any, metadata: Metadata) -> tuple[Any, Metadata]:
    """What to send: the request and its headers."""
    return request, metadata


def _post(_self: Any, response: Any) -> Any:
    """What to give to the caller."""
    return response


def _post_with_metadata(_self: Any, response: Any, metadata: Metadata) -> tuple[Any, Metadata]:
    """What to give to the caller, seen with the headers of the answer."""
    return response, metadata


for _rpc in (*rpcs.RPCS, *rpcs.MIXINS):
    setattr(CloudTasksRestInterceptor, f"pre_{_rpc.method}", _pre)
    if _rpc.response is not empty_pb2.Empty:
        setattr(CloudTasksRestInterceptor, f"post_{_rpc.method}", _post)
        if _rpc in rpcs.RPCS:
            hook = f"post_{_rpc.method}_with_metadata"
            setattr(CloudTasksRestInterceptor, hook, _post_with_metadata)


class CloudTasksRestTransport(CloudTasksTransport):
    """Calls over REST.

    Args:
        host: ``host`` or ``host:port``, perhaps with ``http://`` or ``https://`` in front.
            A plain-text host is not sent credentials that were not given; those that were given
            travel to it in the clear.
        credentials: Whose calls these are; found in the environment when absent.
        credentials_file: Deprecated: a file that holds them.
        scopes: The OAuth scopes to ask for.
        client_cert_source_for_mtls: Gives the certificate and key of mutual TLS.
        quota_project_id: The project that pays.
        client_info: What to say in ``x-goog-api-client``; None says nothing.
        always_use_jwt_access: Whether service accounts sign their own tokens.
        url_scheme: ``https``, or ``http`` for a host without a scheme.
        interceptor: Sees every request and response.
        api_audience: The audience for credentials that need one.
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
        super().__init__(
            host=f"{address.scheme or url_scheme}://{address.place}",
            credentials=credentials,
            credentials_file=credentials_file,
            scopes=scopes,
            quota_project_id=quota_project_id,
            client_info=client_info,
            always_use_jwt_access=always_use_jwt_access,
            api_audience=api_audience,
        )
        self._operations_client: Any = None
        # Nobody's credentials cannot be refreshed: a 401 is then the caller's to see.
        anonymous = isinstance(self._credentials, auth.AnonymousCredentials)
        self._session: Any = auth_requests.AuthorizedSession(
            self._credentials,
            default_host=self.DEFAULT_HOST,
            **({"refresh_status_codes": ()} if anonymous else {}),
        )
        for prefix in ("http://", "https://"):
            self._session.mount(prefix, HTTPAdapter(pool_maxsize=CONNECTIONS))
        if client_cert_source_for_mtls:
            self._session.configure_mtls_channel(client_cert_source_for_mtls)
        self._interceptor = interceptor or CloudTasksRestInterceptor()

    def _find_credentials(
        self,
        credentials: Any,
        credentials_file: str | None,
        scopes: Sequence[str] | None,
        quota_project_id: str | None,
        audience: str,
    ) -> Any:
        from google.auth import credentials as auth

        if self._host.startswith("http://") and credentials is None and credentials_file is None:
            return auth.AnonymousCredentials()
        found = super()._find_credentials(
            credentials, credentials_file, scopes, quota_project_id, audience
        )
        if quota_project_id and isinstance(found, auth.CredentialsWithQuotaProject):
            found = found.with_quota_project(quota_project_id)
        return auth.with_scopes_if_required(found, scopes, default_scopes=self.AUTH_SCOPES)

    @property
    def operations_client(self) -> Any:
        """A client of ``google.longrunning.Operations`` at the same host."""
        if self._operations_client is None:
            from google.api_core import operations_v1

            (get,) = (rpc for rpc in rpcs.MIXINS if rpc.name == "GetOperation")
            option = {"method": get.verb.lower(), "uri": f"/{VERSION}/{get.path}"}
            self._operations_client = operations_v1.AbstractOperationsClient(
                transport=operations_v1.OperationsRestTransport(
                    host=self._host,  # with its scheme, which goes before `url_scheme`
                    credentials=self._credentials,
                    scopes=self._scopes,
                    http_options={f"{get.service}.{get.name}": [option]},
                    path_prefix=VERSION,
                )
            )
        return self._operations_client

    def make_stub(self, rpc: rpcs.Rpc) -> Callable[..., Any]:
        """The callable of one RPC."""
        return RestStub(rpc, self._host, self._session, self._interceptor)

    def wrap(self, stub: Callable[..., Any], rpc: rpcs.Rpc) -> Callable[..., Any]:
        """The callable with its row's defaults."""
        return Call(stub, rpc, self._headers, logged=False)

    def close(self) -> None:
        """Close the connections, which other clients may share."""
        self._session.close()


class RestStub:
    """One RPC over REST."""

    def __init__(
        self, rpc: rpcs.Rpc, host: str, session: Any, interceptor: CloudTasksRestInterceptor
    ) -> None:
        self._rpc = rpc
        self._host = host
        self._session = session
        self._pre = getattr(interceptor, f"pre_{rpc.method}")
        self._post = getattr(interceptor, f"post_{rpc.method}", None)
        self._post_with = getattr(interceptor, f"post_{rpc.method}_with_metadata", None)

    def __call__(
        self,
        request: Any,
        *,
        retry: Any = None,  # noqa: ARG002 - part of the shape that Google's callables have
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> Any:
        """Make the call.

        Raises:
            ValueError: The name in the request does not fit the path.
            google.api_core.exceptions.GoogleAPICallError: The server said no, or nothing: then
                the exception is one of requests, too.
        """
        request, metadata = self._pre(request, metadata)
        path, query, body = transcode(self._rpc, getattr(request, "_pb", request))
        url = f"{self._host}/{VERSION}/{path}"
        headers = {**dict(metadata), "Content-Type": "application/json"}
        if request_log.wanted():
            self._log("Sending request for", request, "httpRequest", headers, requestUrl=url)
        answer = self._answer(url, params=query, data=body, headers=headers, timeout=timeout)
        if answer.status_code >= 400:  # noqa: PLR2004 - the first status that is an error
            raise failure(answer)
        if self._post is None:
            return empty_pb2.Empty()
        response = self._post(parse(self._rpc, answer.content))
        if self._post_with is not None:
            seen = [(key, str(value)) for key, value in answer.headers.items()]
            response, _ = self._post_with(response, seen)
        if request_log.wanted():
            headers = dict(answer.headers)
            status = answer.status_code
            self._log("Received response for", response, "httpResponse", headers, status=status)
        return response

    def _answer(self, url: str, **options: Any) -> Any:
        from requests import RequestException

        try:
            return self._session.request(self._rpc.verb, url, **options)
        except RequestException as error:
            from drayman.tasks_v2.services.cloud_tasks.transports import unreached

            failed = unreached.failure(error)
            if failed is error:
                raise
            raise failed from error

    def _log(self, text: str, message: Any, field: str, headers: Any, **more: Any) -> None:
        told = {
            "payload": request_log.payload(message),
            "requestMethod": self._rpc.verb.lower(),
            "headers": headers,
            **more,
        }
        request_log.event(
            f"{text} {self._rpc.full_name}", self._rpc, **{field: told, "metadata": headers}
        )


def transcode(rpc: rpcs.Rpc, request: Any) -> tuple[str, dict[str, Any], bytes | None]:
    """Path, query and body of a request, by its row.

    Raises:
        ValueError: The name in the request does not fit the path.
    """
    own = rpc.service == rpcs.SERVICE
    fields = json_format.MessageToDict(request, use_integers_for_enums=own)
    path = re.sub(
        r"\{([\w.]+)=([^}]+)\}", lambda match: _take(rpc, fields, *match.groups()), rpc.path
    )
    body: bytes | None = None
    if rpc.body == "*":
        body, fields = json.dumps(fields).encode(), {}
    elif rpc.body:
        body = json.dumps(fields.pop(_json_name(rpc.body), {})).encode()
    if own:
        fields["$alt"] = "json;enum-encoding=int"
    return path, fields, body


def _take(rpc: rpcs.Rpc, fields: dict[str, Any], field: str, pattern: str) -> str:
    """Take the path's field out of the others."""
    *parents, name = field.split(".")
    holder = fields
    for parent in parents:
        holder = holder.get(_json_name(parent), {})
    value: str = holder.pop(_json_name(name), "")
    if not re.fullmatch(pattern.replace("*", "[^/]+"), value):
        raise ValueError(f"{rpc.method}: {field} must look like {pattern}, but is {value!r}.")
    return value


def _json_name(field: str) -> str:
    first, *rest = field.split("_")
    return first + "".join(word.title() for word in rest)


def parse(rpc: rpcs.Rpc, content: bytes) -> Any:
    """The response's message; fields that it does not know are left out."""
    values = json.loads(content)
    if rpc.response is operations_pb2.Operation:
        for packed in (values.get("metadata", {}), values.get("response", {})):
            if "@type" in packed:
                packed["@type"] = packed["@type"].replace(operations.THEIRS, operations.OURS)
    response = rpc.response()
    message = getattr(response, "_pb", response)
    json_format.ParseDict(values, message, ignore_unknown_fields=True)
    return response


def failure(answer: Any) -> exceptions.GoogleAPICallError:
    """The exception for an answer of 400 and above.

    The HTTP code alone says Conflict where gRPC says AlreadyExists; the status in the error's
    body says which it is, and the exception is then of that more precise class.
    """
    error: exceptions.GoogleAPICallError
    try:
        error = exceptions.from_http_response(answer)
    except AttributeError:  # the body is JSON, but no error's
        told = f"{answer.request.method} {answer.url}: unknown error"
        error = exceptions.from_http_status(answer.status_code, told)
    precise = _PRECISE.get(_status(answer), type(error))
    if precise is type(error) or not issubclass(precise, type(error)):
        return error
    return precise(
        error.message,
        errors=error.errors,
        details=error.details,
        response=answer,
        error_info=error._error_info,  # noqa: SLF001 - it has no other name
    )


_PRECISE: dict[str, type[exceptions.GoogleAPICallError]] = {
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


def _status(answer: Any) -> str:
    """The status that the error's body names; an empty one when it is not of that form."""
    try:
        status = answer.json()["error"]["status"]
    except (ValueError, KeyError, TypeError):
        return ""
    return status if isinstance(status, str) else ""
