"""Patterns of paths that are not the API's: of the admin calls and of the console."""

import re

_VARIABLES = {
    "{queue}": "(?P<queue>projects/[^/]+/locations/[^/]+/queues/[^/:]+)",
    "{task_id}": "(?P<task_id>[^/:]+)",
}


def compile_path(path: str) -> re.Pattern[str]:
    """Return the pattern of a path with ``{queue}`` or ``{task_id}`` for what varies.

    A match has a group for each; no id has a slash or a colon.
    """
    parts = re.split(r"({\w+})", path)
    return re.compile("".join(_VARIABLES.get(part) or re.escape(part) for part in parts))
