"""The delivery of a task: from what was stored to an HTTP request, from its answer to an outcome.

The two kinds of target differ in their headers, in what they count and in what they are told
of a failure; every such difference is a row of ``_WORDS`` (recorded dispatches of the real
service).
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
from drayman.core.status import Code, of_answer
from drayman.core.task import Task

ANSWER_SIZE = 64 * 1024
"""So much of an answer is read; the rest is left where it is."""
KEPT_SIZE = 1024
"""So much of an answer is kept for the record."""


class Kind(enum.Enum):
    """What receives a task."""

    HTTP = "http"
    APP_ENGINE = "app engine"


METHODS_WITH_BODY = {Kind.HTTP: ("POST", "PUT", "PATCH"), Kind.APP_ENGINE: ("POST", "PUT")}


@dataclasses.dataclass(frozen=True, slots=True)
class OidcToken:
    """An identity token that says who sends.

    Attributes:
        email: The service account.
        audience: Whom it is for; empty is the target's full URL.
    """

    email: str
    audience: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class OAuthToken:
    """An access token.

    Attributes:
        email: The service account.
        scope: What it gives access to.
    """

    email: str
    scope: str = "https://www.googleapis.com/auth/cloud-platform"


Token = OidcToken | OAuthToken


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """Where and how a task is delivered, as it was stored.

    Attributes:
        kind: What receives it.
        method: The HTTP method's name.
        url: The whole URL; of an App Engine target the path and query alone.
        headers: The headers its creator gave.
        body: The body.
        deadline: How long an attempt may take.
        bases: Names under which the place of an App Engine target may be configured, the most
            exact first.
        token: The token that its requests carry.
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
    """An HTTP request, ready to be sent.

    Attributes:
        method: The HTTP method's name.
        url: The whole URL.
        headers: All headers but Host and Content-Length.
        body: The body.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Response:
    """What a target answered.

    Attributes:
        status: The HTTP status.
        headers: Those of its headers that matter, their names in lower case.
        body: The beginning of its body.
    """

    status: int
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""


class Failure(enum.Enum):
    """Why there was no answer."""

    DEADLINE = "deadline"
    CONNECTION = "connection"
    PRECONDITION = "precondition"
    """The request was not sent at all, for a reason that lies with this server."""


@dataclasses.dataclass(frozen=True, slots=True)
class NoResponse:
    """An attempt that brought no answer.

    Attributes:
        failure: Which kind of failure.
        reason: What happened, in words.
    """

    failure: Failure
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        success: Whether the task is done.
        code: The status of the attempt's record.
        message: The same in words.
        responded: Whether there was an answer at all.
        executed: Whether the answer was not 5xx.
        previous_response: What the next attempt will tell the target of this one.
        signal: What it says of the target.
    """

    success: bool
    code: Code
    message: str
    responded: bool
    executed: bool
    previous_response: int
    signal: Signal = Signal.NONE


@dataclasses.dataclass(frozen=True, slots=True)
class _Words:
    prefix: str
    user_agent: str
    reason_after_answer: str
    reason_after_silence: str
    response_after_timeout: int
    counts_server_errors: bool
    pushing_back: tuple[int, ...]
    errors_throttle: bool


_WORDS = {
    Kind.HTTP: _Words(
        prefix="X-CloudTasks-",
        user_agent="Google-Cloud-Tasks",
        reason_after_answer="",
        reason_after_silence="",
        response_after_timeout=504,
        counts_server_errors=False,
        pushing_back=(429, 503),
        errors_throttle=True,
    ),
    Kind.APP_ENGINE: _Words(
        prefix="X-AppEngine-",
        user_agent="AppEngine-Google; (+http://code.google.com/appengine)",
        reason_after_answer="App Error",
        reason_after_silence="Instance Unavailable",
        response_after_timeout=0,
        counts_server_errors=True,
        pushing_back=(503,),
        errors_throttle=False,
    ),
}

_USER = re.compile(r"([^:/?#]+://)([^:@/?#]*)(?::([^@/?#]*))?@")
_AUTHORITY = re.compile(r"(?<=://)[^/?#]+")
# Google names Host, Content-Length and User-Agent; the rest belongs to the connection (RFC 9110).
_RESERVED = {
    "host", "content-length", "user-agent", "connection", "transfer-encoding", "expect",
    "keep-alive", "proxy-connection", "te", "trailer", "upgrade",
}  # fmt: skip
_RESERVED_PREFIXES = ("x-cloudtasks-", "x-appengine-", "x-google-")


def user_agent(kind: Kind) -> str:
    """Return the User-Agent that deliveries of a kind carry."""
    return _WORDS[kind].user_agent


def request(
    target: Target, task: Task, app_engine: Mapping[str, str], *, http_tokens: bool = False
) -> Request | NoResponse:
    """Return the request of an attempt whose dispatch is counted in ``task`` already.

    ``app_engine`` says where App Engine services live: a base URL by name, for all others under
    the empty name. Without one for the task's service there is nothing to send; nor is a token to
    an ``http://`` URL unless ``http_tokens`` allows it. A user and password in the URL become an
    Authorization header where there is neither one nor a token.
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
    url, user = _split_user(encoded(url))
    built = headers(target, task)
    if user and target.token is None and not any(key.lower() == "authorization" for key in built):
        built["Authorization"] = f"Basic {base64.b64encode(user).decode()}"
    return Request(target.method, url, built, target.body)


def address(target: Target) -> str:
    """Return the method and the URL of a target for people to read, no password in it."""
    url, _ = _split_user(target.url)
    return f"{target.method} {url}"


def _split_user(url: str) -> tuple[str, bytes]:
    """Return a URL without the user and password in it, and these as Basic has them."""
    match = _USER.match(url)
    if match is None:
        return url, b""
    scheme, user, password = match.groups()
    words = f"{urllib.parse.unquote(user)}:{urllib.parse.unquote(password or '')}"
    return scheme + url[match.end() :], words.encode()


def _is_https(url: str) -> bool:
    return url[:8].lower() == "https://"


def authorized(sent: Request, bearer: str) -> Request:
    """Return a request with a token in the place of any Authorization header (API text)."""
    kept = {name: value for name, value in sent.headers.items() if name.lower() != "authorization"}
    return dataclasses.replace(sent, headers=kept | {"Authorization": f"Bearer {bearer}"})


def encoded(url: str) -> str:
    """Return a URL with what may not stand in one percent-encoded; escapes stay, broken ones too.

    The real service encodes "some characters" and accepts ``%zz`` (recorded). A host name in
    another alphabet becomes the name that the DNS knows it by. The fragment stays here: it is
    never sent, so nobody at the other end could tell an audience that has it.
    """
    url, _, _ = url.partition("#")
    if not url.isascii():
        url = _AUTHORITY.sub(_in_dns, url, count=1)
    return urllib.parse.quote(url, safe="%:/?#[]@!$&'()*+,;=")


def _in_dns(authority: re.Match[str]) -> str:
    try:
        return authority[0].encode("idna").decode()
    except UnicodeError:  # no host name at all: the attempt will say so
        return authority[0]


def headers(target: Target, task: Task) -> dict[str, str]:
    """Return the headers of an attempt: the creator's, less the reserved ones, and ours."""
    words = _WORDS[target.kind]
    prefix = words.prefix
    built = {key: value for key, value in target.headers.items() if not _is_reserved(key)}
    queue_name, task_id = names.task("name", task.name)
    counted = task.response_count if words.counts_server_errors else task.execution_count
    built["User-Agent"] = words.user_agent
    built[prefix + "QueueName"] = names.short_id(queue_name)
    built[prefix + "TaskName"] = task_id
    built[prefix + "TaskRetryCount"] = str(task.dispatch_count - 1)
    built[prefix + "TaskExecutionCount"] = str(counted)
    built[prefix + "TaskETA"] = f"{task.schedule_time // SECOND}.{task.schedule_time % SECOND:06d}"
    if task.previous_response is not None:
        answered = task.previous_response != words.response_after_timeout
        built[prefix + "TaskPreviousResponse"] = str(task.previous_response)
        built[prefix + "TaskRetryReason"] = (
            words.reason_after_answer if answered else words.reason_after_silence
        )
    return built


_CODE_OF_FAILURE = {
    Failure.DEADLINE: Code.DEADLINE_EXCEEDED,
    Failure.CONNECTION: Code.UNKNOWN,  # recorded: connection refused
    Failure.PRECONDITION: Code.FAILED_PRECONDITION,
}


def judge(kind: Kind, result: Response | NoResponse) -> Outcome:
    """Return how an attempt ended: any 2xx is success, all else is failure."""
    if isinstance(result, Response):
        code = of_answer(result.status)
        return Outcome(
            success=code is Code.OK,
            code=code,
            message=f"{code.name}({code.value}): HTTP status code {result.status}",
            responded=True,
            executed=result.status < 500,  # noqa: PLR2004 - the 5xx range is HTTP's own
            previous_response=result.status,
            signal=_signal(kind, result.status),
        )
    late = result.failure is Failure.DEADLINE
    code = _CODE_OF_FAILURE[result.failure]
    return Outcome(
        success=False,
        code=code,
        message=f"{code.name}({code.value}): {result.reason}",
        responded=False,
        executed=False,
        previous_response=_WORDS[kind].response_after_timeout if late else 0,
        signal=Signal.NONE if result.failure is Failure.PRECONDITION else _signal(kind, None),
    )


def _signal(kind: Kind, status: int | None) -> Signal:
    """Return what a status, None for no answer, says of a target (API text, throttling)."""
    words = _WORDS[kind]
    if status in words.pushing_back:
        return Signal.PUSHBACK
    if status is None or status >= 500:  # noqa: PLR2004 - the 5xx range is HTTP's own
        return Signal.ERROR if words.errors_throttle else Signal.NONE
    return Signal.GOOD


def _is_reserved(header: str) -> bool:
    name = header.lower()
    return name in _RESERVED or name.startswith(_RESERVED_PREFIXES)
