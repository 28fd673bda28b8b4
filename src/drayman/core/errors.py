"""What a caller of the API is told when a call fails.

    ServiceError                  a call that ends in a status code and a sentence
    ├── InvalidArgument           the request can never work
    ├── NotFound                  what it names is not there
    ├── AlreadyExists             what it creates is there, or was recently
    ├── PermissionDenied          the caller may not
    ├── FailedPrecondition        not in the present state of things
    ├── Aborted                   someone else was faster: read again, then write
    ├── ResourceExhausted         no room: disk full, too many calls waiting
    ├── Unavailable               try again later: the store cannot be reached or written
    └── Unimplemented             a call this server does not have

The messages below are the real service's words where those are known (recorded responses).
"""

import dataclasses
from collections.abc import Mapping, Sequence

from drayman.core.status import Code


@dataclasses.dataclass(frozen=True, slots=True)
class Help:
    """Where to read more (google.rpc.Help, of one link)."""

    description: str
    url: str


@dataclasses.dataclass(frozen=True, slots=True)
class ErrorInfo:
    """The cause for programs (google.rpc.ErrorInfo)."""

    reason: str
    domain: str
    metadata: Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class LocalizedMessage:
    """The message for people (google.rpc.LocalizedMessage)."""

    locale: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True)
class BadRequest:
    """The fields that are wrong, each with what is wrong (google.rpc.BadRequest)."""

    violations: Sequence[tuple[str, str]]


Detail = Help | ErrorInfo | LocalizedMessage | BadRequest


MESSAGE_SIZE = 1_500
"""The most bytes of a message to a caller."""


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


class ServiceError(Exception):
    """A call that ends in a status code and a sentence for the caller, details if need be."""

    code = Code.UNKNOWN

    def __init__(self, message: str, *details: Detail) -> None:
        # What a caller sent may be repeated to it, but not without end: gRPC carries messages in
        # headers, and drops the whole answer when they grow past 8 KB.
        message = _cut(message, MESSAGE_SIZE)
        super().__init__(message)
        self.message = message
        self.details = details


class InvalidArgument(ServiceError):
    """The request can never work, whatever the state of things."""

    code = Code.INVALID_ARGUMENT


class NotFound(ServiceError):
    """What the request names is not there."""

    code = Code.NOT_FOUND


class AlreadyExists(ServiceError):
    """What the request creates is there, or was recently."""

    code = Code.ALREADY_EXISTS


class PermissionDenied(ServiceError):
    """The caller may not do what the request asks."""

    code = Code.PERMISSION_DENIED


class Aborted(ServiceError):
    """Someone else changed the same thing first; reading it again and repeating may work."""

    code = Code.ABORTED


class FailedPrecondition(ServiceError):
    """The request does not fit the present state of things."""

    code = Code.FAILED_PRECONDITION


class ResourceExhausted(ServiceError):
    """There is no room for what the request asks."""

    code = Code.RESOURCE_EXHAUSTED


class Unavailable(ServiceError):
    """The store cannot be reached or written at present; the same call may work later."""

    code = Code.UNAVAILABLE


class Unimplemented(ServiceError):
    """This server does not have the call."""

    code = Code.UNIMPLEMENTED


def field_error(field: str, text: str) -> InvalidArgument:
    """Return the error for a field that is wrong, which programs find in the details."""
    return InvalidArgument(text, BadRequest([(_cut(field, 200), _cut(text, 500))]))


def invalid_field(field: str, sentence: str) -> InvalidArgument:
    """Return the error for a field: its name and a sentence about it."""
    return field_error(field, f"{field} {sentence}")


def describe(error: Exception) -> str:
    """Return what a log says of an error: a fault of our own shows its type."""
    return error.message if isinstance(error, ServiceError) else f"internal error: {error!r}"


_REFERENCE = "https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues"
QUEUE_NAME_HELP = Help("Definition of queue name", f"{_REFERENCE}#Queue.FIELDS.name")
TASK_ID_HELP = Help("Definition of task ID", f"{_REFERENCE}.tasks#Task.FIELDS.name")


def no_project(project: str) -> PermissionDenied:
    """CreateQueue met a parent that is no location; the real service looks for its project."""
    message = f"Permission denied on resource project {project}."
    facts = {
        "consumer": f"projects/{project}",
        "containerInfo": project,
        "service": "cloudtasks.googleapis.com",
    }
    return PermissionDenied(
        message,
        ErrorInfo("CONSUMER_INVALID", "googleapis.com", facts),
        LocalizedMessage("en-US", message),
        Help("Google developers console", "https://console.developers.google.com"),
    )


def queue_exists() -> AlreadyExists:
    """CreateQueue met a queue of that name."""
    return AlreadyExists("Queue already exists")


def queue_existed() -> FailedPrecondition:
    """CreateQueue met the tombstone of a queue of that name."""
    return FailedPrecondition(
        "The queue cannot be created because a queue with this name existed too recently."
    )


def queue_missing() -> NotFound:
    """Any call but DeleteQueue named a queue that is not there."""
    return NotFound(
        "Queue does not exist. If you just created the queue, wait at least a minute for the "
        "queue to initialize."
    )


def entity_missing() -> NotFound:
    """DeleteQueue named no queue, or a task call a task that never existed."""
    return NotFound("Requested entity was not found.")


def request_id_taken() -> InvalidArgument:
    """A batch call repeats the request_id of another one (AIP-155)."""
    return field_error("request_id", "The request_id was used before, for another request.")


def task_exists() -> AlreadyExists:
    """CreateTask met a live task of that name."""
    return AlreadyExists("Requested entity already exists")


def task_existed() -> AlreadyExists:
    """CreateTask met the tombstone of a task of that name."""
    return AlreadyExists(
        "The task cannot be created because a task with this name existed too recently."
    )


def task_gone() -> NotFound:
    """A task call named a task that has completed, failed for good or been deleted recently."""
    return NotFound(
        "The task no longer exists, though a task with this name existed recently. "
        "The task either successfully completed or was deleted."
    )
