"""The command ``drayman``."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import drayman

if TYPE_CHECKING:
    import click

    from drayman import settings

_EXTRA = 'the server is not installed; run: pip install "drayman[server]"'


def _serve(*, config: str | None, check: bool, **arguments: Any) -> None:
    from drayman import server, settings  # noqa: PLC0415 - keeps --help fast

    reading = settings.read(arguments, os.environ, config)
    if check:
        raise SystemExit(_check(reading))
    if reading.problems:
        raise SystemExit(_complain(reading.problems, 2))
    make: Callable[[settings.Settings], server.Server] = server.Server
    if reading.settings.serves_tests:
        from drayman.testing import serving  # noqa: PLC0415 - only a server for tests has it

        make = serving.make
    try:
        _run(server.serve(reading.settings, make))
    except settings.SettingsError as error:
        raise SystemExit(_complain(error.args, 2)) from None
    except (server.StartError, server.CrashError) as error:
        raise SystemExit(_complain([str(error)], 1)) from None


def _migrate(*, config: str | None, **arguments: Any) -> None:
    from drayman import settings  # noqa: PLC0415 - keeps --help fast
    from drayman.store import contract, opening  # noqa: PLC0415

    reading = settings.read(arguments, os.environ, config)
    if reading.problems:
        raise SystemExit(_complain(reading.problems, 2))
    try:
        number = opening.migrate(reading.settings.store)
    except contract.StoreError as error:
        raise SystemExit(_complain([str(error)], 1)) from None
    url = opening.without_password(reading.settings.store)
    sys.stdout.write(f"drayman: store {url} has format {number}\n")


def _copy(*, source: str, target: str) -> None:
    from drayman.core.clock import SystemClock  # noqa: PLC0415 - keeps --help fast
    from drayman.store import contract, opening  # noqa: PLC0415

    try:
        for table, count in opening.copy(source, target, SystemClock().now()):
            sys.stdout.write(f"{count:>12,}  {table}\n")
            sys.stdout.flush()
    except contract.StoreError as error:
        raise SystemExit(_complain([str(error)], 1)) from None
    url = opening.without_password(target)
    sys.stdout.write(f"drayman: copied; start servers with --store {url} from now on\n")


def _check(reading: "settings.Reading") -> int:
    from drayman import check  # noqa: PLC0415 - keeps --help fast

    if problems := check.problems(reading):
        return _complain(problems, 2)
    sys.stdout.write(f"drayman: {check.summary(reading)}\n")
    return 0


def _run(main: Any) -> None:
    import uvloop  # noqa: PLC0415

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def _complain(lines: Iterable[str], status: int) -> int:
    sys.stderr.writelines(f"drayman: {line}\n" for line in lines)
    return status


def _with_keys(config: str | None, store: str | None, command: Callable[[Any, Any], str]) -> None:
    """Run a command on the API keys and print what it returns."""
    from drayman import key_commands, settings  # noqa: PLC0415 - keeps --help fast
    from drayman.store.contract import StoreError  # noqa: PLC0415

    reading = settings.read({"store": store}, os.environ, config)
    if "store" in reading.unknown:
        raise SystemExit(_complain(reading.problems, 2))
    try:
        sys.stdout.write(f"{command(key_commands, reading.settings)}\n")
    except settings.SettingsError as error:
        raise SystemExit(_complain(error.args, 2)) from None
    except StoreError as error:
        raise SystemExit(_complain([str(error)], 1)) from None


def _create_key(
    *, config: str | None, store: str | None, name: str, member: str, role: tuple[str, ...]
) -> None:
    _with_keys(config, store, lambda keys, settings: keys.create(settings, name, member, role))


def _list_keys(*, config: str | None, store: str | None) -> None:
    _with_keys(config, store, lambda keys, settings: "\n".join(keys.list_keys(settings)))


def _revoke_key(*, config: str | None, store: str | None, key: str) -> None:
    _with_keys(config, store, lambda keys, settings: f"revoked {keys.revoke(settings, key)}")


def _keys_group() -> "click.Group":
    import click  # noqa: PLC0415 - the client alone does not bring it

    where: list[click.Parameter] = [
        click.Option(["--store"], metavar="STORE", help="As of drayman serve. [DRAYMAN_STORE]"),
        click.Option(["--config"], metavar="FILE", help="As of drayman serve. [DRAYMAN_CONFIG]"),
    ]
    create: list[click.Parameter] = [
        click.Argument(["name"]),
        click.Option(
            ["--role"], multiple=True, metavar="ROLE",
            help="Role on the whole server, such as roles/cloudtasks.enqueuer. May be repeated.",
        ),
        click.Option(
            ["--member"], default="", metavar="MEMBER",
            help="Service account that the key stands for in policies, serviceAccount:EMAIL; by "
            "default one with the name of the key.",
        ),
    ]  # fmt: skip
    group = click.Group("keys", help="API keys of callers, for drayman serve --auth keys.")
    for name, params, callback, text in (
        ("create", create, _create_key, "Create a key and print it; it is never shown again."),
        ("list", [], _list_keys, "List all keys, without their secrets."),
        ("revoke", [click.Argument(["key"])], _revoke_key, "Revoke the key of an id or name."),
    ):
        group.add_command(
            click.Command(name, params=[*params, *where], callback=callback, help=text)
        )
    return group


def command() -> "click.Group":
    """Return the command line."""
    import click  # noqa: PLC0415 - the client alone does not bring it

    from drayman.settings import OPTIONS  # noqa: PLC0415

    group = click.Group("drayman", help="Google Cloud Tasks that anyone can run.")
    click.version_option(drayman.__version__, prog_name="drayman")(group)
    config = click.Option(
        ["--config"], metavar="FILE", help="TOML file with these settings. [DRAYMAN_CONFIG]"
    )
    check = click.Option(
        ["--check"],
        is_flag=True,
        help="Start nothing: print all that is wrong with the settings and what they name.",
    )
    group.add_command(
        click.Command(
            "serve",
            params=[*map(_parameter, OPTIONS), config, check],
            callback=_serve,
            help="Run a server until it is told to stop.",
        )
    )
    group.add_command(
        click.Command(
            "migrate",
            params=[*(_parameter(each) for each in OPTIONS if each.field == "store"), config],
            callback=_migrate,
            help="Create or migrate the tables of a store on PostgreSQL; serve does so at start.",
        )
    )
    group.add_command(
        click.Command(
            "copy",
            params=[click.Argument(["source"]), click.Argument(["target"])],
            callback=_copy,
            help="Copy the SQLite store SOURCE (sqlite:PATH) into the empty store TARGET "
            "(postgresql://HOST/DATABASE). No server may use either.",
        )
    )
    group.add_command(_keys_group())
    return group


def _parameter(option: "settings.Option") -> "click.Option":
    """Return the command line's form of a setting."""
    import click  # noqa: PLC0415 - the client alone does not bring it

    return click.Option(
        [option.flag],
        multiple=option.repeatable,
        is_flag=option.switch,
        flag_value="true" if option.switch else None,
        metavar=None if option.switch else option.metavar,
        help=f"{option.help} [{option.variable}"
        + (f"; default {option.default_text}]" if option.default_text else "]"),
    )


def main() -> None:
    """Run the command line."""
    # What gRPC's core writes by itself is no use to a person; failures come back as errors.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        command()()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("drayman"):
            raise
        raise SystemExit(_complain([f"{_EXTRA} ({error})"], 1)) from None
