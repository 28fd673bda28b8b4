"""``drayman locations``: the locations of a server."""

import click

from drayman.commands import messages, output, remote, resources
from drayman.commands.output import Column
from drayman.commands.remote import Remote

_COLUMNS = (Column("NAME", "locationId"), Column("FULL_NAME", "name"))


@click.group("locations")
def command() -> None:
    """Locations of a server."""


@command.command("list")
@remote.options
def _list(server: Remote) -> None:
    """List the locations of a project."""
    response = server.call("list_locations", name=resources.project_name(server.project))
    rows = map(messages.value, response.locations)
    output.show_list(rows, server.format, _COLUMNS, "Listed 0 items.")
