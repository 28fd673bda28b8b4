"""Exporting a store: its records, in the order of the file."""

from collections import Counter
from collections.abc import Callable, Iterator

from drayman.core import names
from drayman.core.clock import Micros
from drayman.core.document import KMS_KEY
from drayman.core.limits import PAGE_BYTES
from drayman.store.session import Session
from drayman.store.verbs import documents, transfer
from drayman.transfer import counts as kinds
from drayman.transfer.export_file import Writer
from drayman.transfer.records import KmsKey, Record
from drayman.transfer.selection import Selection

_PAGE = 100


def export(
    session: Session,
    writer: Writer,
    selection: Selection,
    now: Micros,
    advance: Callable[[], None],
) -> Counter[str]:
    """Write the records of a store; return their counts. ``advance`` is called for each.

    SelectionError.
    """
    counts = Counter[str]()
    for record in read(session, selection, now):
        writer.write(record)
        counts[kinds.kind(record)] += 1
        advance()
    writer.end(counts)
    return counts


def read(session: Session, selection: Selection, now: Micros) -> Iterator[Record]:
    """Yield the records of the selected queues. SelectionError."""
    queues = (queue for queue in transfer.list_queues(session) if selection.includes(queue.name))
    locations = {names.location_of(queue.name) for queue in queues}
    yield from (key for key in _list_kms_keys(session, now) if key.location in locations)
    for queue in transfer.list_queues(session):
        if selection.includes(queue.name):
            yield queue
    for queue in transfer.list_queues(session):
        if selection.includes(queue.name):
            yield from transfer.list_tasks(session, queue.name)
            yield from transfer.list_tombstones(session, queue.name, now)
    for letter in transfer.list_dead_letters(session):
        if selection.includes(names.task(letter.task.name).queue):
            yield letter
    selection.check()


def _list_kms_keys(session: Session, now: Micros) -> Iterator[KmsKey]:
    after: str | None = ""
    while after is not None:
        page = documents.list_documents(session, KMS_KEY, "", after, _PAGE, PAGE_BYTES, now)
        for document in page.documents:
            yield KmsKey(document.name, document.content.decode())
        after = page.cursor or None
