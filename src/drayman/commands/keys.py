"""``drayman keys``: API keys of callers."""

import os
from collections.abc import Callable
from typing import Any

import click

from drayman.commands import terminal

_store = click.option("--store", metavar="STORE", help="As of drayman serve. [DRAYMAN_STORE]")
_config = click.option("--config", metavar="FILE", help="As of drayman serve. [DRAYMAN_CONFIG]")


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
@_store
@_config
def _create(name: str, roles: tuple[str, ...], member: str, **where: Any) -> None:
    """Create a key and print it; it is never shown again."""
    _run(lambda keys, settings: keys.create(settings, name, member, roles), **where)


@command.command("list")
@_store
@_config
def _list(**where: Any) -> None:
    """List all keys, without their secrets."""
    _run(lambda keys, settings: "\n".join(keys.list_keys(settings)), **where)


@command.command("revoke")
@click.argument("key")
@_store
@_config
def _revoke(key: str, **where: Any) -> None:
    """Revoke the key of an id or name."""
    _run(lambda keys, settings: f"revoked {keys.revoke(settings, key)}", **where)


def _run(
    function: Callable[[Any, Any], str], *, config: str | None = None, store: str | None = None
) -> None:
    """Call a function with the API keys and the settings, and write what it returns."""
    from drayman import key_commands, settings
    from drayman.store.contract import StoreError

    reading = settings.read({"store": store}, os.environ, config)
    if "store" in reading.unknown:
        terminal.fail(reading.problems, terminal.USAGE)
    try:
        terminal.write(function(key_commands, reading.settings))
    except settings.SettingsError as error:
        terminal.fail(error.args, terminal.USAGE)
    except StoreError as error:
        terminal.fail([error], terminal.ERROR)
