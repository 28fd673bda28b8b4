"""What commands write to the terminal, what they ask, and how they fail."""

import contextlib
import sys
from collections.abc import Iterable
from typing import NoReturn

ERROR = 1
"""Exit status: the server refused the call, the work failed, the output cannot be
written, or a question was answered by no."""
USAGE = 2
"""Exit status: an option, an argument or a setting is wrong."""
UNREACHABLE = 3
"""Exit status: no server can be reached."""
INTERRUPTED = 130
"""Exit status: Ctrl-C, as of a program that SIGINT ends."""


def write(text: str, end: str = "\n") -> None:
    """Write a line to standard output at once; exit if that fails, as on a full disk."""
    try:
        sys.stdout.write(f"{text}{end}")
        sys.stdout.flush()
    except BrokenPipeError:  # click ends the program without a message
        raise
    except OSError as error:
        with contextlib.suppress(OSError):
            sys.stdout.close()  # otherwise the interpreter writes again when it exits
        fail([f"cannot write to standard output: {error.strerror}"], ERROR)


def note(text: str) -> None:
    """Write a line to standard error, which leaves standard output to results."""
    sys.stderr.write(f"{text}\n")


def fail(lines: Iterable[object], status: int) -> NoReturn:
    """Write lines to standard error, each after the program's name, and exit with a status."""
    sys.stderr.writelines(f"drayman: {line}\n" for line in lines)
    raise SystemExit(status)


def confirm(question: str, *, quiet: bool) -> None:
    """Ask before something is destroyed, and exit unless the answer is yes.

    The rules are gcloud's (PromptContinue): Enter and the end of input mean yes, so that a script
    without a terminal goes on; ``quiet`` asks nothing.
    """
    if quiet:
        return
    _prompt(f"{question}\n\nDo you want to continue (Y/n)?  ")
    while (answer := sys.stdin.readline().strip().lower()) not in {"", "y", "yes"}:
        if answer in {"n", "no"}:
            fail(["aborted by user"], ERROR)
        _prompt("Please enter 'y' or 'n':  ")
    note("")


def _prompt(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def printable(text: str) -> str:
    """Return a text without the control characters that would change the terminal."""
    return "".join(char if char.isprintable() else "�" for char in text)
