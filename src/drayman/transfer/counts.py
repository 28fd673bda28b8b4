"""How many records of each kind were exported or imported."""

from collections import Counter
from collections.abc import Mapping

from drayman.core.history import DeadLetter
from drayman.core.queue import Queue
from drayman.store.verbs.transfer import StoredTask, Tombstone
from drayman.transfer.records import KmsKey, Record

_KINDS: Mapping[type, str] = {
    Queue: "queues",
    StoredTask: "tasks",
    DeadLetter: "deadLetters",
    Tombstone: "tombstones",
    KmsKey: "kmsKeys",
}
_NOUNS: Mapping[str, tuple[str, str]] = {
    "queues": ("queue", "queues"),
    "tasks": ("task", "tasks"),
    "deadLetters": ("dead letter", "dead letters"),
    "tombstones": ("reserved name", "reserved names"),
    "kmsKeys": ("KMS key", "KMS keys"),
}
"""The kinds in the order in which they are shown, each with its name in singular and plural."""
_ALWAYS = frozenset({"queues", "tasks", "deadLetters"})


def kind(record: Record) -> str:
    """Return the kind of a record."""
    return _KINDS[type(record)]


def describe(counts: Counter[str]) -> str:
    """Return the counts as text; queues, tasks and dead letters also if there are none."""
    return ", ".join(
        f"{counts[kind]:,} {one if counts[kind] == 1 else many}"
        for kind, (one, many) in _NOUNS.items()
        if counts[kind] or kind in _ALWAYS
    )
