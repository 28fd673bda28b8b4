"""Ids of tasks: how they are generated, and when a name may be used (again).

    the name belongs to               creating a task          any other call
    ------------------------------    ---------------------    ---------------------------
    a live task                       ALREADY_EXISTS           finds it
    a task that is recently gone      ALREADY_EXISTS ("too     NOT_FOUND ("no longer
    (tombstone)                       recently")               exists")
    none                              creates it               NOT_FOUND

A generated id is the ``seq`` of the task: a decimal number of 19 digits that starts with the time
of its creation, so that the recent end of such a task is known without a tombstone.
"""

from typing import NamedTuple

from drayman.core import errors
from drayman.core.clock import Micros
from drayman.core.errors import ServiceError

SEQS_PER_MICRO = 1_000
"""How many seqs a microsecond has."""
_DIGITS = 19
_MAX_SEQ = (1 << 63) - 1


class NameUse(NamedTuple):
    """What a task name belongs to.

    Attributes:
        seq: The seq of the live task, None if there is none.
        tombstone: Whether a task of that name is recently gone.
    """

    seq: int | None
    tombstone: bool


def first_seq(now: Micros) -> int:
    """Return the smallest seq of a moment.

    It is odd: even multiples are what people choose who use the time as an id of their own.
    """
    return now * SEQS_PER_MICRO + 1


def oldest_seq(now: Micros, retention: Micros) -> int:
    """Return the smallest seq of the tasks that are within their retention."""
    return (now - retention) * SEQS_PER_MICRO


def parse(task_id: str) -> int | None:
    """Return the seq that a generated id is, None if an id was not generated."""
    if len(task_id) == _DIGITS and task_id.isascii() and task_id.isdigit():
        seq = int(task_id)
        return seq if seq <= _MAX_SEQ else None
    return None


def creation_error(use: NameUse) -> ServiceError | None:
    """Return why a task of a name cannot be created, None if it can."""
    if use.seq is not None:
        return errors.task_exists()
    return errors.task_existed() if use.tombstone else None


def missing_error(use: NameUse, task_id: str, now: Micros, tombstone: Micros) -> ServiceError:
    """Return the error for a task that is not there; ``tombstone`` is how long one lasts."""
    seq = parse(task_id)
    was_generated = seq is not None and now - tombstone <= seq // SEQS_PER_MICRO <= now
    return errors.task_gone() if use.tombstone or was_generated else errors.entity_missing()
