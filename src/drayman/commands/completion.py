"""``drayman completion``: completion of commands, options and ids of queues in a shell."""

import click

from drayman.commands import terminal


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the script that completes drayman in a shell.

    bash: eval "$(drayman completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc; fish:
    drayman completion fish > ~/.config/fish/completions/drayman.fish
    """
    from click.shell_completion import get_completion_class

    completion = get_completion_class(shell)
    program = context.find_root().command
    if completion:
        terminal.write(completion(program, {}, "drayman", "_DRAYMAN_COMPLETE").source())
