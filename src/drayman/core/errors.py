"""The errors of the API.

    ServiceError                  an error with a status code and a message for the caller
    ├── InvalidArgument           the request is invalid in any state of the server
    ├── NotFound                  the resource does not exist
    ├── AlreadyExists             the resource exists, or existed until recently
    ├── Unauthenticated           the caller is not known: no credentials, or wrong ones
    ├── PermissionDenied          the caller lacks a permission
    ├── FailedPrecondition        the state of the resource does not allow the call
    ├── Aborted                   a concurrent change won: read again, then retry
    ├── ResourceExhausted         the disk is full, or too many calls are waiting
    ├── Unavailable               the store cannot be read or written: retry later
    └── Unimplemented             this server does not implement the call

Where the message of the real service is known, it is used unchanged (recorded responses).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from drayman.core.clock import SECOND, Micros
from drayman.core.status import Code


@dataclasses.dataclass(frozen=True, slots=True)
class Help:
    """A link to the documentation (google.rpc.Help)."""

    description: str
    url: str


@dataclasses.dataclass(frozen=True, slots=True)
class ErrorInfo:
    """The cause in a form for programs (google.rpc.ErrorInfo)."""

    reason: str
    domain: str
    metadata: Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class LocalizedMessage:
    """The message in a language (google.rpc.LocalizedMessage)."""

    locale: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True)
class BadRequest:
    """The invalid fields, each with a description (google.rpc.BadRequest)."""

    violations: Sequence[tuple[str, str]]


@dataclasses.dataclass(frozen=True, slots=True)
class RetryInfo:
    """How long the caller should wait before it retries (google.rpc.RetryInfo)."""

    delay: Micros


Detail = Help | ErrorInfo | LocalizedMessage | BadRequest | RetryInfo
RETRY_DELAY: Micros = 1 * SECOND
"""The delay that callers are asked for while the store cannot be used."""


MESSAGE_SIZE = 1_500
"""The most bytes of a message; a longer one is cut."""


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


class ServiceError(Exception):
    """An error with a status code, a message for the caller, and details."""

    code = Code.UNKNOWN

    def __init__(self, message: str, *details: Detail) -> None:
        # A message may quote the request, which may be long. gRPC sends messages in headers, and
        # drops the response if these exceed 8 KB.
        message = _cut(message, MESSAGE_SIZE)
        super().__init__(message)
        self.message = message
        self.details = details


class InvalidArgument(ServiceError):
    """The request is invalid, whatever the state of the server."""

    code = Code.INVALID_ARGUMENT


class NotFound(ServiceError):
    """The resource that the request names does not exist."""

    code = Code.NOT_FOUND


class AlreadyExists(ServiceError):
    """The resource to create exists, or existed until recently."""

    code = Code.ALREADY_EXISTS


class Unauthenticated(ServiceError):
    """The caller is not known: the request has no credentials, or credentials that do not hold.

    Attributes:
        reason: What is wrong with the credentials, for the log alone.
    """

    code = Code.UNAUTHENTICATED
    reason = ""


class PermissionDenied(ServiceError):
    """The caller lacks the permission for the call."""

    code = Code.PERMISSION_DENIED


class Aborted(ServiceError):
    """A concurrent change won; the caller may read again and retry."""

    code = Code.ABORTED


class FailedPrecondition(ServiceError):
    """The state of the resource does not allow the call."""

    code = Code.FAILED_PRECONDITION


class ResourceExhausted(ServiceError):
    """A resource of the server, such as the disk, is used up."""

    code = Code.RESOURCE_EXHAUSTED


class Unavailable(ServiceError):
    """The store cannot be read or written at present; the caller may retry after a delay."""

    code = Code.UNAVAILABLE

    def __init__(self, message: str, *details: Detail) -> None:
        super().__init__(message, *(details or (RetryInfo(RETRY_DELAY),)))


class Unimplemented(ServiceError):
    """This server does not implement the call."""

    code = Code.UNIMPLEMENTED


_CLASSES = {
    each.code: each
    for each in (
        InvalidArgument, NotFound, AlreadyExists, Unauthenticated, PermissionDenied, Aborted,
        FailedPrecondition, ResourceExhausted, Unavailable, Unimplemented,
    )
}  # fmt: skip
_DETAILS = {
    each.__name__: each for each in (Help, ErrorInfo, LocalizedMessage, BadRequest, RetryInfo)
}


def encode(error: ServiceError) -> dict[str, Any]:
    """Encode an error as a JSON value."""
    details = [[type(each).__name__, dataclasses.asdict(each)] for each in error.details]
    return {"code": int(error.code), "message": error.message, "details": details}


def decode(value: Mapping[str, Any]) -> ServiceError:
    """Decode the JSON value of an error."""
    details = [_DETAILS[name](**fields) for name, fields in value["details"]]
    return _CLASSES[Code(value["code"])](value["message"], *details)


def invalid_field(field: str, sentence: str) -> InvalidArgument:
    """Return the error for an invalid field, with the message ``<field> <sentence>``."""
    return InvalidArgument(f"{field} {sentence}")


def describe(error: Exception) -> str:
    """Return a description of an error for logs; a bug of this program shows its type."""
    if isinstance(error, Unauthenticated) and error.reason:
        return f"{error.message} ({error.reason})"
    return error.message if isinstance(error, ServiceError) else f"internal error: {error!r}"


SERVICE = "cloudtasks.googleapis.com"
"""The name of the service in the details of errors."""
_REFERENCE = "https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues"
_QUEUE_FIELD = f"{_REFERENCE}#Queue.FIELDS.name"
_TASK_FIELD = f"{_REFERENCE}.tasks#Task.FIELDS.name"
LOCATION_FORM = "projects/<PROJECT_ID>/locations/<LOCATION_ID>"
QUEUE_FORM = f"{LOCATION_FORM}/queues/<QUEUE_ID>"
SERVICE = "cloudtasks.googleapis.com"


def invalid_argument() -> InvalidArgument:
    """Return the error that names no field, which the service has for some rules."""
    return InvalidArgument("Request contains an invalid argument.")


def empty_resource(method: str) -> InvalidArgument:
    """Return the error of a call (by its full name) whose resource field is empty."""
    metadata = {"method": method, "service": SERVICE}
    return InvalidArgument(
        "Invalid resource field value in the request.",
        ErrorInfo("RESOURCE_PROJECT_INVALID", "googleapis.com", metadata),
    )


def no_project(text: str) -> PermissionDenied:
    """Return the error for a resource name that does not lie in a project."""
    text = _cut(text, 500)  # it occurs four times
    message = f"Permission denied on resource project {text}."
    metadata = {"consumer": f"projects/{text}", "containerInfo": text, "service": SERVICE}
    return PermissionDenied(
        message,
        ErrorInfo("CONSUMER_INVALID", "googleapis.com", metadata),
        LocalizedMessage("en-US", message),
        Help("Google developers console", "https://console.developers.google.com"),
    )


def no_permission(permission: str, name: str) -> PermissionDenied:
    """Return the error for a permission that a caller lacks on a resource.

    It is also that of a resource name that is not of the form that its call has (recorded).
    """
    return PermissionDenied(
        f'The principal (user or service account) lacks IAM permission "{permission}" for the '
        f'resource "{_cut(name, 1_000)}" (or the resource may not exist).'
    )


def no_location(location_id: str) -> InvalidArgument:
    """Return the error for a location that the server does not have."""
    return InvalidArgument(
        f"Location '{_cut(location_id, 1_000)}' is not a valid location. "
        "Use ListLocations to list valid locations."
    )


def queue_name() -> InvalidArgument:
    """Return the error for a text that is not the name of a queue."""
    return InvalidArgument(
        f'Queue name must be formatted: "{QUEUE_FORM}".',
        Help("Definition of queue name", _QUEUE_FIELD),
    )


def queue_id(text: str) -> InvalidArgument:
    """Return the error for an invalid queue id."""
    return InvalidArgument(
        f'Queue ID "{_cut(text, 1_000)}" can contain only letters ([A-Za-z]), numbers ([0-9]), '
        "or hyphens (-). Queue ID must be between 1 and 100 characters.",
        Help("Definition of queue ID", _QUEUE_FIELD),
    )


def task_name() -> InvalidArgument:
    """Return the error for a text that is not the name of a task."""
    return InvalidArgument(
        f'Task name must be formatted: "{QUEUE_FORM}/tasks/<TASK_ID>".',
        Help("Definition of task name", _TASK_FIELD),
    )


def task_id(text: str) -> InvalidArgument:
    """Return the error for an invalid task id (sic: the message lacks a "be")."""
    return InvalidArgument(
        f'Task ID "{_cut(text, 1_000)}" can contain only letters ([A-Za-z]), numbers ([0-9]), '
        "hyphens (-), or underscores (_). Task ID must between 1 and 500 characters.",
        Help("Definition of task ID", _TASK_FIELD),
    )


def cmek_config_name() -> InvalidArgument:
    """Return the error for a text that is not the name of a CMEK configuration."""
    return InvalidArgument(f'CMEK Config name must be formatted: "{LOCATION_FORM}/cmekConfig".')


def cmek_precondition() -> FailedPrecondition:
    """Return the error of a location in which encryption cannot begin."""
    return FailedPrecondition(
        "CMEK cannot be enabled on any project that has one or more queues with HTTP Target "
        "Override headers or tasks ttl of more than 60 days.",
        ErrorInfo("UNSATISFIED_PRECONDITION_FOR_CMEK", SERVICE, {}),
    )


def unknown_pattern(name: str) -> InvalidArgument:
    """Return the error for a text that is not the name of a KMS key."""
    return InvalidArgument(
        f"Resource name [{_cut(name, 1_000)}] does not match any known resource name pattern."
    )


def queue_exists() -> AlreadyExists:
    """Return the error of CreateQueue for the name of a queue."""
    return AlreadyExists("Queue already exists")


def queue_existed() -> FailedPrecondition:
    """Return the error of CreateQueue for the name of a queue that was deleted recently."""
    return FailedPrecondition(
        "The queue cannot be created because a queue with this name existed too recently."
    )


def queue_missing() -> NotFound:
    """Return the error for a queue that does not exist.

    Of calls on queues, CreateTask and ListTasks; other calls return ``entity_missing``.
    """
    return NotFound(
        "Queue does not exist. If you just created the queue, wait at least a minute for the "
        "queue to initialize."
    )


def entity_missing() -> NotFound:
    """Return the error of DeleteQueue for an absent queue.

    Also the error of calls on tasks for a task that never existed.
    """
    return NotFound("Requested entity was not found.")


def operation_exists(request_id: str) -> InvalidArgument:
    """Return the error of a batch whose request_id an earlier batch has used."""
    return InvalidArgument(f"Duplicate operation id in the batch request: {request_id}")


def task_exists() -> AlreadyExists:
    """Return the error of CreateTask for the name of a task."""
    return AlreadyExists("Requested entity already exists")


def task_existed() -> AlreadyExists:
    """Return the error of CreateTask for the name of a task that is recently gone."""
    return AlreadyExists(
        "The task cannot be created because a task with this name existed too recently. "
        "For more information about task de-duplication see "
        f"{_REFERENCE}.tasks/create#body.request_body.FIELDS.task."
    )


def task_gone() -> NotFound:
    """Return the error of a call for a task that recently completed, failed or was deleted."""
    return NotFound(
        "The task no longer exists, though a task with this name existed recently. "
        "The task either successfully completed or was deleted."
    )
