"""The command ``drayman``."""

import importlib
import os
from typing import TYPE_CHECKING

import drayman
from drayman.commands import terminal

if TYPE_CHECKING:
    import click

COMMANDS = (
    "serve",
    "top",
    "queues",
    "tasks",
    "attempts",
    "dead_letters",
    "locations",
    "keys",
    "backup",
    "check",
    "migrate",
    "copy",
    "export",
    "import_",
    "completion",
)
"""The modules of ``drayman.commands`` that are commands, in the order of the help."""
_EXTRA = 'the server is not installed; run: pip install "drayman[server]"'


def command() -> "click.Group":
    """Return the command line."""
    import click  # noqa: PLC0415 - the client alone does not bring it

    from drayman.commands.program import Program  # noqa: PLC0415

    group = Program("drayman", help="Google Cloud Tasks that anyone can run.")
    click.version_option(drayman.__version__, prog_name="drayman")(group)
    for name in COMMANDS:
        group.add_command(importlib.import_module(f"drayman.commands.{name}").command)
    return group


def main() -> None:
    """Run the command line."""
    # What gRPC's core writes by itself is no use to a person; failures come back as errors.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        command()()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("drayman"):
            raise
        terminal.fail([f"{_EXTRA} ({error})"], terminal.ERROR)
