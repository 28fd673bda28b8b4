"""What commands write to the terminal, and how they fail."""

import sys
from collections.abc import Iterable
from typing import NoReturn

ERROR = 1
"""Exit status: the server refused the call, or the work failed."""
USAGE = 2
"""Exit status: an option, an argument or a setting is wrong."""


def write(text: str) -> None:
    """Write a line to standard output at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def fail(lines: Iterable[object], status: int) -> NoReturn:
    """Write lines to standard error, each after the program's name, and exit with a status."""
    sys.stderr.writelines(f"drayman: {line}\n" for line in lines)
    raise SystemExit(status)
