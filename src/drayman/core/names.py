"""Names of resources: how they are read and put together (API text; recorded errors)."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from drayman.core import errors

# Google gives no bound for the first two; without one, a name could fill a whole answer.
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
    """A task's name in its two parts.

    Attributes:
        queue: The full name of its queue.
        id: Its own id.
    """

    queue: str
    id: str


def location(field: str, name: str) -> str:
    """Return ``name``, the name of a location; InvalidArgument otherwise."""
    if not _LOCATION_NAME.fullmatch(name):
        raise _malformed(field, name, LOCATION_FORM)
    return name


def queue(field: str, name: str) -> str:
    """Return ``name``, the name of a queue; InvalidArgument otherwise."""
    if not _QUEUE_NAME.fullmatch(name):
        raise _malformed(field, name, QUEUE_FORM)
    return name


def task(field: str, name: str) -> TaskName:
    """Return the two parts of a task's name; InvalidArgument when it is none."""
    queue_name, separator, task_id = name.rpartition("/tasks/")
    if not separator or not _QUEUE_NAME.fullmatch(queue_name) or not _TASK_ID.fullmatch(task_id):
        raise _malformed(field, name, TASK_FORM)
    return TaskName(queue_name, task_id)


def operation(field: str, name: str) -> str:
    """Return ``name``, the name of an operation; InvalidArgument otherwise."""
    parent, separator, operation_id = name.rpartition("/operations/")
    if not separator or not _LOCATION_NAME.fullmatch(parent) or not _ID.fullmatch(operation_id):
        raise _malformed(field, name, OPERATION_FORM)
    return name


def request_id(text: str) -> str:
    """Return the id of a request, which may be empty; InvalidArgument when it is none."""
    if text and not _ID.fullmatch(text):
        raise errors.invalid_field(
            "request_id", "can contain only letters, numbers, hyphens or underscores, 100 at most."
        )
    return text


def cmek_config(field: str, name: str) -> str:
    """Return the location whose encryption ``name`` names; InvalidArgument otherwise."""
    parent = name.removesuffix("/cmekConfig")
    if parent == name or not _LOCATION_NAME.fullmatch(parent):
        raise _malformed(field, name, f"{LOCATION_FORM}/cmekConfig")
    return parent


def key(field: str, name: str) -> str:
    """Return ``name``, the name of an encryption key; InvalidArgument otherwise."""
    if not is_key(name):
        raise _malformed(field, name, KEY_FORM)
    return name


def is_key(text: str) -> bool:
    """Tell whether a text can be the name of an encryption key."""
    parent, _, rest = text.partition("/keyRings/")
    return bool(_LOCATION_NAME.fullmatch(parent) and _KEY.fullmatch(rest))


def project(field: str, name: str) -> str:
    """Return ``name``, the name of a project; InvalidArgument otherwise."""
    if not _PROJECT_NAME.fullmatch(name):
        raise _malformed(field, name, "projects/<PROJECT_ID>")
    return name


def check_location(name: str, allowed: Sequence[str]) -> None:
    """Check that whatever a name names lies in one of the locations, if there are any."""
    match = _LOCATION_OF.match(name)
    if allowed and match and match[1] not in allowed:
        raise errors.InvalidArgument(
            f"Location '{match[1][:200]}' is not a valid location. "
            "Use ListLocations to list valid locations."
        )


def is_location_id(text: str) -> bool:
    """Tell whether a text can be the id of a location."""
    return re.fullmatch(_LOCATION, text) is not None


def new_parent(name: str) -> str:
    """Return ``name``, the location that a queue is to be created in."""
    if name and not _LOCATION_NAME.fullmatch(name):
        raise errors.no_project(name.removeprefix("projects/").partition("/")[0][:200])
    return location("parent", name)


def new_queue(parent: str, name: str) -> str:
    """Return the name of a queue that is to be created under ``parent``."""
    if not _QUEUE_NAME.fullmatch(name):
        raise errors.InvalidArgument(
            f'Queue name must be formatted: "{QUEUE_FORM}".', errors.QUEUE_NAME_HELP
        )
    if not name.startswith(f"{parent}/queues/"):
        raise errors.InvalidArgument(f"{name} must begin with {parent}.")
    return name


def new_task(parent: str, name: str) -> str:
    """Return the id of a task that is to be created in the queue ``parent``."""
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
    """Return the last part of a name: what the delivery headers show."""
    return name.rpartition("/")[2]


def location_of(queue_name: str) -> str:
    """Return the location that a queue lies in."""
    return queue_name.partition("/queues/")[0]


def _malformed(field: str, name: str, form: str) -> errors.InvalidArgument:
    # The first sentence is the real service's, which stops there; users ask for the second.
    return errors.InvalidArgument(
        "Invalid resource field value in the request. "
        f'"{field}" must be formatted "{form}", not "{name[:200]}".',
        errors.BadRequest([(field, f'must be formatted "{form}"')]),
    )
