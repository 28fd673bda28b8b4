"""The delivery of a task: its HTTP request, and the outcome that the response means.

HTTP and App Engine targets get different headers, and their failures count differently. Each such
difference is a field of ``_DIALECTS`` (recorded dispatches of the real service).
"""

import base64
import dataclasses
import enum
import re
import urllib.parse
from collections.abc import Mapping, Sequence

from drayman.core import names
from drayman.core.back_pressure import Signal
from drayman.core.clock import SECOND, Micros
from drayman.core.status import Code, from_http
from drayman.core.task import Task

MAX_RESPONSE_SIZE = 64 * 1024
"""The most bytes that are read of a response's body."""
RECORDED_BODY_SIZE = 1024
"""The most bytes of a response's body that are recorded."""


class Kind(enum.Enum):
    """A kind of target."""

    HTTP = "http"
    APP_ENGINE = "app engine"


METHODS_WITH_BODY = {Kind.HTTP: ("POST", "PUT", "PATCH"), Kind.APP_ENGINE: ("POST", "PUT")}


@dataclasses.dataclass(frozen=True, slots=True)
class OidcToken:
    """A request for an OpenID Connect ID token.

    Attributes:
        email: The email address of the service account that the token identifies.
        audience: The token's audience; empty for the full URL of the target.
    """

    email: str
    audience: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class OAuthToken:
    """A request for an OAuth access token.

    Attributes:
        email: The email address of the service account that the token belongs to.
        scope: The scopes of the token, separated by spaces.
    """

    email: str
    scope: str = "https://www.googleapis.com/auth/cloud-platform"


Token = OidcToken | OAuthToken


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """The target of a task, as it was stored.

    Attributes:
        kind: The kind of target.
        method: The HTTP method.
        url: The full URL; for an App Engine target only the path and query.
        headers: The headers that the task's creator set.
        body: The body.
        deadline: The longest duration of an attempt.
        bases: The names under which the base URL of an App Engine service may be configured, the
            most specific first.
        token: The bearer token to send, None for none.
    """

    kind: Kind
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    deadline: Micros
    bases: Sequence[str] = ()
    token: Token | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request.

    Attributes:
        method: The HTTP method.
        url: The full URL.
        headers: All headers except Host and Content-Length.
        body: The body.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response.

    Attributes:
        status: The status code.
        headers: The headers in ``retry_hint.RETRY_HEADERS``, with names in lower case.
        body: The first ``RECORDED_BODY_SIZE`` bytes of its body.
    """

    status: int
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""


class Failure(enum.Enum):
    """Why an attempt has no response."""

    DEADLINE = "deadline"
    CONNECTION = "connection"
    PRECONDITION = "precondition"
    """The request was not sent, because of the configuration of this server."""


@dataclasses.dataclass(frozen=True, slots=True)
class NoResponse:
    """The result of an attempt without a response.

    Attributes:
        failure: The kind of failure.
        reason: A description of the failure.
    """

    failure: Failure
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        success: Whether the attempt succeeded.
        code: The code that ``last_attempt.response_status`` shows.
        message: The message that it shows.
        responded: Whether there was a response.
        executed: Whether ``execution_count`` grows: a response with a status below 500.
        previous_response: The value of the TaskPreviousResponse header of the next attempt.
        signal: What the response says about the load of the target.
    """

    success: bool
    code: Code
    message: str
    responded: bool
    executed: bool
    previous_response: int
    signal: Signal = Signal.NONE


@dataclasses.dataclass(frozen=True, slots=True)
class _Dialect:
    """What a kind of target differs in.

    Attributes:
        prefix: The prefix of the headers that describe the task.
        user_agent: The User-Agent header.
        retry_reason: The TaskRetryReason header after a response.
        retry_reason_without_response: The same after an attempt without a response.
        response_after_timeout: The TaskPreviousResponse header after a missed deadline.
        counts_server_errors: Whether TaskExecutionCount includes 5xx responses.
        pushback_statuses: The statuses that ask for a lower rate.
        errors_throttle: Whether a high error rate lowers the rate.
    """

    prefix: str
    user_agent: str
    retry_reason: str
    retry_reason_without_response: str
    response_after_timeout: int
    counts_server_errors: bool
    pushback_statuses: tuple[int, ...]
    errors_throttle: bool


_DIALECTS = {
    Kind.HTTP: _Dialect(
        prefix="X-CloudTasks-",
        user_agent="Google-Cloud-Tasks",
        retry_reason="",
        retry_reason_without_response="",
        response_after_timeout=504,
        counts_server_errors=False,
        pushback_statuses=(429, 503),
        errors_throttle=True,
    ),
    Kind.APP_ENGINE: _Dialect(
        prefix="X-AppEngine-",
        user_agent="AppEngine-Google; (+http://code.google.com/appengine)",
        retry_reason="App Error",
        retry_reason_without_response="Instance Unavailable",
        response_after_timeout=0,
        counts_server_errors=True,
        pushback_statuses=(503,),
        errors_throttle=False,
    ),
}

_USER_INFO = re.compile(r"([^:/?#]+://)([^:@/?#]*)(?::([^@/?#]*))?@")
_QUERY = re.compile(r"\?.+", re.DOTALL)
_MASKED_QUERY = "?***"
_AUTHORITY = re.compile(r"(?<=://)[^/?#]+")
# Host, Content-Length and User-Agent: API text. The others control the connection (RFC 9110).
_RESERVED = {
    "host", "content-length", "user-agent", "connection", "transfer-encoding", "expect",
    "keep-alive", "proxy-connection", "te", "trailer", "upgrade",
}  # fmt: skip
_RESERVED_PREFIXES = ("x-cloudtasks-", "x-appengine-", "x-google-")


def user_agent(kind: Kind) -> str:
    """Return the User-Agent header of requests to a kind of target."""
    return _DIALECTS[kind].user_agent


def request(
    target: Target, task: Task, app_engine: Mapping[str, str], *, http_tokens: bool = False
) -> Request | NoResponse:
    """Return the HTTP request of a task's current attempt, which ``dispatch_count`` includes.

    ``app_engine`` has the base URLs of App Engine services by name; the empty name is the default.
    Returns NoResponse if the task's service has no base URL, or if a token would go to an
    ``http://`` URL without ``http_tokens``. A user name and password in the URL become an
    Authorization header, unless there is such a header or a token.
    """
    url = target.url
    if target.token is not None and not http_tokens and not _is_https(target.url):
        return NoResponse(
            Failure.PRECONDITION,
            "a token is not sent to an http:// URL, which the queue's target has made of it; use "
            "https://, or start the server with --allow-http-tokens",
        )
    if target.kind is Kind.APP_ENGINE:
        base = next((app_engine[name] for name in target.bases if name in app_engine), None)
        if base is None:
            return NoResponse(
                Failure.PRECONDITION,
                f'no App Engine target is known for "{target.bases[0]}"; give one with '
                "--app-engine-target",
            )
        url = base.rstrip("/") + target.url
    url, credentials = _split_credentials(encode_url(url))
    fields = headers(target, task)
    authorized = target.token is not None or any(name.lower() == "authorization" for name in fields)
    if credentials and not authorized:
        fields["Authorization"] = f"Basic {base64.b64encode(credentials).decode()}"
    return Request(target.method, url, fields, target.body)


def address(method: str, url: str, *, mask_query: bool = False) -> str:
    """Return the method and URL of a request for logs and records.

    It has no user name and password, and with ``mask_query`` no query.
    """
    url, _ = _split_credentials(url)
    return f"{method} {_QUERY.sub(_MASKED_QUERY, url) if mask_query else url}"


def _split_credentials(url: str) -> tuple[str, bytes]:
    """Return a URL without user name and password, and ``user:password`` for HTTP Basic."""
    match = _USER_INFO.match(url)
    if match is None:
        return url, b""
    scheme, user, password = match.groups()
    credentials = f"{urllib.parse.unquote(user)}:{urllib.parse.unquote(password or '')}"
    return scheme + url[match.end() :], credentials.encode()


def _is_https(url: str) -> bool:
    return url[:8].lower() == "https://"


def with_bearer_token(request_: Request, token: str) -> Request:
    """Return a request with a bearer token, which replaces any Authorization header (API text)."""
    others = {
        name: value for name, value in request_.headers.items() if name.lower() != "authorization"
    }
    return dataclasses.replace(request_, headers=others | {"Authorization": f"Bearer {token}"})


def encode_url(url: str) -> str:
    """Percent-encode the characters of a URL that may not stand in one; escapes stay as they are.

    The real service encodes "some characters" and accepts ``%zz`` (recorded). A host name that is
    not ASCII is encoded for the DNS (IDNA). The fragment is removed: it is never sent, so a
    receiver could not check an audience that contains it.
    """
    url, _, _ = url.partition("#")
    if not url.isascii():
        url = _AUTHORITY.sub(_encode_idna, url, count=1)
    return urllib.parse.quote(url, safe="%:/?#[]@!$&'()*+,;=")


def _encode_idna(authority: re.Match[str]) -> str:
    try:
        return authority[0].encode("idna").decode()
    except UnicodeError:  # not a host name: the attempt will fail with an error
        return authority[0]


def headers(target: Target, task: Task) -> dict[str, str]:
    """Return the headers of an attempt: those of the target that are not reserved, and our own."""
    dialect = _DIALECTS[target.kind]
    prefix = dialect.prefix
    fields = {name: value for name, value in target.headers.items() if not _is_reserved(name)}
    queue_name, task_id = names.task("name", task.name)
    executions = task.response_count if dialect.counts_server_errors else task.execution_count
    fields["User-Agent"] = dialect.user_agent
    fields[prefix + "QueueName"] = names.short_id(queue_name)
    fields[prefix + "TaskName"] = task_id
    fields[prefix + "TaskRetryCount"] = str(task.dispatch_count - 1)
    fields[prefix + "TaskExecutionCount"] = str(executions)
    fields[prefix + "TaskETA"] = f"{task.schedule_time // SECOND}.{task.schedule_time % SECOND:06d}"
    if task.previous_response is not None:
        responded = task.previous_response != dialect.response_after_timeout
        fields[prefix + "TaskPreviousResponse"] = str(task.previous_response)
        fields[prefix + "TaskRetryReason"] = (
            dialect.retry_reason if responded else dialect.retry_reason_without_response
        )
    return fields


_CODE_OF_FAILURE = {
    Failure.DEADLINE: Code.DEADLINE_EXCEEDED,
    Failure.CONNECTION: Code.UNKNOWN,  # recorded: connection refused
    Failure.PRECONDITION: Code.FAILED_PRECONDITION,
}


def outcome(kind: Kind, result: Response | NoResponse) -> Outcome:
    """Return the outcome of an attempt: 2xx is success, everything else is failure."""
    if isinstance(result, Response):
        code = from_http(result.status)
        return Outcome(
            success=code is Code.OK,
            code=code,
            message=f"{code.name}({code.value}): HTTP status code {result.status}",
            responded=True,
            executed=result.status < 500,  # noqa: PLR2004 - the 5xx range is HTTP's own
            previous_response=result.status,
            signal=_signal(kind, result.status),
        )
    timed_out = result.failure is Failure.DEADLINE
    code = _CODE_OF_FAILURE[result.failure]
    return Outcome(
        success=False,
        code=code,
        message=f"{code.name}({code.value}): {result.reason}",
        responded=False,
        executed=False,
        previous_response=_DIALECTS[kind].response_after_timeout if timed_out else 0,
        signal=Signal.NONE if result.failure is Failure.PRECONDITION else _signal(kind, None),
    )


def _signal(kind: Kind, status: int | None) -> Signal:
    """Return the signal of a status, None for no response (API text on throttling)."""
    dialect = _DIALECTS[kind]
    if status in dialect.pushback_statuses:
        return Signal.PUSHBACK
    if status is None or status >= 500:  # noqa: PLR2004 - the 5xx range is HTTP's own
        return Signal.ERROR if dialect.errors_throttle else Signal.NONE
    return Signal.GOOD


def _is_reserved(header: str) -> bool:
    name = header.lower()
    return name in _RESERVED or name.startswith(_RESERVED_PREFIXES)
