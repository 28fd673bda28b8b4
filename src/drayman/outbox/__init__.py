"""Tasks that are created and deleted within a transaction of the caller, on PostgreSQL.

They exist exactly if the transaction commits. The functions take the caller's connection: of
psycopg, asyncpg, SQLAlchemy (connections and sessions) or Django. Those that end in ``_async`` are
for connections of asyncio.

Example:
    >>> with psycopg.connect(...) as connection:
    ...     connection.execute("INSERT INTO invoice ...")
    ...     outbox.create_task(connection, parent=queue, task=tasks.http_task(url, json=invoice))
"""

from collections.abc import Iterable, Mapping
from typing import Any

from drayman.outbox import drivers, statements
from drayman.tasks_v2 import types

__all__ = [
    "create_task",
    "create_task_async",
    "create_tasks",
    "create_tasks_async",
    "delete_task",
    "delete_task_async",
]

SCHEMA = "drayman"
"""The schema of a store whose URL names none."""

_Task = types.Task | Mapping[str, Any]


def create_task(
    connection: Any,
    request: types.CreateTaskRequest | Mapping[str, Any] | None = None,
    *,
    parent: str | None = None,
    task: _Task | None = None,
    schema: str = SCHEMA,
) -> types.Task:
    """Create a task in a queue when the transaction of ``connection`` commits.

    ``request``, ``parent`` and ``task`` are those of ``CloudTasksClient.create_task``. ``schema``
    is the schema of the store.

    Returns:
        The task as given, with its name.

    Raises:
        google.api_core.exceptions.GoogleAPICallError: The error of CreateTask. If the database
            found it, the transaction has failed: roll back, at least to a savepoint.
        TypeError: ``connection`` is of an unknown type.
        ValueError: ``request`` is given with ``parent`` or ``task``.
    """
    creation = statements.create_task(request, parent, task, schema)
    return creation.tasks(drivers.execute(connection, creation.statement))[0]


def create_tasks(
    connection: Any, parent: str, tasks: Iterable[_Task], *, schema: str = SCHEMA
) -> list[types.Task]:
    """Create any number of tasks in a queue, in one statement, when the transaction commits.

    All of them are created or, after an error, none. Returns and raises as ``create_task`` does.
    """
    creation = statements.create_tasks(parent, tasks, schema)
    return creation.tasks(drivers.execute(connection, creation.statement))


def delete_task(
    connection: Any,
    request: types.DeleteTaskRequest | Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    schema: str = SCHEMA,
) -> None:
    """Delete a task when the transaction of ``connection`` commits.

    ``request`` and ``name`` are those of ``CloudTasksClient.delete_task``; raises as
    ``create_task`` does.
    """
    drivers.execute(connection, statements.delete_task(request, name, schema))


async def create_task_async(
    connection: Any,
    request: types.CreateTaskRequest | Mapping[str, Any] | None = None,
    *,
    parent: str | None = None,
    task: _Task | None = None,
    schema: str = SCHEMA,
) -> types.Task:
    """Do the same as ``create_task`` on a connection of asyncio."""
    creation = statements.create_task(request, parent, task, schema)
    return creation.tasks(await drivers.execute_async(connection, creation.statement))[0]


async def create_tasks_async(
    connection: Any, parent: str, tasks: Iterable[_Task], *, schema: str = SCHEMA
) -> list[types.Task]:
    """Do the same as ``create_tasks`` on a connection of asyncio."""
    creation = statements.create_tasks(parent, tasks, schema)
    return creation.tasks(await drivers.execute_async(connection, creation.statement))


async def delete_task_async(
    connection: Any,
    request: types.DeleteTaskRequest | Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    schema: str = SCHEMA,
) -> None:
    """Do the same as ``delete_task`` on a connection of asyncio."""
    await drivers.execute_async(connection, statements.delete_task(request, name, schema))
