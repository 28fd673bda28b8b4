"""The file of an export: JSON lines, compressed if its name ends with ``.gz``; ``-`` is a pipe.

    {"drayman": "export", "version": 1, "id": ..., "time": ...}     the header
    one record a line (``records``): keys and queues first, then tasks and dead letters
    {"end": {"queues": ..., "tasks": ..., ...}}                     the counts: the file is complete

A version that adds kinds of records or fields has another number, so that an older one refuses the
file instead of leaving something out.
"""

import contextlib
import gzip
import json
import os
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

from drayman.core.queue import Queue
from drayman.transfer import records
from drayman.transfer.records import KmsKey, Record, RecordError

FORMAT = "export"
VERSION = 1
PIPE = "-"
BATCH_RECORDS = 1_000
"""The most records of a batch; queues are one batch, however many there are."""
BATCH_BYTES = 4 << 20
"""About the most bytes of a batch: a server that uses the store waits for its transaction."""
LINE_BYTES = 64 << 20
"""The longest line; a task of a megabyte has one of about 1.5 MB."""
_ENCODE = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode


class ExportFileError(Exception):
    """A file cannot be written or read; the message is for the operator."""


class Header(NamedTuple):
    """The first line.

    Attributes:
        id: Identifies the export.
        time: When the store was read, in the form of RFC 3339.
    """

    id: str
    time: str


class Batch(NamedTuple):
    """Records that are imported in one transaction.

    Attributes:
        records: The records.
        cursor: Where the source continues after them (JSON).
    """

    records: list[Record]
    cursor: Any


@contextlib.contextmanager
def create(path: str) -> Iterator[IO[bytes]]:
    """Give the stream of a new file, which has its name when it is complete. ExportFileError.

    Its owner alone may read it, because it has the bodies of tasks.
    """
    if path == PIPE:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if Path(path).exists():
        raise ExportFileError(f"{path} exists; choose another name, or delete it")
    part = Path(f"{path}.part")
    try:
        part.unlink(missing_ok=True)  # of an export that was stopped
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            with _compressed(path, file) as stream:
                yield stream
            file.flush()
            os.fsync(descriptor)
        part.rename(path)
    except OSError as error:
        raise ExportFileError(f"{path} cannot be written: {error.strerror or error}") from None


def _compressed(path: str, file: IO[bytes]) -> contextlib.AbstractContextManager[IO[bytes]]:
    if not path.endswith(".gz"):
        return contextlib.nullcontext(file)
    stream: Any = gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0)
    return contextlib.closing(stream)


class Writer:
    """Writes the lines of an export."""

    def __init__(self, stream: IO[bytes], header: Header) -> None:
        self._stream = stream
        self._line({"drayman": FORMAT, "version": VERSION, "id": header.id, "time": header.time})

    def write(self, record: Record) -> None:
        """Write a record."""
        self._line(records.render(record))

    def end(self, counts: Counter[str]) -> None:
        """Write the last line."""
        self._line({"end": dict(counts)})

    def _line(self, value: Any) -> None:
        self._stream.write(_ENCODE(value).encode() + b"\n")


class Reader:
    """Reads the file of an export; as a context manager it closes the file. ExportFileError.

    Attributes:
        header: Its first line.
        size: The bytes of the file, None for a pipe.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._number = 0
        self.size: int | None = None
        try:
            self._raw = sys.stdin.buffer if path == PIPE else Path(path).open("rb")  # noqa: SIM115
            if path != PIPE:
                self.size = os.fstat(self._raw.fileno()).st_size
        except OSError as error:
            raise ExportFileError(f"{path} cannot be read: {error.strerror}") from None
        compressed = path.endswith(".gz")
        self._stream: Any = gzip.GzipFile(fileobj=self._raw) if compressed else self._raw
        try:
            self.header = self._read_header()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        if self._path != PIPE:
            self._raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def position(self) -> int:
        """The bytes that were read of the file."""
        return self._raw.tell() if self.size is not None else 0

    def batches(self, after: int, includes: Callable[[str], bool]) -> Iterator[Batch]:
        """Yield the records after the first ``after``, of queues that are included, in batches.

        The cursor of a batch is the number of records before its end. ExportFileError for a wrong
        line, or if the end is missing.
        """
        batch, size, count = list[Record](), 0, 0
        leading = True
        for line, value in self._values():
            count += 1
            if count <= after:
                continue
            record = self._parse(value)
            if leading and not isinstance(record, KmsKey | Queue):
                yield Batch(batch, count - 1)
                batch, size, leading = [], 0, False
            queue = records.queue_of(record)
            if queue is None or includes(queue):
                batch.append(record)
                size += len(line)
            if not leading and (len(batch) >= BATCH_RECORDS or size >= BATCH_BYTES):
                yield Batch(batch, count)
                batch, size = [], 0
        yield Batch(batch, count)

    def _values(self) -> Iterator[tuple[bytes, Any]]:
        """Yield the lines of records, each with its JSON value."""
        while True:
            line, value = self._read()
            if isinstance(value, dict) and "end" in value:
                return
            yield line, value

    def _parse(self, value: Any) -> Record:
        try:
            return records.parse(value)
        except RecordError as error:
            raise self._error(str(error)) from None

    def _read_header(self) -> Header:
        _, value = self._read()
        match value:
            case {"drayman": "export", "version": int(version), "id": str(id_), "time": str(time)}:
                if version > VERSION:
                    raise ExportFileError(
                        f"{self._path} has version {version} of the format, this version of "
                        f"drayman knows {VERSION}; upgrade drayman"
                    )
                return Header(id_, time)
            case _:
                raise ExportFileError(f"{self._path} is no file of drayman export")

    def _read(self) -> tuple[bytes, Any]:
        self._number += 1
        try:
            line: bytes = self._stream.readline(LINE_BYTES)
        except (EOFError, OSError, zlib.error) as error:
            raise self._error(f"it cannot be read: {error}") from None
        if not line.endswith(b"\n"):
            raise self._error("the file ends here, before its end: its export was stopped")
        try:
            return line, json.loads(line)
        except ValueError:
            raise self._error("it is no JSON") from None

    def _error(self, reason: str) -> ExportFileError:
        return ExportFileError(f"{self._path}, line {self._number}: {reason}")
