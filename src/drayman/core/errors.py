"""What a caller of the API is told when a call fails.

    ServiceError                  a call that ends in a status code and a sentence
    ├── InvalidArgument           the request can never work
    ├── NotFound                  what it names is not there
    ├── AlreadyExists             what it creates is there, or was recently
    ├── FailedPrecondition        not in the present state of things
    ├── ResourceExhausted         no room: disk full, too many calls waiting
    ├── Unavailable               try again later: the store cannot be reached or written
    └── Unimplemented             a call this server does not have

The messages below are the real service's words where those are known (recorded responses).
"""

from drayman.core.status import Code


class ServiceError(Exception):
    """A call that ends in a status code and a sentence for the caller."""

    code = Code.UNKNOWN

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidArgument(ServiceError):
    """The request can never work, whatever the state of things."""

    code = Code.INVALID_ARGUMENT


class NotFound(ServiceError):
    """What the request names is not there."""

    code = Code.NOT_FOUND


class AlreadyExists(ServiceError):
    """What the request creates is there, or was recently."""

    code = Code.ALREADY_EXISTS


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


def words(error: Exception) -> str:
    """Return what a log says of an error: a fault of our own shows its type."""
    return error.message if isinstance(error, ServiceError) else f"internal error: {error!r}"


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
