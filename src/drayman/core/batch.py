"""A batch of calls, and what it came to: data that is stored as it is and rendered when read."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from drayman.core import errors
from drayman.core.clock import DAY, Micros
from drayman.core.errors import ServiceError
from drayman.core.task import NewTask, Task

RETENTION: Micros = DAY
"""How long an operation can be read, and its request be repeated safely."""
_HEADER_LENGTH = 4


class Creations(NamedTuple):
    """The items of a batch that creates tasks.

    Attributes:
        queue: The full name of the queue.
        tasks: The tasks; in the place of one that was refused already, the reason in bytes that
            the store does not interpret.
        views: The view that each item asks for; the store does not interpret it.
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
    """A batch that runs once.

    Attributes:
        operation: The full name of its operation.
        fingerprint: Digest of the request: another request may not use the same operation.
        expire_time: When its operation may be forgotten.
        items: What it creates or deletes.
    """

    operation: str
    fingerprint: bytes
    expire_time: Micros
    items: Creations | Deletions


Item = Task | ServiceError | bytes | None


@dataclasses.dataclass(frozen=True, slots=True)
class BatchResult:
    """What a batch came to.

    Attributes:
        operation: The full name of its operation.
        fingerprint: Digest of the request.
        time: When it ran.
        deletes: Whether it deleted tasks; otherwise it created them.
        results: For each item the task that was created, None for one that was deleted, the
            error, or the reason in bytes of an item that was refused before.
        views: The view that each created item asks for.
        repeated: Whether the batch had run before.
    """

    operation: str
    fingerprint: bytes
    time: Micros
    deletes: bool
    results: Sequence[Item]
    views: Sequence[int] = ()
    repeated: bool = False


def encode(result: BatchResult) -> bytes:
    """Return a result as bytes for the store: a header in JSON, then the items' bytes.

    These stay as they are, so that encrypted ones remain encrypted.
    """
    header = {
        "fingerprint": result.fingerprint.hex(),
        "time": result.time,
        "deletes": result.deletes,
        "views": list(result.views),
        "results": [_encode_item(item) for item in result.results],
    }
    text = json.dumps(header).encode()
    return b"".join((len(text).to_bytes(_HEADER_LENGTH), text, *map(_body, result.results)))


def decode(operation: str, content: bytes) -> BatchResult:
    """Return the result of an operation from its stored bytes."""
    start = _HEADER_LENGTH + int.from_bytes(content[:_HEADER_LENGTH])
    header = json.loads(content[_HEADER_LENGTH:start])
    results: list[Item] = []
    for item in header["results"]:
        size = item.get("size", 0) if item else 0
        results.append(_decode_item(item, content[start : start + size]))
        start += size
    return BatchResult(
        operation,
        bytes.fromhex(header["fingerprint"]),
        header["time"],
        header["deletes"],
        results,
        header["views"],
        repeated=True,
    )


def _body(item: Item) -> bytes:
    """Return the bytes of an item that follow the header."""
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
