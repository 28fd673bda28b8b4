"""What the errors of SQLite mean: for callers, for the operator, for a transaction."""

import errno
import sqlite3
from pathlib import Path

from drayman.core import errors

FULL = "The store has no room left: the disk is full."
"""The message for a caller whose task cannot be stored."""
_STATEMENT_ERRORS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError)
_STATEMENT_CODES = frozenset(
    {sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE}
)
_DAMAGE = frozenset(
    {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ}
)
# A quota that is used up and a file that may not grow are failed writes to SQLite.
_NO_ROOM = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}
)


def is_damage(error: BaseException) -> bool:
    """Return whether a page of the database cannot be read. Other pages may be intact."""
    return _extended_code(error) in _DAMAGE or _code(error) in _DAMAGE


def is_no_room(error: BaseException) -> bool:
    """Return whether a file could not grow."""
    return _extended_code(error) in _NO_ROOM


def affects_all(error: BaseException) -> bool:
    """Return whether an error concerns the whole database rather than one statement."""
    return (
        isinstance(error, sqlite3.Error)
        and not isinstance(error, _STATEMENT_ERRORS)
        and _code(error) not in _STATEMENT_CODES
        and not is_damage(error)
    )


def translate(error: BaseException) -> errors.ServiceError | None:
    """Return the error that a caller gets, None for a fault of this program."""
    if _code(error) == sqlite3.SQLITE_TOOBIG:
        return errors.InvalidArgument("Task size too large")
    if not affects_all(error) and not is_damage(error):
        return None
    if _code(error) == sqlite3.SQLITE_FULL:
        return errors.ResourceExhausted(FULL)
    return errors.Unavailable(f"The store cannot be used at present: {error}.")


def explain(path: str, error: sqlite3.Error | OSError) -> str:
    """Return why a database cannot be opened, as one line for the operator."""
    if _code(error) == sqlite3.SQLITE_BUSY or isinstance(error, BlockingIOError):
        return f"store {path} is in use by another server"
    if _code(error) == sqlite3.SQLITE_NOTADB:
        return f"store {path} is not a SQLite database"
    if is_no_room(error) or getattr(error, "errno", None) == errno.ENOSPC:
        return f"store {path} cannot be opened: the disk is full"
    if is_damage(error):
        return (
            f"store {path} is damaged: {error}; restore a backup, or copy its files and save what "
            f'can be read with sqlite3 (docs/store.md, "A damaged file")'
        )
    return f"store {path} cannot be opened: {_reason(path, error)}"


def _reason(path: str, error: sqlite3.Error | OSError) -> str:
    parent = Path(path).absolute().parent
    if not parent.is_dir():
        return f"{parent}: no such directory"
    if Path(path).is_dir():
        return "it is a directory"
    return str(error)


def _code(error: BaseException) -> int:
    return _extended_code(error) & 0xFF


def _extended_code(error: BaseException) -> int:
    return int(getattr(error, "sqlite_errorcode", 0))
