"""Task ids: how they are generated, and which names are free.

    the name belongs to             creating a task        GetTask                any other call
    ----------------------------    -------------------    -------------------    --------------
    an existing task                ALREADY_EXISTS         finds it               finds it
    a task that is recently gone    ALREADY_EXISTS         NOT_FOUND              NOT_FOUND
    (tombstone)                     ("too recently")       ("no longer exists")
    no task                         creates it             NOT_FOUND              NOT_FOUND

A generated id is the ``seq`` of the task as a decimal number of 19 digits. It starts with the time
of creation, so that a generated name can be recognized as recent without a tombstone.
"""

from typing import NamedTuple

from drayman.core import errors
from drayman.core.clock import Micros
from drayman.core.errors import ServiceError

SEQS_PER_MICRO = 1_000
"""The number of seqs of a microsecond."""
_DIGITS = 19
_MAX_SEQ = (1 << 63) - 1


class NameUse(NamedTuple):
    """What a task name belongs to.

    Attributes:
        seq: The seq of the task of this name, None if there is none.
        tombstone: Whether a task of this name is recently gone.
    """

    seq: int | None
    tombstone: bool


def first_seq(now: Micros) -> int:
    """Return the smallest seq of a point in time.

    It is no round number: callers who use the time as an id choose multiples of 1,000.
    """
    return now * SEQS_PER_MICRO + 1


def oldest_seq(now: Micros, retention: Micros) -> int:
    """Return the smallest seq of a task within its retention."""
    return (now - retention) * SEQS_PER_MICRO


def parse(task_id: str) -> int | None:
    """Return the seq of a generated id, None for an id of another form."""
    if len(task_id) == _DIGITS and task_id.isascii() and task_id.isdigit():
        seq = int(task_id)
        return seq if seq <= _MAX_SEQ else None
    return None


def creation_error(use: NameUse) -> ServiceError | None:
    """Return the error for the creation of a task with a name, None if the name is free."""
    if use.seq is not None:
        return errors.task_exists()
    return errors.task_existed() if use.tombstone else None


def missing_error(use: NameUse, task_id: str, now: Micros, tombstone: Micros) -> ServiceError:
    """Return the error of GetTask for an absent task; ``tombstone`` is how long one lasts."""
    seq = parse(task_id)
    was_generated = seq is not None and now - tombstone <= seq // SEQS_PER_MICRO <= now
    return errors.task_gone() if use.tombstone or was_generated else errors.entity_missing()
