"""The events of a server: plain values that logs, the activity log and tests subscribe to.

``api`` and ``dispatch`` call ``emit(event)`` after each transition and write no log lines
themselves. A subscriber is a function that takes an event and returns at once. Creations and
deletions of tasks are one event per call of the API, however many tasks the call names.
"""

import dataclasses
import enum
from collections.abc import Callable, Sequence
from typing import NamedTuple

from drayman.core.clock import Micros
from drayman.core.delivery import Kind
from drayman.core.errors import ServiceError
from drayman.core.lifecycle import AttemptResult, Claim, SettleResult
from drayman.core.status import Code
from drayman.core.task import Task


class QueueAction(enum.Enum):
    """What a successful call did with a queue; the values appear in log lines."""

    CREATED = "created"
    """By CreateQueue, or by UpdateQueue if there was none."""
    UPDATED = "updated"
    PURGED = "purged"
    PAUSED = "paused"
    RESUMED = "resumed"
    DELETED = "deleted"
    POLICY_CHANGED = "access policy changed"


@dataclasses.dataclass(frozen=True, slots=True)
class QueueChanged:
    """A call of the API changed a queue.

    Attributes:
        queue: The queue's name.
        action: What the call did.
        time: The time of the call.
        by: Who made the call: the caller's members, without authentication the client's address.
    """

    queue: str
    action: QueueAction
    time: Micros
    by: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class CmekChanged:
    """UpdateCmekConfig set the key that encrypts new tasks of a location.

    Attributes:
        location: The location's name.
        kms_key: The name of the key; "" ends encryption.
        time: The time of the call.
        by: Who made the call (``QueueChanged``).
    """

    location: str
    kms_key: str
    time: Micros
    by: str


class DeadLetterAction(enum.Enum):
    """What a successful call did with dead letters; the values appear in log lines."""

    REPLAYED = "replayed"
    DELETED = "deleted"


@dataclasses.dataclass(frozen=True, slots=True)
class DeadLettersChanged:
    """A call replayed or deleted dead letters of a queue.

    Attributes:
        queue: The queue's name.
        action: What the call did.
        count: With how many letters it succeeded.
        time: The time of the call.
        by: Who made the call (``QueueChanged``).
    """

    queue: str
    action: DeadLetterAction
    count: int
    time: Micros
    by: str


class TasksCreated(NamedTuple):
    """A call asked the store to create tasks of one queue.

    The call is CreateTask, BatchCreateTasks, BufferTask or a replay of dead letters, or entries of
    the outbox are drained. A task that fails validation never reaches the store and is not part of
    the event.

    Attributes:
        queue: The queue's name.
        names: The names that the caller chose, in the order of the request; "" for a generated
            name.
        results: For each name, the task as stored or the error.
        time: The create time of the tasks.
    """

    queue: str
    names: Sequence[str]
    results: Sequence[Task | ServiceError]
    time: Micros


@dataclasses.dataclass(frozen=True, slots=True)
class TasksDeleted:
    """A call asked the store to delete tasks of one queue: DeleteTask or BatchDeleteTasks.

    Or entries of the outbox are drained.

    Attributes:
        queue: The queue's name.
        names: The names of the tasks, in the order of the request.
        results: For each name, None if the task was deleted, or the error.
        time: The time of the call.
    """

    queue: str
    names: Sequence[str]
    results: Sequence[ServiceError | None]
    time: Micros


@dataclasses.dataclass(frozen=True, slots=True)
class TaskRunRequested:
    """RunTask granted a task an attempt.

    Attributes:
        task: The task's name.
        time: The time of the call.
    """

    task: str
    time: Micros


@dataclasses.dataclass(frozen=True, slots=True)
class CallRefused:
    """A call ended with an error for its caller: one of the API, or of gRPC's standard services.

    Its handler refused it or, before, the server's edge: for its size, its framing, the time it
    took to arrive, or because the server had no room.

    A request that matches no call of the API, or has invalid system parameters (REST), is refused
    before it becomes a call and is no event.

    Attributes:
        rpc: The name of the call, for instance "CreateTask".
        code: The status code.
        message: The message for the caller; if the caller is not known, what is wrong, too.
        time: The time of the call.
    """

    rpc: str
    code: Code
    message: str
    time: Micros


@dataclasses.dataclass(frozen=True, slots=True)
class CallCrashed:
    """A call of the API failed with an internal error; its caller gets no details.

    Attributes:
        rpc: The name of the call.
        error: The exception.
        time: The time of the call.
    """

    rpc: str
    error: Exception
    time: Micros


class AttemptBegan(NamedTuple):
    """A request is about to be sent. Emitted for sampled attempts only.

    Attributes:
        claim: The attempt.
        time: The time of the call.
        target: The HTTP method and URL of the request.
        kind: The kind of target.
        max_attempts: The maximum number of attempts of the task, by its own retry policy or its
            queue's; -1 for no limit.
    """

    claim: Claim
    time: Micros
    target: str
    kind: Kind
    max_attempts: int


class AttemptEnded(NamedTuple):
    """An attempt ended, and the store has settled its result.

    Attributes:
        result: The result of the attempt.
        settled: What became of the result in the store.
        duration: How long it took.
        kind: The kind of target.
        max_attempts: The maximum number of attempts of the task, by its own retry policy or its
            queue's; -1 for no limit.
    """

    result: AttemptResult
    settled: SettleResult
    duration: Micros
    kind: Kind
    max_attempts: int


@dataclasses.dataclass(frozen=True, slots=True)
class AttemptCrashed:
    """An attempt failed with an internal error of this server.

    Attributes:
        claim: The attempt.
        error: The exception.
    """

    claim: Claim
    error: Exception


@dataclasses.dataclass(frozen=True, slots=True)
class StoreFailed:
    """A verb of the store failed in the dispatcher or the janitor, which will retry it.

    Attributes:
        verb: The name of the store's verb.
        message: The error.
    """

    verb: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True)
class OutboxRefused:
    """An entry of the outbox was refused when it was drained.

    Attributes:
        task: The task's name.
        code: The status code.
        message: Why.
    """

    task: str
    code: Code
    message: str


@dataclasses.dataclass(frozen=True, slots=True)
class DispatchPaused:
    """Dispatch pauses because this server lacks resources. Emitted once in a while, not each time.

    Attributes:
        reason: What it lacks, and what to do about it.
    """

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class StoreConditionChanged:
    """The store began or ceased to refuse calls, or to fail.

    Attributes:
        problem: What is the matter; "" when all is well again.
    """

    problem: str


@dataclasses.dataclass(frozen=True, slots=True)
class QueueDamaged:
    """Rows of a queue cannot be read; it is skipped for a time, and other queues go on.

    Attributes:
        queue: The queue's name.
        retry_time: When it is tried again.
    """

    queue: str
    retry_time: Micros


@dataclasses.dataclass(frozen=True, slots=True)
class FilesExposed:
    """Other users of the machine may read or write files that hold secrets.

    Attributes:
        subject: What the files are, for instance "store" or "--key-file".
        paths: The files.
    """

    subject: str
    paths: Sequence[str]


@dataclasses.dataclass(frozen=True, slots=True)
class RateChanged:
    """Back pressure has halved the rate of a queue, or has ended.

    Attributes:
        queue: The queue's name.
        rate_factor: The fraction of its rate that it may use.
    """

    queue: str
    rate_factor: float


@dataclasses.dataclass(frozen=True, slots=True)
class HandshakeFailed:
    """A connection ended before its TLS handshake was complete.

    Attributes:
        address: The IP address of the client.
        message: Why.
    """

    address: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True)
class Reloaded:
    """The server has loaded files again, as SIGHUP asks it to.

    Attributes:
        subject: What has been loaded, for instance "TLS certificates".
    """

    subject: str


@dataclasses.dataclass(frozen=True, slots=True)
class ReloadFailed:
    """Files could not be loaded again; the server goes on with what it has.

    Attributes:
        problems: A line for each problem.
    """

    problems: Sequence[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Started:
    """The server takes calls.

    Attributes:
        version: The version of Drayman.
        grpc: The address of gRPC, and of HTTP/1.1 if that has no port of its own.
        http: The URL of HTTP/1.1.
        store: The URL of the store, without a password.
        store_format: The number of the store's format.
        recovered: Attempts in flight of a server that had died, which were returned to their
            queues when the store was opened.
        auth: How callers are authenticated.
        role: The name of the server's role.
    """

    version: str
    grpc: str
    http: str
    store: str
    store_format: int
    recovered: int
    auth: str
    role: str


@dataclasses.dataclass(frozen=True, slots=True)
class Stopped:
    """The server has stopped.

    Attributes:
        uptime: How long it took calls.
        returned: Attempts that had not ended within the grace and were returned to their queues.
    """

    uptime: Micros
    returned: int


@dataclasses.dataclass(frozen=True, slots=True)
class Notice:
    """Something that the operator should know at the start.

    Attributes:
        message: What, and what to do about it.
    """

    message: str


@dataclasses.dataclass(frozen=True, slots=True)
class Stopping:
    """The server is stopping and starts no new attempts.

    Attributes:
        in_flight: The number of attempts that it waits for.
    """

    in_flight: int


@dataclasses.dataclass(frozen=True, slots=True)
class KeysNotFetched:
    """The public keys of an issuer of tokens could not be fetched; they will be tried again.

    Attributes:
        issuer: The issuer.
        reason: Why.
    """

    issuer: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Crashed:
    """A background task of the server failed; the server stops.

    Attributes:
        error: The exception.
    """

    error: BaseException


Event = (
    QueueChanged
    | CmekChanged
    | DeadLettersChanged
    | TasksCreated
    | TasksDeleted
    | TaskRunRequested
    | CallRefused
    | CallCrashed
    | AttemptBegan
    | AttemptEnded
    | AttemptCrashed
    | StoreFailed
    | OutboxRefused
    | DispatchPaused
    | StoreConditionChanged
    | QueueDamaged
    | FilesExposed
    | RateChanged
    | HandshakeFailed
    | Reloaded
    | ReloadFailed
    | KeysNotFetched
    | Notice
    | Started
    | Stopping
    | Stopped
    | Crashed
)
Emit = Callable[[Event], None]


def fan_out(*subscribers: Emit) -> Emit:
    """Return a subscriber that passes each event to all of these, in order."""

    def emit(event: Event) -> None:
        for subscriber in subscribers:
            subscriber(event)

    return emit
