"""What tests of commands share: the names in use, and the outcome of a command."""

from typing import NamedTuple

PROJECT, LOCATION = "shop", "here"
PARENT = f"projects/{PROJECT}/locations/{LOCATION}"


class Run(NamedTuple):
    """A command that ended."""

    status: int
    out: str
    err: str

    @property
    def lines(self):
        return self.out.splitlines()
