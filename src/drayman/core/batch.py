"""Batches of creations or deletions, and their results as they are stored.

A result is stored as data and rendered as a message only when it is read.
"""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from drayman.core import errors
from drayman.core.clock import DAY, Micros
from drayman.core.errors import ServiceError
from drayman.core.task import NewTask, Task

RETENTION: Micros = DAY
"""How long an operation can be read, and how long its id cannot be used again."""
_LENGTH_SIZE = 4
"""Bytes of the number before the header."""


class Creations(NamedTuple):
    """The items of a batch that creates tasks.

    Attributes:
        queue: The full name of the queue.
        tasks: For each item the task to create, or an encoded error if the item failed
            validation. The store does not interpret the error.
        views: For each item the requested view, which the store does not interpret.
    """

    queue: str
    tasks: Sequence[NewTask | bytes]
    views: Sequence[int]


class Deletions(NamedTuple):
    """The items of a batch that deletes tasks.

    Attributes:
        names: The full names of the tasks.
    """

    names: Sequence[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """A batch that runs at most once.

    Attributes:
        operation: The full name of its operation, which no other batch may have.
        expire_time: When its operation may be deleted.
        items: The tasks to create or delete.
    """

    operation: str
    expire_time: Micros
    items: Creations | Deletions


Item = Task | ServiceError | bytes | None


@dataclasses.dataclass(frozen=True, slots=True)
class BatchResult:
    """The result of a batch.

    Attributes:
        operation: The full name of its operation.
        time: When it ran.
        deletes: Whether it deleted tasks; otherwise it created tasks.
        results: For each item the created task, None for a deleted one, the error of the store,
            or the encoded error of an item that failed validation.
        views: For each creation the requested view.
    """

    operation: str
    time: Micros
    deletes: bool
    results: Sequence[Item]
    views: Sequence[int] = ()


def encode(result: BatchResult) -> bytes:
    """Encode a result: the length of a header, the header in JSON, the bodies of the items.

    Bodies are stored unchanged, so that encrypted tasks stay encrypted.
    """
    header = {
        "time": result.time,
        "deletes": result.deletes,
        "views": list(result.views),
        "results": [_encode_item(item) for item in result.results],
    }
    text = json.dumps(header).encode()
    return b"".join((len(text).to_bytes(_LENGTH_SIZE), text, *map(_body, result.results)))


def decode(operation: str, content: bytes) -> BatchResult:
    """Decode the result of an operation."""
    start = _LENGTH_SIZE + int.from_bytes(content[:_LENGTH_SIZE])
    header = json.loads(content[_LENGTH_SIZE:start])
    results: list[Item] = []
    for item in header["results"]:
        size = item.get("size", 0) if item else 0
        results.append(_decode_item(item, content[start : start + size]))
        start += size
    return BatchResult(operation, header["time"], header["deletes"], results, header["views"])


def _body(item: Item) -> bytes:
    """Return the bytes of an item that are stored after the header."""
    if isinstance(item, Task):
        return item.request
    return item if isinstance(item, bytes) else b""


def _encode_item(item: Item) -> dict[str, Any] | None:
    if item is None:
        return None
    if isinstance(item, ServiceError):
        return {"error": errors.encode(item)}
    if isinstance(item, bytes):
        return {"size": len(item)}
    return {
        "name": item.name,
        "create_time": item.create_time,
        "schedule_time": item.schedule_time,
        "size": len(item.request),
    }


def _decode_item(item: dict[str, Any] | None, body: bytes) -> Item:
    if item is None:
        return None
    if "error" in item:
        return errors.decode(item["error"])
    if "name" not in item:
        return body
    return Task(item["name"], item["create_time"], item["schedule_time"], body)
