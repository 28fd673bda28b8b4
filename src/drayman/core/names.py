"""Parsing, checking and building resource names (API text; recorded errors)."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from drayman.core import errors

# Google documents no maximum length of these two; without one, a name could fill a response.
_PROJECT = r"[A-Za-z0-9:.-]{1,128}"
_LOCATION = r"[A-Za-z0-9-]{1,64}"
_QUEUE_ID = r"[A-Za-z0-9-]{1,100}"
_LOCATION_NAME = re.compile(rf"projects/{_PROJECT}/locations/{_LOCATION}")
_QUEUE_NAME = re.compile(rf"projects/{_PROJECT}/locations/{_LOCATION}/queues/{_QUEUE_ID}")
_TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,500}")

LOCATION_FORM = "projects/<PROJECT_ID>/locations/<LOCATION_ID>"
QUEUE_FORM = f"{LOCATION_FORM}/queues/<QUEUE_ID>"
KEY_FORM = f"{LOCATION_FORM}/keyRings/<KEY_RING>/cryptoKeys/<KEY>"
OPERATION_FORM = f"{LOCATION_FORM}/operations/<OPERATION_ID>"
TASK_FORM = f"{QUEUE_FORM}/tasks/<TASK_ID>"


_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_KEY = re.compile(r"[A-Za-z0-9_-]{1,63}/cryptoKeys/[A-Za-z0-9_-]{1,63}")
_LOCATION_OF = re.compile(r"projects/[^/]+/locations/([^/]+)")
_PROJECT_NAME = re.compile(rf"projects/{_PROJECT}")


class TaskName(NamedTuple):
    """The parts of a task's full name.

    Attributes:
        queue: The full name of the queue.
        id: The task id.
    """

    queue: str
    id: str


def location(field: str, name: str) -> str:
    """Return ``name`` if it is the name of a location; InvalidArgument."""
    if not _LOCATION_NAME.fullmatch(name):
        raise _malformed(field, name, LOCATION_FORM)
    return name


def queue(field: str, name: str) -> str:
    """Return ``name`` if it is the name of a queue; InvalidArgument."""
    if not _QUEUE_NAME.fullmatch(name):
        raise _malformed(field, name, QUEUE_FORM)
    return name


def task(field: str, name: str) -> TaskName:
    """Return the parts of a task's name; InvalidArgument."""
    queue_name, separator, task_id = name.rpartition("/tasks/")
    if not separator or not _QUEUE_NAME.fullmatch(queue_name) or not _TASK_ID.fullmatch(task_id):
        raise _malformed(field, name, TASK_FORM)
    return TaskName(queue_name, task_id)


def operation(field: str, name: str) -> str:
    """Return ``name`` if it is the name of an operation; InvalidArgument."""
    parent, separator, operation_id = name.rpartition("/operations/")
    if not separator or not _LOCATION_NAME.fullmatch(parent) or not _ID.fullmatch(operation_id):
        raise _malformed(field, name, OPERATION_FORM)
    return name


def request_id(text: str) -> str:
    """Return ``text`` if it is a request id or empty; InvalidArgument."""
    if text and not _ID.fullmatch(text):
        raise errors.invalid_field(
            "request_id", "can contain only letters, numbers, hyphens or underscores, 100 at most."
        )
    return text


def cmek_config(field: str, name: str) -> str:
    """Return the location in the name of a CMEK configuration; InvalidArgument."""
    parent = name.removesuffix("/cmekConfig")
    if parent == name or not _LOCATION_NAME.fullmatch(parent):
        raise _malformed(field, name, f"{LOCATION_FORM}/cmekConfig")
    return parent


def key(field: str, name: str) -> str:
    """Return ``name`` if it is the name of a KMS key; InvalidArgument."""
    if not is_key(name):
        raise _malformed(field, name, KEY_FORM)
    return name


def is_key(text: str) -> bool:
    """Return whether a text is the name of a KMS key."""
    parent, _, rest = text.partition("/keyRings/")
    return bool(_LOCATION_NAME.fullmatch(parent) and _KEY.fullmatch(rest))


def project(field: str, name: str) -> str:
    """Return ``name`` if it is the name of a project; InvalidArgument."""
    if not _PROJECT_NAME.fullmatch(name):
        raise _malformed(field, name, "projects/<PROJECT_ID>")
    return name


def check_location(name: str, allowed: Sequence[str]) -> None:
    """Check that a resource lies in one of the ``allowed`` locations; InvalidArgument.

    An empty ``allowed`` permits all.
    """
    match = _LOCATION_OF.match(name)
    if allowed and match and match[1] not in allowed:
        raise errors.InvalidArgument(
            f"Location '{match[1][:200]}' is not a valid location. "
            "Use ListLocations to list valid locations."
        )


def is_location_id(text: str) -> bool:
    """Return whether a text is a location id."""
    return re.fullmatch(_LOCATION, text) is not None


def new_parent(name: str) -> str:
    """Return ``name`` if it is a location, as the parent of CreateQueue; PermissionDenied.

    InvalidArgument if it is empty.
    """
    if name and not _LOCATION_NAME.fullmatch(name):
        raise errors.no_project(name.removeprefix("projects/").partition("/")[0][:200])
    return location("parent", name)


def new_queue(parent: str, name: str) -> str:
    """Return ``name`` if CreateQueue may create it under ``parent``; InvalidArgument."""
    if not _QUEUE_NAME.fullmatch(name):
        raise errors.InvalidArgument(
            f'Queue name must be formatted: "{QUEUE_FORM}".', errors.QUEUE_NAME_HELP
        )
    if not name.startswith(f"{parent}/queues/"):
        raise errors.InvalidArgument(f"{name} must begin with {parent}.")
    return name


def new_task(parent: str, name: str) -> str:
    """Return the task id in ``name`` if CreateTask may create it in ``parent``; InvalidArgument."""
    queue_name, separator, task_id = name.partition("/tasks/")
    if not separator or not _QUEUE_NAME.fullmatch(queue_name):
        raise _malformed("task.name", name, TASK_FORM)
    if queue_name != parent:
        raise errors.InvalidArgument(
            f"The queue name from request ('{parent}') must be the same as the queue name "
            f"in the named task ('{queue_name}')."
        )
    if not _TASK_ID.fullmatch(task_id):
        raise errors.InvalidArgument(
            f'Task ID "{task_id}" can contain only letters ([A-Za-z]), numbers ([0-9]), '
            "hyphens (-), or underscores (_). Task ID must between 1 and 500 characters.",
            errors.TASK_ID_HELP,
        )
    return task_id


def join_task(queue_name: str, task_id: str) -> str:
    """Return a task's full name."""
    return f"{queue_name}/tasks/{task_id}"


def short_id(name: str) -> str:
    """Return the last segment of a name."""
    return name.rpartition("/")[2]


def location_of(queue_name: str) -> str:
    """Return the name of the location of a queue."""
    return queue_name.partition("/queues/")[0]


def _malformed(field: str, name: str, form: str) -> errors.InvalidArgument:
    # The first sentence is the real service's message. The second one is ours, because the first
    # does not say what is wrong.
    return errors.InvalidArgument(
        "Invalid resource field value in the request. "
        f'"{field}" must be formatted "{form}", not "{name[:200]}".',
        errors.BadRequest([(field, f'must be formatted "{form}"')]),
    )
