"""The verbs of batches and of their operations, on a connection inside a transaction."""

from collections.abc import Callable, Sequence

from drayman.core import errors
from drayman.core.batch import Batch
from drayman.core.clock import Micros
from drayman.core.errors import ServiceError
from drayman.core.limits import Limits
from drayman.core.task import NewTask, Task
from drayman.store.contract import OperationPage
from drayman.store.sqlite import tasks
from drayman.store.sqlite.rows import Connection, find_queue, sql

_SQL = sql("batch.sql")


def create(
    connection: Connection,
    batch: Batch,
    queue: str,
    new: Sequence[NewTask],
    describe: Callable[[list[Task | ServiceError]], bytes],
    now: Micros,
    limits: Limits,
) -> bytes:
    """Create the tasks of a batch and keep what it came to, or return what it came to before."""
    done = _done(connection, batch, now)
    if done is not None:
        return done
    if find_queue(connection, queue) is None:
        raise errors.queue_missing()
    (results,) = tasks.create(connection, [tasks.Creation(queue, new, now)], limits)
    return _keep(connection, batch, describe(results))


def delete(
    connection: Connection,
    batch: Batch,
    names: Sequence[str],
    describe: Callable[[list[ServiceError | None]], bytes],
    now: Micros,
    limits: Limits,
) -> bytes:
    """Delete the tasks of a batch and keep what it came to, or return what it came to before."""
    done = _done(connection, batch, now)
    if done is not None:
        return done
    (results,) = tasks.delete(connection, [(names, now)], limits)
    return _keep(connection, batch, describe(results))


def get(connection: Connection, name: str, now: Micros) -> bytes:
    """Return what a batch came to."""
    row = connection.execute(_SQL["get_operation"], {"name": name, "now": now}).fetchone()
    if row is None:
        raise errors.entity_missing()
    return bytes(row[1])


def list_(
    connection: Connection, location: str, after: str, limit: int, size: int, now: Micros
) -> OperationPage:
    """Return the operations of a location past a name, by count and size."""
    prefix = f"{location}/operations/"
    given = {"after": max(after, prefix), "end": f"{location}/operations0", "limit": limit + 1}
    found = connection.execute(_SQL["list_operations"], given | {"now": now})
    page: list[bytes] = []
    last, total = "", 0
    for name, result in found:
        if len(page) == limit or (page and total + len(result) > size):
            found.close()
            return OperationPage(page, last)
        page.append(result)
        total += len(result)
        last = name
    return OperationPage(page, "")


def forget(connection: Connection, name: str, now: Micros) -> None:
    """Forget what a batch came to."""
    if not connection.execute(_SQL["delete_operation"], {"name": name, "now": now}).rowcount:
        raise errors.entity_missing()


def sweep(connection: Connection, now: Micros, limit: int) -> int:
    """Remove what nobody may ask for any more."""
    return connection.execute(_SQL["sweep_operations"], {"now": now, "limit": limit}).rowcount


def _done(connection: Connection, batch: Batch, now: Micros) -> bytes | None:
    given = {"name": batch.operation, "now": now}
    row = connection.execute(_SQL["get_operation"], given).fetchone()
    if row is None:
        return None
    if row[0] != batch.fingerprint:
        raise errors.request_id_taken()
    return bytes(row[1])


def _keep(connection: Connection, batch: Batch, result: bytes) -> bytes:
    connection.execute(
        _SQL["put_operation"],
        {
            "name": batch.operation,
            "fingerprint": batch.fingerprint,
            "result": result,
            "expire_time": batch.expire_time,
        },
    )
    return result
