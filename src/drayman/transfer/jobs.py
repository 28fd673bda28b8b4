"""The commands ``drayman export`` and ``drayman import``: what they do and the lines they print."""

import asyncio
import dataclasses
import hashlib
import sys
import uuid
from collections.abc import Sequence
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError

from drayman import tasks, value_types
from drayman.core.clock import Clock, SystemClock
from drayman.store import opening
from drayman.store.contract import StoreError
from drayman.transfer import counts as kinds
from drayman.transfer import export_file, exporting, google, progress_bar
from drayman.transfer.export_file import ExportFileError, Header, Reader
from drayman.transfer.google import GoogleError
from drayman.transfer.importing import Importer, ImportOptions, ImportRefusedError, Progress
from drayman.transfer.selection import Selection, SelectionError
from drayman.wire import times

ERRORS = (StoreError, ExportFileError, ImportRefusedError, SelectionError, GoogleError)
"""What stops a command with a message for the operator."""


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """A location of a project that is read through the API.

    Attributes:
        project: The project's id.
        location: The location's id.
        endpoint: Where the API is; None for Google's.
        pause: Whether its queues are paused before their tasks are read.
    """

    project: str
    location: str
    endpoint: str | None = None
    pause: bool = False

    @property
    def parent(self) -> str:
        """The full name of the location."""
        return f"projects/{self.project}/locations/{self.location}"


def export(url: str, path: str, queues: Sequence[str]) -> str:
    """Export a store to a file; return a line for the operator. One of ``ERRORS``."""
    _check_url(url)
    now, selection = SystemClock().now(), Selection(queues)
    with opening.snapshot(url) as session, export_file.create(path) as stream:
        writer = export_file.Writer(stream, Header(str(uuid.uuid4()), times.text(now)))
        with progress_bar.show("export", None) as advance:
            counts = exporting.export(session, writer, selection, now, lambda: advance(1, 0))
    return f"exported {kinds.describe(counts)}"


def import_file(path: str, url: str, options: ImportOptions) -> str:
    """Import a file into a store; return a line for the operator. One of ``ERRORS``."""
    _check_url(url)
    selection = Selection(options.queues)
    with Reader(path) as reader:
        importer = _importer(url, reader.header.id, selection, options, SystemClock())
        if importer.progress.complete:
            return _complete_before(importer.progress)
        after = int(importer.progress.cursor or 0)
        _report_resumption(importer.progress, f"after {after:,} records" if after else "")
        with progress_bar.show("import", reader.size) as advance:
            for batch in reader.batches(after, selection.includes):
                if not after:
                    selection.check()  # the first batch has all queues
                importer.apply(batch)
                advance(batch.cursor - after, reader.position)
                after = batch.cursor
        importer.complete()
    return _imported(importer.progress)


def import_from_api(source: Source, url: str, options: ImportOptions) -> str:
    """Import a location read through the API; return a line for the operator. One of ``ERRORS``."""
    _check_url(url)
    return asyncio.run(_import_from_api(source, url, options))


async def _import_from_api(source: Source, url: str, options: ImportOptions) -> str:
    clock, selection = SystemClock(), Selection(options.queues)
    id_ = f"{source.endpoint or 'google'}/{source.parent}"
    importer = _importer(url, id_, selection, options, clock)
    cursor: Any = importer.progress.cursor
    if importer.progress.complete:
        return _complete_before(importer.progress)
    _report_resumption(
        importer.progress, f"with the queue after {cursor['done']}" if cursor else ""
    )
    client = _client(source.endpoint)
    try:
        location = google.Location(client, source.parent, selection, google.Pacer(clock))
        with progress_bar.show("import", None) as advance:
            async for batch in location.batches(cursor, pause=source.pause):
                importer.apply(batch)
                advance(len(batch.records), 0)
    finally:
        await client.transport.close()
    importer.complete()
    return _imported(importer.progress)


def _check_url(url: str) -> None:
    """Check that a text is the URL of a store that outlives its server. StoreError."""
    try:
        if value_types.STORE.parse(url) != "memory":
            return
    except ValueError:
        pass
    raise StoreError(f"{url} must be sqlite:PATH or postgresql://HOST/DATABASE")


def _client(endpoint: str | None) -> tasks.CloudTasksAsyncClient:
    """Return a client of an endpoint; one in plain text gets no credentials. GoogleError."""
    options = {"api_endpoint": endpoint} if endpoint else None
    credentials = AnonymousCredentials() if (endpoint or "").startswith("http://") else None
    try:
        return tasks.CloudTasksAsyncClient(credentials=credentials, client_options=options)
    except (GoogleAuthError, ValueError) as error:
        raise GoogleError(f"no access to the API: {error}") from None


def _importer(
    url: str, id_: str, selection: Selection, options: ImportOptions, clock: Clock
) -> Importer:
    """Return an import of a source, which goes on where an earlier run has stopped."""
    name = hashlib.sha256(f"{id_}\n{selection.key}".encode()).hexdigest()[:32]
    importer = Importer(url, name, options, clock)
    if options.restart:
        importer.restart()
    importer.resume()
    return importer


def _report_resumption(progress: Progress, place: str) -> None:
    if place:
        inserted = kinds.describe(progress.inserted)
        sys.stderr.write(f"drayman: continuing {place}; imported before: {inserted}\n")
        sys.stderr.flush()


def _complete_before(progress: Progress) -> str:
    return (
        f"nothing to do: it was imported before ({kinds.describe(progress.inserted)}); --restart "
        "imports it again"
    )


def _imported(progress: Progress) -> str:
    existing = progress.existing
    left_out = f"; {existing:,} left out, whose names existed" if existing else ""
    return f"imported {kinds.describe(progress.inserted)}{left_out}"
