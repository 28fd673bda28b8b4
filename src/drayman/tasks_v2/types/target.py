"""The target of a task and the request that is sent to it."""

import proto

__protobuf__ = proto.module(
    package="drayman.cloud.tasks.v2",
    manifest={
        "HttpMethod",
        "PathOverride",
        "QueryOverride",
        "UriOverride",
        "HttpTarget",
        "HttpRequest",
        "AppEngineHttpRequest",
        "AppEngineRouting",
        "OAuthToken",
        "OidcToken",
    },
)


class HttpMethod(proto.Enum):
    """The HTTP method of a delivery. Unspecified means POST."""

    HTTP_METHOD_UNSPECIFIED = 0
    POST = 1
    GET = 2
    HEAD = 3
    PUT = 4
    DELETE = 5
    PATCH = 6
    OPTIONS = 7


class PathOverride(proto.Message):
    """The URL path that a queue sets for its tasks.

    Attributes:
        path (str): The path, starting with a slash. Empty removes the task's path.
    """

    path: str = proto.Field(proto.STRING, number=1)


class QueryOverride(proto.Message):
    """The URL query that a queue sets for its tasks.

    Attributes:
        query_params (str): The query, such as ``a=1&b=2``. Empty removes the task's query.
    """

    query_params: str = proto.Field(proto.STRING, number=1)


class UriOverride(proto.Message):
    """The URL parts that a queue sets for its HTTP tasks. An absent part does not change the URL.

    Attributes:
        scheme: HTTP or HTTPS.
        host (str): The host name. Empty is invalid.
        port (int): The port. 0 removes the task's port.
        path_override: The path.
        query_override: The query.
        uri_override_enforce_mode: Whether the parts replace those of the task (the default)
            or apply only if the task's URL lacks them.
    """

    class Scheme(proto.Enum):
        """The scheme of the URL."""

        SCHEME_UNSPECIFIED = 0
        HTTP = 1
        HTTPS = 2

    class UriOverrideEnforceMode(proto.Enum):
        """Whether a part of the queue replaces the same part of the task."""

        URI_OVERRIDE_ENFORCE_MODE_UNSPECIFIED = 0
        IF_NOT_EXISTS = 1
        ALWAYS = 2

    scheme: Scheme = proto.Field(proto.ENUM, number=1, optional=True, enum=Scheme)
    host: str = proto.Field(proto.STRING, number=2, optional=True)
    port: int = proto.Field(proto.INT64, number=3, optional=True)
    path_override: PathOverride = proto.Field(proto.MESSAGE, number=4, message=PathOverride)
    query_override: QueryOverride = proto.Field(proto.MESSAGE, number=5, message=QueryOverride)
    uri_override_enforce_mode: UriOverrideEnforceMode = proto.Field(
        proto.ENUM, number=6, enum=UriOverrideEnforceMode
    )


class OAuthToken(proto.Message):
    """An OAuth access token to send with a request, for handlers that are Google APIs.

    Attributes:
        service_account_email (str): The service account that the token identifies.
        scope (str): The OAuth scope. Empty means
            ``https://www.googleapis.com/auth/cloud-platform``.
    """

    service_account_email: str = proto.Field(proto.STRING, number=1)
    scope: str = proto.Field(proto.STRING, number=2)


class OidcToken(proto.Message):
    """An OpenID Connect ID token to send with a request, for handlers that verify the caller.

    Attributes:
        service_account_email (str): The service account that the token identifies.
        audience (str): The audience of the token. Empty means the URL of the target.
    """

    service_account_email: str = proto.Field(proto.STRING, number=1)
    audience: str = proto.Field(proto.STRING, number=2)


class HttpTarget(proto.Message):
    """Settings of a queue that override those of all its HTTP tasks, including pending ones.

    Attributes:
        uri_override: Parts of the URL to replace.
        http_method: The method, instead of the task's. A GET request is sent without a body.
        header_overrides (Sequence[HttpTarget.HeaderOverride]): Headers to add. They replace the
            task's headers of the same name.
        oauth_token: The access token to send, instead of the task's. Excludes ``oidc_token``.
        oidc_token: The ID token to send, instead of the task's. Excludes ``oauth_token``.
    """

    class Header(proto.Message):
        """A header's name and value.

        Attributes:
            key (str): The name.
            value (str): The value.
        """

        key: str = proto.Field(proto.STRING, number=1)
        value: str = proto.Field(proto.STRING, number=2)

    class HeaderOverride(proto.Message):
        """A header that a queue sets.

        Attributes:
            header: The header.
        """

        header: "HttpTarget.Header" = proto.Field(
            proto.MESSAGE, number=1, message="HttpTarget.Header"
        )

    uri_override: UriOverride = proto.Field(proto.MESSAGE, number=1, message=UriOverride)
    http_method: HttpMethod = proto.Field(proto.ENUM, number=2, enum=HttpMethod)
    header_overrides: list[HeaderOverride] = proto.RepeatedField(
        proto.MESSAGE, number=3, message=HeaderOverride
    )
    oauth_token: OAuthToken = proto.Field(
        proto.MESSAGE, number=5, oneof="authorization_header", message=OAuthToken
    )
    oidc_token: OidcToken = proto.Field(
        proto.MESSAGE, number=6, oneof="authorization_header", message=OidcToken
    )


class HttpRequest(proto.Message):
    """The HTTP request that delivers a task. Any 2xx response completes the task.

    Attributes:
        url (str): Required: a URL with ``http://`` or ``https://``, at most 2083 characters.
        http_method: The method, POST by default.
        headers (Mapping[str, str]): Headers to send. The service sets ``User-Agent``,
            ``Content-Length``, ``Host`` and all names that start with ``X-CloudTasks-``,
            ``X-Google-`` or ``X-AppEngine-``. Headers that cannot be sent are dropped silently.
        body (bytes): The body. Allowed for POST, PUT and PATCH only.
        oauth_token: The access token to send. Excludes ``oidc_token``.
        oidc_token: The ID token to send. Excludes ``oauth_token``.
    """

    url: str = proto.Field(proto.STRING, number=1)
    http_method: HttpMethod = proto.Field(proto.ENUM, number=2, enum=HttpMethod)
    headers: dict[str, str] = proto.MapField(proto.STRING, proto.STRING, number=3)
    body: bytes = proto.Field(proto.BYTES, number=4)
    oauth_token: OAuthToken = proto.Field(
        proto.MESSAGE, number=5, oneof="authorization_header", message=OAuthToken
    )
    oidc_token: OidcToken = proto.Field(
        proto.MESSAGE, number=6, oneof="authorization_header", message=OidcToken
    )


class AppEngineRouting(proto.Message):
    """The part of an App Engine application that receives a task.

    Attributes:
        service (str): The service. Empty means the default service.
        version (str): The version. Empty means the default version.
        instance (str): The instance. Empty means any instance.
        host (str): Output only: the host name that results from the other three fields.
    """

    service: str = proto.Field(proto.STRING, number=1)
    version: str = proto.Field(proto.STRING, number=2)
    instance: str = proto.Field(proto.STRING, number=3)
    host: str = proto.Field(proto.STRING, number=4)


class AppEngineHttpRequest(proto.Message):
    """The request that delivers a task to an App Engine application.

    Attributes:
        http_method: The method, POST by default.
        app_engine_routing: The service, version and instance.
        relative_uri (str): Path and query, starting with a slash. Empty means ``/``.
        headers (Mapping[str, str]): Headers to send.
        body (bytes): The body. Allowed for POST and PUT only.
    """

    http_method: HttpMethod = proto.Field(proto.ENUM, number=1, enum=HttpMethod)
    app_engine_routing: AppEngineRouting = proto.Field(
        proto.MESSAGE, number=2, message=AppEngineRouting
    )
    relative_uri: str = proto.Field(proto.STRING, number=3)
    headers: dict[str, str] = proto.MapField(proto.STRING, proto.STRING, number=4)
    body: bytes = proto.Field(proto.BYTES, number=5)
