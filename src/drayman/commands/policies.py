"""``drayman queues …-iam-policy…``: who may do what with a queue."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from drayman.commands import arguments, messages, output, remote, terminal
from drayman.commands.remote import Remote


@click.command("get-iam-policy")
@arguments.queue
@remote.options
def get(server: Remote, queue: str) -> None:
    """Show the IAM policy of a queue."""
    policy = server.call("get_iam_policy", resource=server.queue(queue))
    output.show(messages.value(policy), server.format)


@click.command("set-iam-policy")
@arguments.queue
@click.argument("policy_file", type=click.Path(exists=True, dir_okay=False))
@remote.options
def replace(server: Remote, queue: str, policy_file: str) -> None:
    """Replace the IAM policy of a queue by that of a file, in JSON or YAML."""
    import yaml

    try:
        content = yaml.safe_load(Path(policy_file).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise click.UsageError(f"{policy_file} cannot be read: {error}") from None
    _set(server, server.queue(queue), messages.policy(content))


def _binding(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a binding."""
    for option in (
        click.option("--role", required=True, metavar="ROLE", help="roles/cloudtasks.enqueuer …"),
        click.option("--member", required=True, metavar="MEMBER", help="user:EMAIL …"),
    ):
        function = option(function)
    return function


@click.command("add-iam-policy-binding")
@arguments.queue
@_binding
@remote.options
def add(server: Remote, queue: str, member: str, role: str) -> None:
    """Give a member a role on a queue."""
    name = server.queue(queue)
    policy = server.call("get_iam_policy", resource=name)
    binding = next((each for each in policy.bindings if each.role == role), None)
    if binding is None:
        binding = policy.bindings.add(role=role)
    if member not in binding.members:
        binding.members.append(member)
    _set(server, name, policy)


@click.command("remove-iam-policy-binding")
@arguments.queue
@_binding
@remote.options
def remove(server: Remote, queue: str, member: str, role: str) -> None:
    """Take a role on a queue from a member."""
    name = server.queue(queue)
    policy = server.call("get_iam_policy", resource=name)
    bindings = [each for each in policy.bindings if each.role == role and member in each.members]
    if not bindings:
        terminal.fail([f"the policy has no binding of {role} to {member}"], terminal.ERROR)
    for binding in bindings:
        binding.members.remove(member)
        if not binding.members:
            policy.bindings.remove(binding)
    _set(server, name, policy)


def _set(server: Remote, name: str, policy: Any) -> None:
    """Save a policy; its etag keeps a change that was made meanwhile."""
    saved = server.call("set_iam_policy", resource=name, policy=policy)
    terminal.note(f"Updated IAM policy for queue [{name.rpartition('/')[2]}].")
    output.show(messages.value(saved), server.format)
