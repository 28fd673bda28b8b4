"""``drayman tasks``: list, create, run and delete tasks."""

import base64
import datetime
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from drayman.commands import (
    ages,
    arguments,
    messages,
    output,
    queue_options,
    remote,
    resources,
    terminal,
)
from drayman.commands.output import Column
from drayman.commands.remote import Remote

_VIEW = click.Choice(["basic", "full"])


def _type(task: Any) -> str:
    return "app-engine" if "appEngineHttpRequest" in task else "http"


def _last_status(task: Any) -> str:
    return output.field(task, "lastAttempt.responseStatus.message") or "Unknown"


def _count(field: str) -> Callable[[Any], str]:
    return lambda task: str(task.get(field, 0))


_COLUMNS = (
    Column("TASK_NAME", "name.basename()"),
    Column("TYPE", _type, rank=1),
    ages.column("CREATE_TIME", "createTime")._replace(rank=2),
    ages.column("SCHEDULE_TIME", "scheduleTime"),
    Column("DISPATCH_ATTEMPTS", _count("dispatchCount"), numeric=True),
    Column("RESPONSE_ATTEMPTS", _count("responseCount"), numeric=True, rank=3),
    Column("LAST_ATTEMPT_STATUS", _last_status),
)


@click.group("tasks")
def command() -> None:
    """Create, list and delete tasks."""


@command.command("list")
@arguments.queue_option(required=True)
@arguments.paging
@remote.options
def _list(server: Remote, queue: str, limit: int | None, page_size: int | None) -> None:
    """List the tasks of a queue."""
    pager = server.call("list_tasks", parent=server.queue(queue), page_size=page_size or 0)
    rows = map(messages.value, arguments.limited(pager, limit))
    output.show_list(rows, server.format, _COLUMNS, "Listed 0 items.")


@command.command("describe")
@arguments.task
@click.option(
    "--response-view", type=_VIEW, default="basic", show_default=True,
    help="full shows the body as well.",
)  # fmt: skip
@remote.options
def _describe(server: Remote, task: str, queue: str | None, response_view: str) -> None:
    """Show a task."""
    name = server.task(task, queue)
    message = server.call("get_task", name=name, response_view=response_view.upper())
    output.show(messages.value(message), server.format)


def _content(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that tasks of both kinds have."""
    for option in (
        click.option(
            "--body-file", metavar="FILE", help="File with the body, - for standard input."
        ),
        click.option("--body-content", metavar="TEXT", help="The body."),
        click.option(
            "--header", "headers", type=queue_options.header, multiple=True,
            metavar="NAME: VALUE", help="Header of the request. May be repeated.",
        ),
        click.option(
            "--method", type=queue_options.METHOD, metavar="METHOD",
            help="Method of the request; POST by default.",
        ),
        click.option(
            "--dispatch-deadline", type=queue_options.duration, metavar="DURATION",
            help="Time limit of one attempt.",
        ),
        click.option(
            "--schedule-time", type=_time, metavar="TIME",
            help="Time of the first attempt, 2026-01-01T12:00:00Z; at once if absent.",
        ),
        arguments.queue_option(required=True),
        click.argument("task", required=False),
    ):  # fmt: skip
        function = option(function)
    return function


def _time(text: str) -> str:
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("must be a time such as 2026-01-01T12:00:00Z") from None
    return (time if time.tzinfo else time.replace(tzinfo=datetime.UTC)).isoformat()


@command.command("create-http-task")
@click.option("--url", required=True, metavar="URL", help="URL of the request.")
@click.option("--oidc-service-account-email", metavar="EMAIL", help="Account of an OIDC token.")
@click.option("--oidc-token-audience", metavar="AUDIENCE", help="Audience of that token.")
@click.option("--oauth-service-account-email", metavar="EMAIL", help="Account of an OAuth token.")
@click.option("--oauth-token-scope", metavar="SCOPE", help="Scope of that token.")
@_content
@remote.options
def _create_http_task(
    server: Remote,
    url: str,
    oidc_service_account_email: str | None,
    oidc_token_audience: str | None,
    oauth_service_account_email: str | None,
    oauth_token_scope: str | None,
    **params: Any,
) -> None:
    """Create a task that sends an HTTP request to a URL."""
    request = {"url": url}
    tokens = {
        "oidcToken": _token(oidc_service_account_email, "audience", oidc_token_audience),
        "oauthToken": _token(oauth_service_account_email, "scope", oauth_token_scope),
    }
    chosen = {name: token for name, token in tokens.items() if token}
    if len(chosen) > 1:
        raise click.UsageError("a task carries an OIDC token or an OAuth token, not both")
    _create(server, "httpRequest", request | chosen, **params)


@command.command("create-app-engine-task")
@click.option("--relative-uri", metavar="PATH", help="Path and query of the request.")
@click.option(
    "--routing", type=queue_options.routing, metavar="KEY:VALUE,…",
    help="Route of the task; keys service, version, instance.",
)  # fmt: skip
@_content
@remote.options
def _create_app_engine_task(
    server: Remote, relative_uri: str | None, routing: Any, **params: Any
) -> None:
    """Create a task that sends a request to an App Engine service."""
    request = {"relativeUri": relative_uri, "appEngineRouting": routing}
    _create(server, "appEngineHttpRequest", _present(request), **params)


def _create(
    server: Remote,
    kind: str,
    request: dict[str, Any],
    *,
    task: str | None,
    queue: str,
    schedule_time: str | None,
    dispatch_deadline: str | None,
    method: str | None,
    headers: tuple[tuple[str, str], ...],
    body_content: str | None,
    body_file: str | None,
) -> None:
    parent = server.queue(queue)
    body = _body(body_content, body_file)
    request |= _present({"httpMethod": method, "headers": dict(headers) or None})
    value = _present(
        {
            "name": server.task(task, parent) if task else None,
            "scheduleTime": schedule_time,
            "dispatchDeadline": dispatch_deadline,
            kind: request | ({"body": base64.b64encode(body).decode()} if body else {}),
        }
    )
    created = server.call("create_task", parent=parent, task=messages.task(value))
    server.report(f"Created task [{created.name}].", created)


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _token(email: str | None, name: str, value: str | None) -> dict[str, str] | None:
    if email is None and value is not None:
        raise click.UsageError(f"the {name} of a token needs the email of its service account")
    return _present({"serviceAccountEmail": email, name: value}) if email else None


def _body(content: str | None, file: str | None) -> bytes | None:
    if content is not None and file is not None:
        raise click.UsageError("give --body-content or --body-file, not both")
    if file is None:
        return None if content is None else content.encode()
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise click.UsageError(f"--body-file: {file}: {error.strerror}") from None


@command.command("run")
@arguments.task
@remote.options
def _run(server: Remote, task: str, queue: str | None) -> None:
    """Make an attempt of a task now, whatever its time and the state of its queue."""
    output.show(
        messages.value(server.call("run_task", name=server.task(task, queue))), server.format
    )


@command.command("delete")
@arguments.task
@remote.options
def _delete(server: Remote, task: str, queue: str | None) -> None:
    """Delete a task."""
    name = server.task(task, queue)
    task_id = name.rpartition("/")[2]
    terminal.confirm(f"Are you sure you want to delete: [{task_id}]", quiet=server.quiet)
    server.call("delete_task", name=name)
    terminal.note(f"Deleted task [{task_id}].")


@command.command("buffer")
@arguments.queue_option(required=True)
@click.option("--task-id", default="", metavar="ID", help="Id of the task; generated if absent.")
@click.option(
    "--header", "headers", type=queue_options.header, multiple=True, metavar="NAME: VALUE",
    help="Header of the request, such as its Content-Type. May be repeated.",
)  # fmt: skip
@click.option("--body-content", metavar="TEXT", help="The body.")
@click.option("--body-file", metavar="FILE", help="File with the body, - for standard input.")
@remote.options
def _buffer(
    server: Remote,
    queue: str,
    task_id: str,
    headers: tuple[tuple[str, str], ...],
    body_content: str | None,
    body_file: str | None,
) -> None:
    """Create a task from a body alone, in a queue with an HTTP target of its own."""
    name = server.queue(queue)
    created = server.http(
        "POST", f"/v2/{name}/tasks/{task_id}:buffer", data=_body(body_content, body_file) or b"",
        headers=dict(headers),
    )  # fmt: skip
    server.report(f"Buffered task in queue [{resources.short(name)}].", created["task"])
