"""The program ``drayman``: the group of all commands."""

from typing import Any

import click

from drayman.commands import terminal


class Program(click.Group):
    """Lists its commands in their order, and exits with a status of its own after Ctrl-C."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command of a context."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise SystemExit(terminal.INTERRUPTED) from None

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the commands in the order of the help."""
        return list(self.commands)
