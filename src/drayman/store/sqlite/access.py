"""The verbs of access policies and encryption keys, on a connection inside a transaction."""

from collections.abc import Callable

from drayman.core import errors
from drayman.store.sqlite.rows import Connection, sql

_SQL = sql("access.sql")


def get_policy(connection: Connection, name: str) -> bytes:
    """Return the access policy of a queue."""
    row = connection.execute(_SQL["get_policy"], {"name": name}).fetchone()
    if row is None:
        raise errors.queue_missing()
    return bytes(row[0])


def update_policy(connection: Connection, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """Replace the policy of a queue by what ``change`` makes of it."""
    policy = change(get_policy(connection, name))
    connection.execute(_SQL["set_policy"], {"name": name, "policy": policy})
    return policy


def get_key(connection: Connection, location: str) -> str:
    """Return the name of the key of a location, "" for none."""
    row = connection.execute(_SQL["get_key"], {"location": location}).fetchone()
    return str(row[0]) if row else ""


def set_key(connection: Connection, location: str, key: str) -> None:
    """Set the name of the key of a location."""
    connection.execute(_SQL["set_key"], {"location": location, "key": key})
