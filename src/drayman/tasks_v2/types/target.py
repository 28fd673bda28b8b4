"""Where a task is delivered, and what is sent there."""

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
    """The path that a queue puts in place of a task's own.

    Attributes:
        path (str): The path, starting with a slash; empty removes the task's path.
    """

    path: str = proto.Field(proto.STRING, number=1)


class QueryOverride(proto.Message):
    """The query that a queue puts in place of a task's own.

    Attributes:
        query_params (str): ``a=1&b=2``; empty removes the task's query.
    """

    query_params: str = proto.Field(proto.STRING, number=1)


class UriOverride(proto.Message):
    """The parts of the URL that a queue sets for all of its HTTP tasks.

    Attributes:
        scheme: HTTP or HTTPS; absent leaves the task's.
        host (str): The host name; absent leaves the task's, empty is refused.
        port (int): The port; absent leaves the task's, 0 removes it.
        path_override: The path; absent leaves the task's.
        query_override: The query; absent leaves the task's.
        uri_override_enforce_mode: Whether these parts win over the task's (the default)
            or only fill in what the task lacks.
    """

    class Scheme(proto.Enum):
        """The scheme of the URL."""

        SCHEME_UNSPECIFIED = 0
        HTTP = 1
        HTTPS = 2

    class UriOverrideEnforceMode(proto.Enum):
        """Which side wins where both the queue and the task name a part."""

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
    """An OAuth access token to send along, meant for Google APIs.

    Attributes:
        service_account_email (str): The account the token stands for.
        scope (str): Its scope; empty means ``https://www.googleapis.com/auth/cloud-platform``.
    """

    service_account_email: str = proto.Field(proto.STRING, number=1)
    scope: str = proto.Field(proto.STRING, number=2)


class OidcToken(proto.Message):
    """An OpenID Connect ID token to send along, for handlers that verify their caller.

    Attributes:
        service_account_email (str): The account the token stands for.
        audience (str): Its audience; empty means the URL of the target.
    """

    service_account_email: str = proto.Field(proto.STRING, number=1)
    audience: str = proto.Field(proto.STRING, number=2)


class HttpTarget(proto.Message):
    """What a queue sets for all of its HTTP tasks, those already waiting included.

    Attributes:
        uri_override: Parts of the URL.
        http_method: The method in place of the task's; with GET the body is left out.
        header_overrides (Sequence[HttpTarget.HeaderOverride]): Headers that replace the task's
            of the same name, or join them.
        oauth_token: An access token in place of the task's (or ``oidc_token``).
        oidc_token: An ID token in place of the task's (or ``oauth_token``).
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
        """A header that the queue sets.

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
    """The HTTP request that delivers a task. Any 2xx answer completes the task.

    Attributes:
        url (str): Required; starts with ``http://`` or ``https://``, at most 2083 characters.
        http_method: The method, POST by default.
        headers (Mapping[str, str]): Headers to send. ``User-Agent``, ``Content-Length``, ``Host``
            and names starting with ``X-CloudTasks-``, ``X-Google-`` or ``X-AppEngine-``
            belong to the service.
        body (bytes): The body; for POST, PUT and PATCH only.
        oauth_token: An access token to send along (or ``oidc_token``).
        oidc_token: An ID token to send along (or ``oauth_token``).
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
    """Which part of an App Engine application receives a task.

    Attributes:
        service (str): The service; empty means the default one.
        version (str): The version; empty means the default one.
        instance (str): The instance; empty means any.
        host (str): Output only: the host that the three above lead to.
    """

    service: str = proto.Field(proto.STRING, number=1)
    version: str = proto.Field(proto.STRING, number=2)
    instance: str = proto.Field(proto.STRING, number=3)
    host: str = proto.Field(proto.STRING, number=4)


class AppEngineHttpRequest(proto.Message):
    """The request that delivers a task to an App Engine application.

    Attributes:
        http_method: The method, POST by default.
        app_engine_routing: Which service, version and instance.
        relative_uri (str): Path and query, starting with a slash; empty means ``/``.
        headers (Mapping[str, str]): Headers to send.
        body (bytes): The body; for POST and PUT only.
    """

    http_method: HttpMethod = proto.Field(proto.ENUM, number=1, enum=HttpMethod)
    app_engine_routing: AppEngineRouting = proto.Field(
        proto.MESSAGE, number=2, message=AppEngineRouting
    )
    relative_uri: str = proto.Field(proto.STRING, number=3)
    headers: dict[str, str] = proto.MapField(proto.STRING, proto.STRING, number=4)
    body: bytes = proto.Field(proto.BYTES, number=5)
