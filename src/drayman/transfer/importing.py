"""Importing records into a store, in transactions that also save how far the import has come.

So an import that was stopped continues where it was: what is saved and what is inserted are the
same transaction.
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeVar

from drayman.core import errors, names
from drayman.core.clock import DAY, Clock, Micros
from drayman.core.document import IMPORT, KMS_KEY, Document
from drayman.core.errors import ServiceError
from drayman.core.history import DeadLetter
from drayman.core.queue import Queue, State
from drayman.store import opening
from drayman.store.session import Session
from drayman.store.verbs import documents, transfer
from drayman.store.verbs.transfer import StoredTask, Tombstone
from drayman.transfer.export_file import Batch
from drayman.transfer.records import KmsKey, Record

_RETENTION: Micros = 30 * DAY
"""How long a store knows how far an import has come."""
_TRIES = 3
_SHOWN = 5
_Kind = TypeVar("_Kind")


class ImportRefusedError(Exception):
    """The records cannot be imported; the message is for the operator."""


@dataclasses.dataclass(frozen=True, slots=True)
class Progress:
    """How far an import has come.

    Attributes:
        cursor: Where its source continues (JSON); None at the beginning.
        complete: Whether it has ended.
        inserted: The number of records of each kind that were inserted.
        existing: The number of tasks and dead letters that were left out, because their names
            existed or were reserved.
    """

    cursor: Any = None
    complete: bool = False
    inserted: Counter[str] = dataclasses.field(default_factory=Counter)
    existing: int = 0

    def encode(self) -> bytes:
        """Return the content of its document."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return json.dumps(fields, sort_keys=True).encode()


def decode(content: bytes) -> Progress:
    """Return what ``encode`` has encoded."""
    fields = json.loads(content)
    return Progress(**fields | {"inserted": Counter(fields["inserted"])})


@dataclasses.dataclass(frozen=True, slots=True)
class ImportOptions:
    """The options of an import.

    Attributes:
        queues: Patterns of the queues to import; all without any.
        keep_existing: Whether tasks are added to queues that exist, which stay as they are;
            otherwise such queues are refused.
        paused: Whether queues are created in the state PAUSED.
        restart: Whether an earlier run of the same import is forgotten.
    """

    queues: Sequence[str] = ()
    keep_existing: bool = False
    paused: bool = False
    restart: bool = False


class Importer:
    """One import into a store.

    Args:
        url: The store.
        id_: Identifies the import: that of the same source with the same selection.
        options: How queues are imported.
        clock: The time.

    Attributes:
        url: The store.
        progress: How far it has come.
    """

    def __init__(self, url: str, id_: str, options: ImportOptions, clock: Clock) -> None:
        self.url = url
        self._id = id_
        self._options = options
        self._clock = clock
        self._resumed = False
        self.progress = Progress()

    def resume(self) -> None:
        """Load how far an earlier run has come; the store is created if there is none. StoreError.

        A queue that exists then is not refused.
        """
        with opening.transaction(self.url) as session:
            self.progress = self._load(session)
        self._resumed = self.progress.cursor is not None

    def restart(self) -> None:
        """Forget how far earlier runs have come. StoreError."""
        with opening.transaction(self.url) as session:
            documents.delete_document(session, IMPORT, self._id, self._clock.now())

    def complete(self) -> None:
        """Record that the source has ended. ImportRefusedError; StoreError."""
        self._apply(Batch([], self.progress.cursor), complete=True)

    def apply(self, batch: Batch) -> None:
        """Insert a batch of records. ImportRefusedError; StoreError."""
        for tries_left in reversed(range(_TRIES)):
            try:
                self._apply(batch)
            except errors.Aborted:
                if not tries_left:
                    raise ImportRefusedError(
                        "servers change the same tasks; run it again"
                    ) from None
            except ServiceError as error:
                raise ImportRefusedError(error.message) from None
            else:
                return

    def _apply(self, batch: Batch, *, complete: bool = False) -> None:
        now = self._clock.now()
        with opening.transaction(self.url) as session:
            if self._load(session) != self.progress:
                raise ImportRefusedError("another process runs the same import")
            counts, existing = self._insert(session, batch.records, now)
            progress = Progress(
                batch.cursor,
                complete,
                self.progress.inserted + counts,
                self.progress.existing + existing,
            )
            document = Document(IMPORT, self._id, progress.encode(), now + _RETENTION)
            documents.put_document(session, document)
        self.progress = progress

    def _load(self, session: Session) -> Progress:
        document = documents.get_document(session, IMPORT, self._id, self._clock.now())
        return decode(document.content) if document else Progress()

    def _insert(
        self, session: Session, records: Sequence[Record], now: Micros
    ) -> tuple[Counter[str], int]:
        """Insert records; return the counts of those inserted, and of those that existed."""
        queues, tasks = _of(Queue, records), _of(StoredTask, records)
        letters = _of(DeadLetter, records)
        counts = Counter[str](
            kmsKeys=self._insert_kms_keys(session, _of(KmsKey, records), queues, now),
            queues=self._insert_queues(session, queues, now),
            tasks=transfer.insert_tasks(session, tasks, now) if tasks else 0,
            tombstones=transfer.insert_tombstones(session, _of(Tombstone, records)),
            deadLetters=transfer.insert_dead_letters(session, letters),
        )
        return counts, len(tasks) + len(letters) - counts["tasks"] - counts["deadLetters"]

    def _insert_queues(self, session: Session, queues: Sequence[Queue], now: Micros) -> int:
        existing = set(transfer.find_existing(session, [queue.name for queue in queues]))
        if existing and not (self._options.keep_existing or self._resumed):
            raise ImportRefusedError(_existing(existing))
        new = [queue for queue in queues if queue.name not in existing]
        for queue in new:
            paused = self._options.paused and queue.state is State.RUNNING
            state = State.PAUSED if paused else queue.state
            transfer.insert_queue(session, dataclasses.replace(queue, state=state), now)
        return len(new)

    def _insert_kms_keys(
        self, session: Session, keys: Sequence[KmsKey], queues: Sequence[Queue], now: Micros
    ) -> int:
        """Set the KMS keys of locations that have none and get queues."""
        locations = {names.location_of(queue.name) for queue in queues}
        new = [
            key
            for key in keys
            if key.location in locations
            and documents.get_document(session, KMS_KEY, key.location, now) is None
        ]
        for key in new:
            documents.put_document(session, Document(KMS_KEY, key.location, key.name.encode()))
        return len(new)


def _of(kind: type[_Kind], records: Sequence[Record]) -> list[_Kind]:
    return [record for record in records if isinstance(record, kind)]


def _existing(queues: set[str]) -> str:
    shown = ", ".join(sorted(queues)[:_SHOWN])
    more = f" and {len(queues) - _SHOWN:,} more" if len(queues) > _SHOWN else ""
    return (
        f"these queues exist in the store: {shown}{more}; add the tasks to them with "
        "--keep-existing, or leave them out with --queue. Nothing was imported"
    )
