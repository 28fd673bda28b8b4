"""SQL lives in ``.sql`` files, each statement under a ``-- name:`` line.

Both dialects use the same names, so that a verb can be read side by side.
"""

import re
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load(package: str, file: str, **columns: str) -> dict[str, str]:
    """Return the statements of a file of a package, by name.

    ``$word`` in a statement stands for the list of columns given as ``word``.
    """
    text = resources.files(package).joinpath(file).read_text()
    for word, names in columns.items():
        text = text.replace(f"${word}", names)
    _, *parts = _NAME.split(text)
    return dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))
