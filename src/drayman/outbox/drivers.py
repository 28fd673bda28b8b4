"""Running a statement on a connection of a driver, whose type is known by its name.

No driver is imported here: whoever passes a connection has imported its driver.
"""

import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from google.api_core import exceptions

from drayman.outbox.statements import Statement

_SQLSTATE = re.compile(r"TK(\d{3})")
"""The SQLSTATE of an error of the API: the number is that of its status code."""


def execute(connection: Any, statement: Statement) -> list[Any]:
    """Run a statement; return its column. TypeError; GoogleAPICallError for errors of the API."""
    run = _find(connection, _SYNC, _ASYNC, "is of asyncio: call the function that ends in _async")
    with _translated():
        rows: list[Any] = run(connection, statement)
        return rows


async def execute_async(connection: Any, statement: Statement) -> list[Any]:
    """Do the same as ``execute`` on a connection of asyncio."""
    run = _find(connection, _ASYNC, _SYNC, "is not of asyncio: call the function without _async")
    with _translated():
        rows: list[Any] = await run(connection, statement)
        return rows


def _psycopg(connection: Any, statement: Statement) -> list[Any]:
    with connection.cursor(row_factory=_tuples) as cursor:
        cursor.execute(statement.pyformat(), statement.params)
        return [row[0] for row in cursor.fetchall()]


def _django(connection: Any, statement: Statement) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement.pyformat(), statement.params)
        return [row[0] for row in cursor.fetchall()]


def _sqlalchemy(connection: Any, statement: Statement) -> list[Any]:
    result = connection.execute(_sqlalchemy_text(statement), statement.params)
    return list(result.scalars())


async def _psycopg_async(connection: Any, statement: Statement) -> list[Any]:
    async with connection.cursor(row_factory=_tuples) as cursor:
        await cursor.execute(statement.pyformat(), statement.params)
        return [row[0] for row in await cursor.fetchall()]


async def _asyncpg(connection: Any, statement: Statement) -> list[Any]:
    rows = await connection.fetch(statement.numbered(), *statement.params.values())
    return [row[0] for row in rows]


async def _sqlalchemy_async(connection: Any, statement: Statement) -> list[Any]:
    result = await connection.execute(_sqlalchemy_text(statement), statement.params)
    return list(result.scalars())


_SYNC: Mapping[str, Callable[[Any, Statement], list[Any]]] = {
    "psycopg.Connection": _psycopg,
    "sqlalchemy.Connection": _sqlalchemy,
    "sqlalchemy.Session": _sqlalchemy,
    "sqlalchemy.scoped_session": _sqlalchemy,
    "django.ConnectionProxy": _django,
    "django.BaseDatabaseWrapper": _django,
}
"""How a statement is run, by package and class of a connection."""
_ASYNC: Mapping[str, Callable[[Any, Statement], Awaitable[list[Any]]]] = {
    "psycopg.AsyncConnection": _psycopg_async,
    "asyncpg.Connection": _asyncpg,
    "asyncpg.PoolConnectionProxy": _asyncpg,
    "sqlalchemy.AsyncConnection": _sqlalchemy_async,
    "sqlalchemy.AsyncSession": _sqlalchemy_async,
    "sqlalchemy.async_scoped_session": _sqlalchemy_async,
}


def _find(connection: Any, table: Mapping[str, Any], others: Mapping[str, Any], hint: str) -> Any:
    """Return what runs a statement on a connection; TypeError."""
    kinds = [
        f"{each.__module__.partition('.')[0]}.{each.__name__}" for each in type(connection).__mro__
    ]
    for kind in kinds:
        if kind in table:
            return table[kind]
    if any(kind in others for kind in kinds):
        raise TypeError(f"this connection {hint}")
    raise TypeError(
        f"{kinds[0]} is no connection of psycopg, asyncpg, SQLAlchemy or Django that is known here"
    )


def _tuples(_cursor: Any) -> Any:
    """Return a row factory of psycopg, whatever the connection's own is."""
    return tuple


def _sqlalchemy_text(statement: Statement) -> Any:
    from sqlalchemy import text  # noqa: PLC0415 - the caller has imported it

    return text(statement.text)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Raise errors of the SQL functions as the client library raises those of calls."""
    try:
        yield
    except Exception as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        raise refusal from error


def _refusal(error: Exception) -> exceptions.GoogleAPICallError | None:
    """Return the error of the API that an exception of a driver stands for, if it is one."""
    original = getattr(error, "orig", None)  # SQLAlchemy's
    for cause in (getattr(original, "__cause__", None), original, error.__cause__, error):
        match = _SQLSTATE.fullmatch(_sqlstate(cause))
        if match:
            refusal: exceptions.GoogleAPICallError = exceptions.from_grpc_status(
                int(match[1]), _message(cause)
            )
            return refusal
    return None


def _sqlstate(error: Any) -> str:
    """Return the SQLSTATE of an exception of a driver, empty if it has none."""
    # psycopg2 calls it pgcode.
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""


def _message(error: Any) -> str:
    """Return the primary message of an error of psycopg or asyncpg."""
    diagnostics = getattr(error, "diag", None)
    return str(diagnostics.message_primary if diagnostics else error).partition("\n")[0]
