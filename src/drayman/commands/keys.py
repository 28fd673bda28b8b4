"""``drayman keys``: API keys of callers."""

from typing import Any

import click

from drayman.commands import stores, terminal


@click.group("keys")
def command() -> None:
    """API keys of callers, for drayman serve --auth keys."""


@command.command("create")
@click.argument("name")
@click.option(
    "--role", "roles", multiple=True, metavar="ROLE",
    help="Role on the whole server, such as roles/cloudtasks.enqueuer. May be repeated.",
)  # fmt: skip
@click.option(
    "--member", default="", metavar="MEMBER",
    help="Service account that the key stands for in policies, serviceAccount:EMAIL; by default "
    "one with the name of the key.",
)  # fmt: skip
@stores.options
def _create(name: str, roles: tuple[str, ...], member: str, **store: Any) -> None:
    """Create a key and print it; it is never shown again."""
    from drayman import key_commands

    terminal.write(
        stores.run(lambda settings: key_commands.create(settings, name, member, roles), **store)
    )


@command.command("list")
@stores.options
def _list(**store: Any) -> None:
    """List all keys, without their secrets."""
    from drayman import key_commands

    terminal.write("\n".join(stores.run(key_commands.list_keys, **store)))


@command.command("revoke")
@click.argument("key")
@stores.options
def _revoke(key: str, **store: Any) -> None:
    """Revoke the key of an id or name."""
    from drayman import key_commands

    key_id = stores.run(lambda settings: key_commands.revoke(settings, key), **store)
    terminal.write(f"revoked {key_id}")
