"""The delivery of a task: its HTTP request, and the outcome that the response means.

HTTP and App Engine targets get different headers, and their failures count differently. Each such
difference is a field of ``_DIALECTS`` (recorded dispatches of the real service).
"""

import base64
import dataclasses
import enum
import functools
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from drayman.core import names
from drayman.core.back_pressure import Signal
from drayman.core.clock import SECOND, Micros
from drayman.core.headers import DROPPED, DROPPED_PREFIXES
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

    __hash__ = object.__hash__  # that of Enum is written in Python; tables are read per attempt


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


DEFAULT_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
"""The scope of an OAuth token that names none."""


@dataclasses.dataclass(frozen=True, slots=True)
class OAuthToken:
    """A request for an OAuth access token.

    Attributes:
        email: The email address of the service account that the token belongs to.
        scope: The scopes of the token, separated by spaces.
    """

    email: str
    scope: str = DEFAULT_SCOPE


Token = OidcToken | OAuthToken


class Target(NamedTuple):
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


class Request(NamedTuple):
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


class Response(NamedTuple):
    """An HTTP response.

    Attributes:
        status: The status code.
        headers: Location and those in ``retry_hint.RETRY_HEADERS``, with names in lower case.
        body: The first ``RECORDED_BODY_SIZE`` bytes of its body.
    """

    status: int
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""


class Failure(enum.Enum):
    """Why an attempt has no response."""

    DEADLINE = "deadline"
    CONNECTION = "connection"
    REQUEST = "request"
    """The request cannot be sent as it is."""
    FORBIDDEN = "forbidden"
    """This server does not send there."""
    PRECONDITION = "precondition"
    """The request was not sent, because of the configuration of this server."""
    INTERNAL = "internal"
    """A fault of this server."""
    RESOURCES = "resources"
    """This server lacked files, memory, ports or threads. It says nothing about the target, and
    the attempt does not count."""


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
        responded: Whether ``response_count`` grows: a response with a status below 500.
        executed: Whether ``execution_count`` grows, which the TaskExecutionCount header shows.
        previous_response: The value of the TaskPreviousResponse header of the next attempt.
        signal: What the response says about the load of the target.
        cause: Why there is no response, "" if there is one.
    """

    success: bool
    code: Code
    message: str
    responded: bool
    executed: bool
    previous_response: int
    signal: Signal = Signal.NONE
    cause: str = ""

    @property
    def description(self) -> str:
        """Its message, with the cause that the message may leave out."""
        if not self.cause or self.cause in self.message:
            return self.message
        return f"{self.message} ({self.cause})"


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
        follows_redirects: Whether redirects are followed.
    """

    prefix: str
    user_agent: str
    retry_reason: str
    retry_reason_without_response: str
    response_after_timeout: int
    counts_server_errors: bool
    pushback_statuses: tuple[int, ...]
    errors_throttle: bool
    follows_redirects: bool


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
        follows_redirects=True,
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
        follows_redirects=False,
    ),
}

_USER_INFO = re.compile(r"([^:/?#]+://)([^:/?#]*)(?::([^/?#]*))?@")
_QUERY = re.compile(r"\?.+", re.DOTALL)
_MASKED_QUERY = "?***"
# The user info ends at the last "@", the host at the port.
_HOST = re.compile(r"(?<=://)((?:[^/?#]*@)?)([^/?#@]*?)(?=(?::[0-9]*)?(?:[/?#]|\Z))")
_ENCODED_HOST = re.compile(r"[\w.-]+", re.ASCII)
_TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
# Recorded: headers of the request. "expect" is ours: no target is asked before the body is sent.
_RESERVED = DROPPED | {"expect"}
_RESERVED_PREFIXES = ("x-cloudtasks-", *DROPPED_PREFIXES)
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]")


def user_agent(kind: Kind) -> str:
    """Return the User-Agent header of requests to a kind of target."""
    return _DIALECTS[kind].user_agent


def request(
    target: Target, task: Task, app_engine: Mapping[str, str], *, http_tokens: bool = False
) -> Request | NoResponse:
    """Return the HTTP request of a task's current attempt, which ``dispatch_count`` includes.

    ``app_engine`` has the base URLs of App Engine services by name; the empty name is the default.
    Returns NoResponse if the method of the queue allows no body but there is one, if the task's
    service has no base URL, or if a token would go to an ``http://`` URL without ``http_tokens``.
    A user name and password in the URL become an
    Authorization header, unless there is such a header or a token.
    """
    url = target.url
    if target.body and target.method not in METHODS_WITH_BODY[target.kind]:
        # Recorded: a queue's http_target at dispatch.
        return NoResponse(
            Failure.REQUEST,
            f"a body cannot be sent with {target.method}, which the queue's target has set",
        )
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
    url, credentials = _sendable(url)
    fields = headers(target, task)
    if credentials and target.token is None and "authorization" not in map(str.lower, fields):
        fields["Authorization"] = f"Basic {base64.b64encode(credentials).decode()}"
    return Request(target.method, url, fields, target.body)


@functools.lru_cache(maxsize=1024)
def _sendable(url: str) -> tuple[str, bytes]:
    """Return a URL as it is sent, and ``user:password`` for HTTP Basic."""
    return _split_credentials(encode_url(url))


@functools.lru_cache(maxsize=1024)
def address(method: str, url: str, *, mask_query: bool = False) -> str:
    """Return the method and URL of a request for logs and records.

    It has no user name and password, and with ``mask_query`` no query.
    """
    url = without_credentials(url)
    return f"{method} {_QUERY.sub(_MASKED_QUERY, url) if mask_query else url}"


def without_credentials(url: str) -> str:
    """Return a URL without user name and password."""
    return _split_credentials(url)[0]


def follows_redirects(kind: Kind) -> bool:
    """Return whether redirects of a kind of target are followed (recorded dispatches)."""
    return _DIALECTS[kind].follows_redirects


def default_audience(url: str) -> str:
    """Return the audience of a task's ID token that names none: the URL of the task.

    Without its fragment, which is not sent, and without user name and password.
    """
    return _split_credentials(url.partition("#")[0])[0]


def _split_credentials(url: str) -> tuple[str, bytes]:
    """Return a URL without user name and password, and ``user:password`` for HTTP Basic."""
    match = _USER_INFO.match(url)
    if match is None:
        return url, b""
    scheme, user, password = match.groups()
    unquote = urllib.parse.unquote_to_bytes
    return scheme + url[match.end() :], unquote(user) + b":" + unquote(password or "")


def _is_https(url: str) -> bool:
    return url[:8].lower() == "https://"


def with_bearer_token(request_: Request, token: str) -> Request:
    """Return a request with a bearer token, which replaces any Authorization header (API text)."""
    others = {
        name: value for name, value in request_.headers.items() if name.lower() != "authorization"
    }
    return request_._replace(headers=others | {"Authorization": f"Bearer {token}"})


def encode_url(url: str) -> str:
    """Percent-encode the characters of a URL that may not stand in one; escapes stay as they are.

    The real service encodes "some characters" and accepts ``%zz`` (recorded). A host name that is
    not ASCII is encoded for the DNS (IDNA). One that has no such form is percent-encoded, which no
    request can be sent to. The fragment is removed: it is never sent, so a receiver could not
    check an audience that contains it.
    """
    url, _, _ = url.partition("#")
    if not url.isascii():
        url = _HOST.sub(_encode_host, url, count=1)
    return urllib.parse.quote(url, safe="%:/?#[]@!$&'()*+,;=")


def _encode_host(match: re.Match[str]) -> str:
    """Return user info and host, the host encoded for the DNS if it has such a form.

    The compatibility forms of Unicode (NFKC), which IDNA applies, contain delimiters: the name
    "a.com\uff0f.b.com" would become "a.com/.b.com", another host.
    """
    user_info, host = match.groups()
    if host.isascii():
        return match[0]
    try:
        encoded = host.encode("idna").decode()
    except UnicodeError:
        return match[0]
    return user_info + encoded if _ENCODED_HOST.fullmatch(encoded) else match[0]


def headers(target: Target, task: Task) -> dict[str, str]:
    """Return the headers of an attempt: those of the target that may be sent, and our own."""
    dialect = _DIALECTS[target.kind]
    fields = {name: value for name, value in target.headers.items() if _is_sent(name)}
    queue_name, _, task_id = task.name.rpartition("/tasks/")
    queue, name, retry_count, execution_count, due = _names_of_headers(dialect.prefix)
    fields["User-Agent"] = dialect.user_agent
    fields[queue] = names.short_id(queue_name)
    fields[name] = task_id
    fields[retry_count] = str(task.dispatch_count - 1)
    fields[execution_count] = str(task.execution_count)
    fields[due] = eta(task.schedule_time)
    if task.previous_response is not None:
        prefix = dialect.prefix
        responded = task.previous_response != dialect.response_after_timeout
        fields[prefix + "TaskPreviousResponse"] = str(task.previous_response)
        fields[prefix + "TaskRetryReason"] = (
            dialect.retry_reason if responded else dialect.retry_reason_without_response
        )
    return fields


@functools.cache
def _names_of_headers(prefix: str) -> tuple[str, ...]:
    """Return the names of the headers that describe every attempt."""
    suffixes = ("QueueName", "TaskName", "TaskRetryCount", "TaskExecutionCount", "TaskETA")
    return tuple(prefix + suffix for suffix in suffixes)


def eta(time: Micros) -> str:
    """Return a time in seconds since 1970, with up to six decimals (recorded: headers)."""
    seconds, micros = divmod(time, SECOND)
    return f"{seconds}.{micros:06d}".rstrip("0").rstrip(".")


_FAILURES = {
    Failure.DEADLINE: (Code.DEADLINE_EXCEEDED, "HTTP status code 504"),
    Failure.CONNECTION: (Code.UNKNOWN, "HTTP status code 0"),
    Failure.REQUEST: (Code.UNKNOWN, "HTTP status code 0"),
    Failure.FORBIDDEN: (Code.PERMISSION_DENIED, "the server does not send to this target"),
    Failure.PRECONDITION: (Code.FAILED_PRECONDITION, "{reason}"),
    Failure.INTERNAL: (Code.INTERNAL, "{reason}"),
    Failure.RESOURCES: (Code.UNAVAILABLE, "{reason}"),
}
"""The code and message of an attempt without a response (recorded: response status of the last
attempt; those from ``FORBIDDEN`` on are ours)."""
_FAILURES_OF_TARGETS = frozenset({Failure.DEADLINE, Failure.CONNECTION})


def outcome(kind: Kind, result: Response | NoResponse) -> Outcome:
    """Return the outcome of an attempt: 2xx is success, everything else is failure."""
    if isinstance(result, Response):
        return _outcome_of(kind, result.status)
    timed_out = result.failure is Failure.DEADLINE
    code, text = _FAILURES[result.failure]
    return Outcome(
        success=False,
        code=code,
        message=_message(code, text.format(reason=result.reason)),
        responded=False,
        executed=False,
        previous_response=_DIALECTS[kind].response_after_timeout if timed_out else 0,
        signal=_signal(kind, None) if result.failure in _FAILURES_OF_TARGETS else Signal.NONE,
        cause=result.reason,
    )


@functools.lru_cache(maxsize=1024)
def _outcome_of(kind: Kind, status: int) -> Outcome:
    code, server_error = from_http(status), _is_server_error(status)
    return Outcome(
        success=code is Code.OK,
        code=code,
        message=_message(code, f"HTTP status code {status}"),
        responded=not server_error,
        executed=not server_error or _DIALECTS[kind].counts_server_errors,
        previous_response=status,
        signal=_signal(kind, status),
    )


def _message(code: Code, text: str) -> str:
    return f"{code.name}({code.value}): {text}"


def _is_server_error(status: int) -> bool:
    return status >= 500  # noqa: PLR2004 - the 5xx range is HTTP's own


def _signal(kind: Kind, status: int | None) -> Signal:
    """Return the signal of a status, None for no response (API text on throttling)."""
    dialect = _DIALECTS[kind]
    if status in dialect.pushback_statuses:
        return Signal.PUSHBACK
    if status is None or _is_server_error(status):
        return Signal.ERROR if dialect.errors_throttle else Signal.NONE
    return Signal.GOOD


@functools.lru_cache(maxsize=1024)
@functools.lru_cache(maxsize=1024)
def _is_sent(header: str) -> bool:
    """Return whether a header of a target is sent: neither reserved nor unknown to HTTP.

    A handler behind CGI or WSGI cannot tell ``X_CloudTasks_TaskName`` from
    ``X-CloudTasks-TaskName`` (RFC 3875, section 4.1.18), so all other characters count as hyphens.
    """
    name = _NOT_ALPHANUMERIC.sub("-", header.lower())
    reserved = name in _RESERVED or name.startswith(_RESERVED_PREFIXES)
    return not reserved and _TOKEN.fullmatch(header) is not None
