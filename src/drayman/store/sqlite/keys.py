"""The verbs of signing keys, on a connection inside a transaction."""

import dataclasses

from drayman.core import keys
from drayman.core.clock import Micros
from drayman.core.keys import SigningKey
from drayman.store.sqlite.rows import Connection, sql

_SQL = sql("key.sql")


def list_(connection: Connection) -> list[SigningKey]:
    """Return all keys, the oldest first."""
    rows = connection.execute(_SQL["list_keys"]).fetchall()
    return [SigningKey(id_, time, pem, given=bool(given)) for id_, time, pem, given in rows]


def put(connection: Connection, key: SigningKey) -> None:
    """Keep a key."""
    connection.execute(_SQL["put_key"], dataclasses.asdict(key))


def sweep(connection: Connection, now: Micros) -> None:
    """Forget the keys that are of no more use."""
    connection.execute(_SQL["sweep_keys"], {"time": keys.swept_before(now)})
