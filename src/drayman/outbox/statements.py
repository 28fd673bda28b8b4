"""The statements that call the SQL functions of the outbox, from checked arguments.

Fields are checked by the rules of the server (``wire``). Limits that are settings of servers are
left to the SQL functions, which know them.
"""

import contextlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from google.api_core import exceptions

from drayman.core import headers, names
from drayman.core.clock import Micros, SystemClock
from drayman.core.errors import ServiceError
from drayman.core.limits import TaskLimits
from drayman.tasks_v2 import rpcs, types
from drayman.tasks_v2.services.cloud_tasks import requests
from drayman.wire import json_writer
from drayman.wire import tasks as task_rules

_RPCS = {rpc.method: rpc for rpc in rpcs.RPCS}
_CREATE, _DELETE = _RPCS["create_task"], _RPCS["delete_task"]
_check_parent, _check_name = (
    names.resource_check(rpc.pattern, f"{rpc.service}.{rpc.name}", rpc.permission)
    for rpc in (_CREATE, _DELETE)
)
_UNLIMITED = TaskLimits(task_size=sys.maxsize, schedule_horizon=sys.maxsize, allow_http_tokens=True)
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_PARAM = re.compile(r":(\w+)")


class Statement(NamedTuple):
    """A statement that returns rows of one column.

    Attributes:
        text: Its text, with parameters as ``:name``.
        params: The values of the parameters, all of them text.
    """

    text: str
    params: Mapping[str, str]

    def pyformat(self) -> str:
        """Return the text with parameters as ``%(name)s``."""
        return _PARAM.sub(r"%(\1)s", self.text)

    def numbered(self) -> str:
        """Return the text with parameters as ``$1``, in their order."""
        numbers = {name: number for number, name in enumerate(self.params, start=1)}
        return _PARAM.sub(lambda match: f"${numbers[match[1]]}", self.text)


class Creation(NamedTuple):
    """A statement that creates tasks.

    Attributes:
        statement: It returns the names of the tasks.
        messages: The tasks as given.
    """

    statement: Statement
    messages: Sequence[Any]

    def tasks(self, created: Sequence[str]) -> list[types.Task]:
        """Return the tasks with their names."""
        for message, name in zip(self.messages, created, strict=True):
            message.name = name
        return [types.Task.wrap(message) for message in self.messages]


def create_task(request: Any, parent: str | None, task: Any, schema: str) -> Creation:
    """Return the statement for a call of ``create_task``."""
    message = requests.build(_CREATE, request, {"parent": parent, "task": task})
    return create_tasks(message.parent, [message.task], schema)


def create_tasks(parent: str, tasks: Iterable[Any], schema: str) -> Creation:
    """Return the statement for a call of ``create_tasks``."""
    now = SystemClock().now()
    with raised_as_api_errors():
        _check_parent(parent)
        messages = [_checked(parent, task, now) for task in tasks]
    params = {
        "parent": parent,
        "tasks": json.dumps([json_writer.render(message) for message in messages]),
    }
    text = f"SELECT * FROM {_identifier(schema)}.create_tasks(CAST(:parent AS text), "  # noqa: S608 - checked
    return Creation(Statement(f"{text}CAST(CAST(:tasks AS text) AS jsonb))", params), messages)


def delete_task(request: Any, name: str | None, schema: str) -> Statement:
    """Return the statement for a call of ``delete_task``."""
    message = requests.build(_DELETE, request, {"name": name})
    with raised_as_api_errors():
        _check_name(message.name)
    text = f"SELECT CAST({_identifier(schema)}.delete_task(CAST(:name AS text)) AS text)"
    return Statement(text, {"name": message.name})


@contextlib.contextmanager
def raised_as_api_errors() -> Iterator[None]:
    """Raise errors of the rules as the client library raises those of calls."""
    try:
        yield
    except ServiceError as error:
        raise exceptions.from_grpc_status(int(error.code), error.message) from None


def _checked(parent: str, task: Any, now: Micros) -> Any:
    """Return a copy of a task as a protobuf message; ServiceError if it breaks a rule."""
    message = types.Task.pb(types.Task(task))
    task_rules.parse(parent, message, now, _UNLIMITED)
    headers.sanitize(task_rules.payload(message).headers)  # JSON of PostgreSQL has no NUL
    return message


def _identifier(schema: str) -> str:
    """Return a schema as an identifier of SQL: a reserved word is a name only in quotes."""
    if not _SCHEMA.fullmatch(schema):
        raise ValueError(f"{schema!r} is not the schema of a store")
    return f'"{schema}"'
