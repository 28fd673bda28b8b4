"""Loading SQL statements from ``.sql`` files, each statement under a ``-- name:`` line.

All dialects have the same names, so that their files can be compared. A statement that a dialect
does not need, because triggers do its work, is empty there.
"""

import re
from importlib import resources

from drayman.store.rows import COLUMNS

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load(package: str) -> dict[str, str]:
    """Return the statements of all files of a package, by name.

    ``$queue``, ``$task`` and ``$dead_letter`` stand for the columns of a row (``rows.COLUMNS``).
    """
    statements: dict[str, str] = {}
    for file in sorted(resources.files(package).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".sql"):
            statements |= _parse(file.read_text())
    return statements


def _parse(text: str) -> dict[str, str]:
    for row, columns in COLUMNS.items():
        text = re.sub(rf"\${row}\b", columns, text)
    _, *parts = _NAME.split(text)
    return dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))
