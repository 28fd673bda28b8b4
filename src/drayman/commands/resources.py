"""Names of resources on the command line: an id, or the full name as the API has it."""

import re

import click

_SELF_LINK = r"(?:https?://[^/]+/v2/)?"
_QUEUE = re.compile(rf"{_SELF_LINK}(projects/[^/]+/locations/[^/]+/queues/[^/]+)")
_TASK = re.compile(rf"{_SELF_LINK}(projects/[^/]+/locations/[^/]+/queues/[^/]+)/tasks/([^/]+)")


def location_name(project: str | None, location: str | None) -> str:
    """Return the full name of a location; UsageError without one of the two."""
    if not location:
        raise click.UsageError("which location? Give --location or set DRAYMAN_DEFAULT_LOCATION")
    return f"{project_name(project)}/locations/{location}"


def project_name(project: str | None) -> str:
    """Return the full name of a project; UsageError without one."""
    if not project:
        raise click.UsageError(
            "which project? Give --project, or set DRAYMAN_DEFAULT_PROJECT or CLOUDSDK_CORE_PROJECT"
        )
    return f"projects/{project}"


def queue_name(text: str, project: str | None, location: str | None) -> str:
    """Return the full name of a queue from its id or its full name; UsageError."""
    if match := _QUEUE.fullmatch(text):
        return match[1]
    if "/" in text:
        raise click.UsageError(
            f'"{text}" is neither the id of a queue nor its full name, '
            "projects/PROJECT/locations/LOCATION/queues/QUEUE"
        )
    return f"{location_name(project, location)}/queues/{text}"


def task_name(text: str, queue: str | None, project: str | None, location: str | None) -> str:
    """Return the full name of a task from its id and its queue, or its full name; UsageError."""
    if match := _TASK.fullmatch(text):
        return f"{match[1]}/tasks/{match[2]}"
    if queue is None or "/" in text:
        raise click.UsageError("give --queue and the id of the task, or the full name of the task")
    return f"{queue_name(queue, project, location)}/tasks/{text}"


def split_task(name: str) -> tuple[str, str]:
    """Return the full name of the queue and the id of the task with a full name."""
    queue, _, task_id = name.rpartition("/tasks/")
    return queue, task_id


def short(queue: str) -> str:
    """Return a queue as gcloud's messages name it: LOCATION/QUEUE."""
    _, _, _, location, _, queue_id = queue.split("/")
    return f"{location}/{queue_id}"
