"""Write docs/reference.md from the tables in the code: settings, calls, limits, statuses.

python tools/reference.py            write it
python tools/reference.py --check    fail when it is not what the tables say
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from drayman import cli
from drayman.access import roles
from drayman.api import admin, calls, permissions
from drayman.commands import queue_options, remote
from drayman.core import clock, limits, status
from drayman.edge import limits as edge
from drayman.observe.metrics import METRICS, Metric
from drayman.settings import OPTIONS
from drayman.tasks_v2 import rpcs
from drayman.value_types import BOOLEAN

FILE = Path(__file__).parents[1] / "docs" / "reference.md"


def main() -> int:
    """Write the page, or check it."""
    text = page()
    if "--check" not in sys.argv:
        FILE.write_text(text)
        return 0
    if FILE.read_text() == text:
        return 0
    print(f"{FILE} is out of date; run: python tools/reference.py")
    return 1


def page() -> str:
    """Return the whole page."""
    return "\n".join(
        [
            "# Reference",
            "",
            "Written by `tools/reference.py` from the tables in the code; do not edit.",
            "",
            "## Settings of `drayman serve`",
            "",
            "The command line overrides the environment, and the environment the file given with",
            "`--config` (or `DRAYMAN_CONFIG`), a TOML file whose keys are the names below without",
            "the dashes. A setting that may be repeated is a list in the file, and separated by",
            "commas in the environment. Durations are written `500ms`, `30s`, `5m`, `24h` or `3d`.",
            "An option without a value is a boolean in file and environment:",
            f"{BOOLEAN.allowed}.",
            "",
            "An unknown key of the file and an unknown variable `DRAYMAN_…` are errors; an empty",
            "variable counts as not set. Ignored are other `DRAYMAN_TEST_…`, for own tests,",
            "the [variables of commands](#commands-that-call-a-server), and those that Kubernetes",
            "sets for a service called `drayman`:",
            "`DRAYMAN_SERVICE_HOST`, `DRAYMAN_PORT_8123_TCP` and so on, and a `DRAYMAN_PORT` that",
            "starts with `tcp://`.",
            "",
            "`drayman serve --check` starts nothing. It checks the settings and the files they",
            "name, and whether the addresses and the store can be used, without changing anything.",
            "It prints each problem on a line and exits with status 2, or prints a summary and",
            "exits with status 0.",
            "",
            *table(("option", "variable", "default", "meaning"), settings()),
            "",
            "## Commands that call a server",
            "",
            "The [command line](cli.md) explains them. Each takes these options:",
            "",
            *table(("option", "variable", "default", "meaning"), common_options()),
            "",
            *table(("command", "its own options", "meaning"), remote_commands()),
            "",
            "`drayman queues create` and `update` have an option for each setting of a queue;",
            "`update` has `--clear-…` for each as well:",
            "",
            *table(("option", "field of the queue", "meaning"), queue_settings()),
            "",
            "## Calls",
            "",
            *table(("call", "over REST", "client method", "permission"), services()),
            "",
            "Calls of other services and of this server; those of operations and locations are",
            "served over gRPC, too.",
            "",
            *table(("call", "over REST", "permission"), other_calls()),
            "",
            "## Roles",
            "",
            "What a role permits while callers are authenticated ([access](access.md)).",
            "",
            *table(("role", "permissions"), granted()),
            "",
            "## Metrics",
            "",
            "What [`/metrics`](operations.md#metrics) has, beside `process_…` and `python_info`.",
            "",
            *table(("metric", "type", "labels", "meaning"), map(metric, METRICS)),
            "",
            "## Limits",
            "",
            *table(("limit", "value"), bounds()),
            "",
            "## Status codes",
            "",
            "The status of a failed call over gRPC and over REST.",
            "",
            *table(("code", "gRPC", "HTTP"), codes()),
            "",
        ]
    )


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return a Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines]


def settings() -> Iterable[tuple[str, ...]]:
    """Return a row for each setting."""
    for option in OPTIONS:
        repeat = " May be repeated." if option.repeatable else ""
        default = f"`{option.default_text}`" if option.default_text else ""
        yield (
            f"`{option.flag}`" if option.switch else f"`{option.flag} {option.metavar}`",
            f"`{option.variable}`",
            default,
            option.help + repeat,
        )


def common_options() -> Iterable[tuple[str, ...]]:
    """Return a row for each option of all commands that call a server."""
    for option in click_options(remote.options(lambda _: None)):
        variables = [option.envvar] if isinstance(option.envvar, str) else option.envvar or []
        default = f"`{option.default}`" if isinstance(option.default, str) else ""
        yield (
            f"`{usage(option)}`",
            ", ".join(f"`{variable}`" for variable in variables),
            default,
            option.help or "",
        )


def remote_commands() -> Iterable[tuple[str, ...]]:
    """Return a row for each command that calls a server."""
    common = {option.name for option in click_options(remote.options(lambda _: None))}
    settings = {setting.name for setting in queue_options.SETTINGS}
    left_out = common | settings | {f"clear_{name}" for name in settings}
    for path, command in leaves(cli.command(), "drayman"):
        if common <= {param.name for param in command.params}:
            own = [each for each in click_options(command) if each.name not in left_out]
            arguments = [
                each.make_metavar(click.Context(command))
                for each in command.params
                if isinstance(each, click.Argument)
            ]
            text = (command.help or "").partition("\n\n")[0].replace("\n", " ")
            options = ", ".join(f"`{usage(each)}`" for each in own)
            yield f"`{' '.join([path, *arguments])}`", options, text


def queue_settings() -> Iterable[tuple[str, ...]]:
    """Return a row for each setting of a queue."""
    for setting in queue_options.SETTINGS:
        yield f"`{setting.flag} {setting.metavar}`", f"`{setting.field}`", setting.help


def leaves(group: click.Group, path: str) -> Iterable[tuple[str, click.Command]]:
    """Return the commands of a group and of the groups in it, with what is typed for them."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def click_options(source: Any) -> list[click.Option]:
    """Return the options of a command, or of a function that is to become one."""
    params = source.params if isinstance(source, click.Command) else source.__click_params__[::-1]
    return [param for param in params if isinstance(param, click.Option)]


def usage(option: click.Option) -> str:
    """Return an option as it is typed."""
    name = max(option.opts, key=len)
    choices = "|".join(option.type.choices) if isinstance(option.type, click.Choice) else None
    metavar = option.metavar or choices
    return name if option.is_flag or not metavar else f"{name} {metavar}"


def services() -> Iterable[tuple[str, ...]]:
    """Return a row for each call."""
    for rpc in rpcs.RPCS:
        permission = permissions.NEEDS[rpc.name].permission
        assert rpc.name in calls.HANDLERS
        yield (
            f"`{rpc.name}`",
            f"`{rpc.verb} /v2/{rpc.path}`",
            f"`{rpc.method}`",
            f"`{permission}`" if permission else "none",
        )


def other_calls() -> Iterable[tuple[str, ...]]:
    """Return a row for each call that the client has no method for."""
    for rpc in rpcs.MIXINS + rpcs.OPERATIONS:
        permission = permissions.NEEDS[rpc.name].permission
        yield f"`{rpc.name}`", f"`{rpc.verb} /v2/{rpc.path}`", f"`{permission}`"
    path = "/v2/{queue}/tasks/{task_id}:buffer"
    yield "`BufferTask`", f"`POST {path}`", f"`{permissions.CREATE_TASK}`"
    for call in admin.CALLS:
        path = admin.PREFIX + call.path
        yield f"`{call.name}`", f"`{call.method} {path}`", f"`{call.permission}`"


def granted() -> Iterable[tuple[str, ...]]:
    """Return a row for each role."""
    for role, held in roles.ROLES.items():
        yield f"`{role}`", ", ".join(f"`{permission}`" for permission in sorted(held))


def metric(row: Metric) -> tuple[str, ...]:
    """Return the row of a metric."""
    labels = ", ".join(f"`{label}`" for label in row.labels)
    return f"`{row.full_name}`", row.kind.value, labels, row.help


def bounds() -> Iterable[tuple[str, ...]]:
    """Return a row for each limit."""
    own = limits.Limits()
    yield "dispatches a second, per queue", f"{own.queue.max_dispatches_per_second:g}"
    yield "attempts in flight, per queue", f"{own.queue.max_concurrent_dispatches:,}"
    yield "size of a stored task", f"{own.task.task_size:,} bytes"
    yield "schedule time ahead", f"{own.task.schedule_horizon // clock.DAY} days"
    yield "age of a task", f"{own.retention.task_retention // clock.DAY} days"
    yield "length of a URL", f"{limits.URL_LENGTH:,} characters"
    yield "headers of an HTTP task", f"less than {limits.HEADERS_SIZE // 1024} KB"
    low, high = limits.HTTP_DEADLINE_RANGE
    yield "deadline of an HTTP attempt", f"{low // clock.SECOND} s to {high // clock.MINUTE} min"
    low, high = limits.APP_ENGINE_DEADLINE_RANGE
    yield (
        "deadline of an App Engine attempt",
        f"{low // clock.SECOND} s to {high // clock.SECOND} s",
    )
    yield "queues in a page", f"{limits.QUEUES_PAGE:,}"
    yield (
        "size of a request that creates tasks, and of others",
        f"{limits.REQUEST_SIZE >> 20} MB, {limits.PLAIN_REQUEST_SIZE >> 20} MB",
    )
    yield "values of a request: fields, headers, list items", f"{limits.REQUEST_VALUES:,}"
    yield "tasks in a page", f"{limits.TASKS_PAGE:,}, {limits.PAGE_BYTES >> 20} MB"
    total, address = edge.CONNECTIONS, edge.CONNECTIONS_OF_ADDRESS
    yield "connections, and those of one address", f"{total:,}, {address:,}"
    yield (
        "calls in progress, and those of one connection",
        (f"{edge.CONCURRENT_CALLS:,}, {edge.CONCURRENT_STREAMS:,}"),
    )
    total, connection = edge.BYTES_IN_FLIGHT >> 20, edge.BYTES_OF_CONNECTION >> 20
    yield (
        "requests and unread responses, and those of one connection",
        (f"{total} MB, {connection} MB"),
    )
    yield (
        "header fields of a request",
        (f"{edge.METADATA_SIZE >> 10} KB; over HTTP/1.1 {edge.HTTP1_FIELDS} fields"),
    )
    yield "time for a request to arrive", f"{edge.REQUEST_TIMEOUT // clock.SECOND} s"
    discarded = f"{edge.DISCARDED_BYTES >> 20} MB, {edge.DISCARD_TIMEOUT // clock.SECOND} s"
    yield "what a refused caller of HTTP/1.1 may go on to send", discarded
    yield "time without reading a response", f"{edge.WRITE_TIMEOUT // clock.SECOND} s"


def codes() -> Iterable[tuple[str, ...]]:
    """Return a row for each status code."""
    for code, http in status.HTTP_STATUS.items():
        yield f"`{code.name}`", str(code.value), str(http)


if __name__ == "__main__":
    raise SystemExit(main())
