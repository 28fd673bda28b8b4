"""Completion in shells."""

import shutil
import subprocess

import pytest
from click.shell_completion import ShellComplete
from command_line import LOCATION, PROJECT

from drayman import cli


def completed(*arguments, incomplete=""):
    """Return what completes the last word of a command line."""
    shell = ShellComplete(cli.command(), {}, "drayman", "_DRAYMAN_COMPLETE")
    return [item.value for item in shell.get_completions([*arguments], incomplete)]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(run, shell, tmp_path):
    result = run("completion", shell)
    assert result.status == 0
    assert "_DRAYMAN_COMPLETE" in result.out
    if program := shutil.which(shell):
        script = tmp_path / "script"
        script.write_text(result.out)
        subprocess.run([program, "-n", str(script)], check=True)


def test_another_shell_is_an_error_of_usage(run):
    assert run("completion", "powershell").status == 2


@pytest.mark.usefixtures("clean_environment")
def test_commands_and_options_are_completed():
    assert completed(incomplete="que") == ["queues"]
    assert completed("queues", incomplete="pu") == ["purge"]
    assert "--max-attempts" in completed("queues", "update", incomplete="--max-a")


def test_ids_of_queues_are_completed_from_the_server(server, queue):
    where = ("--server", server.address, "--project", PROJECT, "--location", LOCATION)
    assert queue in completed("queues", "describe", *where, incomplete=queue[:1])
    assert queue in completed("tasks", "list", *where, "--queue", incomplete=queue)
    assert completed("queues", "describe", *where, incomplete="none-has-this") == []


@pytest.mark.usefixtures("clean_environment")
def test_a_server_that_does_not_run_completes_nothing():
    where = ("--server", "127.0.0.1:1", "--project", PROJECT, "--location", LOCATION)
    assert completed("queues", "describe", *where) == []
    assert completed("queues", "describe", "--server", "127.0.0.1:1") == []


@pytest.mark.usefixtures("clean_environment")
def test_every_command_has_a_line_of_help():
    def texts(group):
        for command in group.commands.values():
            yield command.help
            if hasattr(command, "commands"):
                yield from texts(command)

    assert all(texts(cli.command()))
