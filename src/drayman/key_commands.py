"""The commands ``drayman keys``: what they do to the store, and the lines that they print.

Whoever may write the store may create keys; no server has to run.
"""

import datetime
from collections.abc import Callable, Sequence
from typing import TypeVar

from drayman.access import key_storage, keys
from drayman.access.keys import ApiKey
from drayman.core.clock import SECOND, Micros, SystemClock
from drayman.settings import Settings, SettingsError
from drayman.store import opening
from drayman.store.session import Session

_Result = TypeVar("_Result")

_COLUMNS = ("ID", "NAME", "MEMBER", "ROLES", "CREATED", "ENDS WITH", "STATE")


def create(settings: Settings, name: str, member: str, roles: Sequence[str]) -> str:
    """Create a key and return its text. SettingsError; StoreError."""

    def insert(session: Session, now: Micros) -> str:
        key, text = keys.generate(name, member, tuple(roles), now)
        key_storage.insert(session, key, now)
        return text

    return _run(settings, insert)


def list_keys(settings: Settings) -> list[str]:
    """Return the lines of a table of all keys. SettingsError; StoreError."""
    saved = _run(settings, key_storage.list_keys)
    rows = [_COLUMNS, *map(_row, saved)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def revoke(settings: Settings, text: str) -> str:
    """Revoke the key of an id or a name and return its id. SettingsError; StoreError."""
    return _run(settings, lambda session, now: key_storage.revoke(session, text, now).id)


def _run(settings: Settings, command: Callable[[Session, Micros], _Result]) -> _Result:
    if settings.store == "memory":
        raise SettingsError("--store: a store in memory has no keys; choose sqlite:PATH")
    try:
        with opening.transaction(settings.store) as session:
            return command(session, SystemClock().now())
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _row(key: ApiKey) -> tuple[str, ...]:
    return (
        key.id,
        key.name,
        key.member,
        " ".join(key.roles) or "-",
        _date(key.create_time),
        key.last_four,
        "valid" if key.revoke_time is None else f"revoked {_date(key.revoke_time)}",
    )


def _date(time: Micros) -> str:
    return datetime.datetime.fromtimestamp(time // SECOND, tz=datetime.UTC).isoformat()[:19] + "Z"
