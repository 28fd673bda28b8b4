"""Parsing, checking and building resource names (recorded: order of checks, common errors)."""

import functools
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from drayman.core import errors

# Google documents no maximum length of these two; without one, a name could fill a response.
_PROJECT = r"[A-Za-z0-9:.-]{1,128}"
_LOCATION = r"[A-Za-z0-9-]{1,64}"
_QUEUE_ID = r"[A-Za-z0-9-]{1,100}"
_TASK_ID = r"[A-Za-z0-9_-]{1,500}"
_IDS: dict[str, tuple[str, Callable[[str], errors.ServiceError]]] = {
    "projects": (_PROJECT, errors.no_project),
    "locations": (_LOCATION, errors.no_location),
    "queues": (_QUEUE_ID, errors.queue_id),
    "tasks": (_TASK_ID, errors.task_id),
}
"""The form of the ids of each collection, and the error for another one.

The ids of other collections have no form: one that was never given does not exist.
"""

KEY_FORM = f"{errors.LOCATION_FORM}/keyRings/<KEY_RING>/cryptoKeys/<KEY>"

_PARENT = rf"projects/{_PROJECT}/locations/{_LOCATION}"
_QUEUE_NAME = re.compile(rf"{_PARENT}/queues/(?P<queues>[^/]*)")
_TASK_NAME = re.compile(rf"{_QUEUE_NAME.pattern}/tasks/(?P<tasks>[^/]*)")
_VALID_TASK_NAME = re.compile(rf"({_PARENT}/queues/{_QUEUE_ID})/tasks/({_TASK_ID})")
_KEY_NAME = re.compile(
    rf"{_PARENT}/keyRings/[A-Za-z0-9_-]{{1,63}}/cryptoKeys/[A-Za-z0-9_-]{{1,63}}"
)
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LOCATION_OF = re.compile(r"projects/[^/]+/locations/([^/]+)")
_PROJECT_OF = re.compile(r"projects/([^/]+)")


class TaskName(NamedTuple):
    """The parts of a task's full name.

    Attributes:
        queue: The full name of the queue.
        id: The task id.
    """

    queue: str
    id: str


def resource_check(pattern: str, method: str, permission: str) -> Callable[[str], None]:
    """Return the check of the name of a call's resource (recorded: order of checks).

    The check raises InvalidArgument for a name that is empty or has an invalid id, and
    PermissionDenied for one that does not lie in a project or has another form.

    Args:
        pattern: The form of the name, such as ``projects/*/locations/*``.
        method: The full name of the call, for the error of an empty name.
        permission: The permission that the error of a name of another form names.
    """
    valid = _regex(pattern, strict=True)

    def check(name: str) -> None:
        if not valid.fullmatch(name):
            raise _refusal(name, pattern, method, permission)

    return check


def _refusal(name: str, pattern: str, method: str, permission: str) -> errors.ServiceError:
    """Return the error for a name that is not of the form; the order is that of the lines."""
    if not name:
        return errors.empty_resource(method)
    project = _PROJECT_OF.match(name)
    if not project:
        return errors.no_project(name)
    if not re.fullmatch(_PROJECT, project[1]):
        return errors.no_project(project[1])
    match = _regex(pattern, strict=False).fullmatch(name)
    if match and (error := _id_error(match)):
        return error
    if pattern.endswith("/cmekConfig"):
        return errors.cmek_config_name()
    return errors.no_permission(permission, name)


def _regex(pattern: str, *, strict: bool) -> re.Pattern[str]:
    """Return the regular expression of a form; ``strict`` includes the form of its ids."""

    def ids(match: re.Match[str]) -> str:
        collection = match[1]
        if collection not in _IDS:
            return f"{collection}/[^/]*"
        form = _IDS[collection][0] if strict else "[^/]*"
        return f"{collection}/(?P<{collection}>{form})"

    return re.compile(re.sub(r"(\w+)/\*", ids, pattern))


def _id_error(match: re.Match[str]) -> errors.ServiceError | None:
    """Return the error for the first invalid id among the groups of a match."""
    for collection, text in match.groupdict().items():
        form, error = _IDS[collection]
        if not re.fullmatch(form, text):
            return error(text)
    return None


def check_location(name: str, allowed: Sequence[str]) -> None:
    """Check that a resource lies in one of the ``allowed`` locations; InvalidArgument.

    An empty ``allowed`` permits all.
    """
    if allowed and (match := _LOCATION_OF.match(name)) and match[1] not in allowed:
        raise errors.no_location(match[1])


def queue(name: str) -> str:
    """Return ``name`` if it is the name of a queue; InvalidArgument."""
    match = _QUEUE_NAME.fullmatch(name)
    if not match:
        raise errors.queue_name()
    if error := _id_error(match):
        raise error
    return name


def task(name: str) -> TaskName:
    """Return the parts of a task's name; InvalidArgument."""
    valid = _VALID_TASK_NAME.fullmatch(name)  # by one pattern: this is on the way of every task
    if valid:
        return TaskName(valid[1], valid[2])
    match = _TASK_NAME.fullmatch(name)
    raise (_id_error(match) if match else None) or errors.task_name()


def new_queue(parent: str, name: str) -> str:
    """Return ``name`` if CreateQueue may create it under ``parent``; InvalidArgument."""
    queue(name)
    if not name.startswith(f"{parent}/queues/"):
        raise errors.InvalidArgument(f"{name} must begin with {parent}.")
    return name


def new_task(parent: str, name: str) -> str:
    """Return the task id in ``name`` if CreateTask may create it in ``parent``; InvalidArgument."""
    queue_name, task_id = task(name)
    if queue_name != parent:
        raise errors.InvalidArgument(
            f"The queue name from request ('{parent}') must be the same as the queue name "
            f"in the named task ('{queue_name}')."
        )
    return task_id


def request_id(text: str) -> str:
    """Return ``text`` if it is a request id or empty; InvalidArgument."""
    if text and not _REQUEST_ID.fullmatch(text):
        raise errors.invalid_field(
            "request_id", "can contain only letters, numbers, hyphens or underscores, 100 at most."
        )
    return text


def key(name: str) -> str:
    """Return ``name`` if it is the name of a KMS key; InvalidArgument."""
    if not is_key(name):
        raise errors.unknown_pattern(name)
    return name


def is_key(text: str) -> bool:
    """Return whether a text is the name of a KMS key."""
    return _KEY_NAME.fullmatch(text) is not None


def is_location_id(text: str) -> bool:
    """Return whether a text is a location id."""
    return re.fullmatch(_LOCATION, text) is not None


def join_task(queue_name: str, task_id: str) -> str:
    """Return a task's full name."""
    return f"{queue_name}/tasks/{task_id}"


def short_id(name: str) -> str:
    """Return the last segment of a name."""
    return name.rpartition("/")[2]


@functools.lru_cache(maxsize=1024)
def location_of(name: str) -> str:
    """Return the name of the location that a resource lies in."""
    return "/".join(name.split("/", 4)[:4])
