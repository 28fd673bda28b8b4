"""Opening the store that a URL names: ``memory``, ``sqlite:PATH`` or ``postgresql://…``."""

import contextlib
from collections.abc import Iterator
from types import ModuleType

from drayman.core.clock import Clock, Micros
from drayman.core.limits import Limits
from drayman.store.contract import StoreError
from drayman.store.inspection import Report
from drayman.store.session import Session
from drayman.store.sqlite import backup as sqlite_backup
from drayman.store.sqlite import beside
from drayman.store.sqlite import database as sqlite
from drayman.store.sqlite import inspection as sqlite_inspection
from drayman.store.sqlite import probe as sqlite_probe
from drayman.store.sqlite.backup import Progress
from drayman.store.store import Store

_MISSING = (
    'store on PostgreSQL: psycopg is not installed; run: pip install "drayman[server,postgres]"'
)


async def open_store(
    url: str, limits: Limits, clock: Clock, *, server: str | None, safe: bool
) -> Store:
    """Open or create the store of a URL; StoreError.

    The clock is corrected by that of a database that several servers share.

    ``server`` is the name under which this server claims attempts; with None it claims none, and
    the claims of others stay as they are. If ``safe`` is false, a power cut may undo what was
    acknowledged.
    """
    now = clock.now()
    if is_postgres(url):
        store: Store = await _postgres().open_store(
            url, limits, now, server=server, safe=safe, clock=clock
        )
        return store
    release = server is not None
    return await sqlite.open_store(_path(url), limits, now, safe=safe, release=release)


def probe(url: str) -> bool:
    """Return whether a store exists, without changing anything; StoreError if it is unusable."""
    return bool(_postgres().probe(url)) if is_postgres(url) else sqlite_probe.probe(_path(url))


def migrate(url: str) -> int:
    """Create or migrate a store on PostgreSQL; return the number of its format. StoreError."""
    if not is_postgres(url):
        raise StoreError(f"store {url} is migrated when a server starts with it")
    return int(_postgres().migrate(url))


def backup(url: str, target: str, progress: Progress, *, replace: bool) -> int:
    """Copy a store in a file to another file; return its size. StoreError.

    A server may use the store. ``progress`` takes the number of pages copied, and of all.
    """
    if is_postgres(url):
        raise StoreError(
            f"store {without_password(url)} is backed up by PostgreSQL's own programs: pg_dump, or "
            "pg_basebackup with its archive of the write-ahead log"
        )
    return sqlite_backup.backup(_existing_path(url), target, progress, replace=replace)


def inspect(url: str) -> Report:
    """Check a store without changing anything. StoreError if it cannot be read.

    Servers may use it.
    """
    if is_postgres(url):
        report: Report = _postgres().inspect(url)
        return report
    return sqlite_inspection.inspect(_existing_path(url))


def _existing_path(url: str) -> str:
    if url == "memory":
        raise StoreError("a store in memory is in its server alone; choose --store sqlite:PATH")
    return _path(url)


@contextlib.contextmanager
def transaction(url: str) -> Iterator[Session]:
    """Give the session of one transaction on a store in a file or on PostgreSQL. StoreError.

    Servers may use the store at the same time.
    """
    opened = _postgres().transaction(url) if is_postgres(url) else beside.transaction(_path(url))
    with opened as session:
        yield session


@contextlib.contextmanager
def snapshot(url: str) -> Iterator[Session]:
    """Give the session of one transaction that reads a store as it is at its begin. StoreError.

    Servers may use the store at the same time.
    """
    opened = _postgres().snapshot(url) if is_postgres(url) else beside.snapshot(_path(url))
    with opened as session:
        yield session


def copy(source: str, target: str, now: Micros) -> Iterator[tuple[str, int]]:
    """Copy a SQLite store into an empty one on PostgreSQL; yield tables and numbers of rows.

    StoreError.
    """
    if not source.startswith("sqlite:") or not is_postgres(target):
        raise StoreError("copy needs sqlite:PATH and postgresql://HOST/DATABASE, in this order")
    _postgres()
    from drayman.store import copying  # noqa: PLC0415 - psycopg is an extra

    yield from copying.copy(_path(source), target, now)


def without_password(url: str) -> str:
    """Return a URL to show."""
    return str(_postgres().address.without_password(url)) if is_postgres(url) else url


def is_postgres(url: str) -> bool:
    """Return whether a URL names a store on PostgreSQL."""
    return url.startswith(("postgresql://", "postgres://"))


def path(url: str) -> str | None:
    """Return the file of a store, None for one that is in no file."""
    return _path(url) if url.startswith("sqlite:") else None


def _path(url: str) -> str:
    """Return the file of the store, or SQLite's name of a database in memory."""
    return sqlite.MEMORY if url == "memory" else url.partition(":")[2]


def _postgres() -> ModuleType:
    try:
        from drayman.store.postgres import database  # noqa: PLC0415 - psycopg is an extra
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise StoreError(_MISSING) from None
    return database
