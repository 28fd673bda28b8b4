"""The verb that runs batches."""

from drayman.core import batch as batches
from drayman.core import errors
from drayman.core.batch import Batch, BatchResult, Creations, Item
from drayman.core.clock import Micros
from drayman.core.document import OPERATION, Document
from drayman.core.task import NewTask
from drayman.store.session import Session
from drayman.store.verbs import documents, queues, tasks


def run_batch(session: Session, batch: Batch, now: Micros) -> BatchResult:
    """Run a batch and store its result, or return the result that is stored."""
    stored = _stored(session, batch, now)
    if stored is not None:
        return stored
    if isinstance(batch.items, Creations):
        queues.existing(session, "share_queue", batch.items.queue)
    if not session.run(
        "reserve_document", kind=OPERATION, name=batch.operation, expire_time=batch.expire_time,
        now=now,
    ):  # fmt: skip
        # Another server runs the same batch; the statement has waited for its commit.
        stored = _stored(session, batch, now)
    return stored or _run(session, batch, now)


def _stored(session: Session, batch: Batch, now: Micros) -> BatchResult | None:
    document = documents.get_document(session, OPERATION, batch.operation, now)
    if document is None:
        return None
    result = batches.decode(batch.operation, document.content)
    if result.fingerprint != batch.fingerprint:
        raise errors.request_id_taken()
    return result


def _run(session: Session, batch: Batch, now: Micros) -> BatchResult:
    items, deletes = batch.items, not isinstance(batch.items, Creations)
    results: list[Item]
    if isinstance(items, Creations):
        results, views = _create(session, items, now), items.views
    else:
        (deleted,) = tasks.delete_tasks(session, [tasks.DeleteTasks(items.names, now)])
        results, views = [*deleted], ()
    result = BatchResult(batch.operation, batch.fingerprint, now, deletes, results, views)
    content = batches.encode(result)
    documents.put_document(
        session, Document(OPERATION, batch.operation, content, batch.expire_time)
    )
    return result


def _create(session: Session, items: Creations, now: Micros) -> list[Item]:
    """Create the tasks of a batch; encoded errors stay in their places."""
    new = [task for task in items.tasks if isinstance(task, NewTask)]
    (created,) = tasks.create_tasks(session, [tasks.CreateTasks(items.queue, new, now)])
    results = iter(created)
    return [next(results) if isinstance(item, NewTask) else item for item in items.tasks]


def size(batch: Batch, now: Micros) -> int:  # noqa: ARG001 - the arguments of the verb
    """Return roughly how many bytes the arguments of ``run_batch`` hold."""
    if isinstance(batch.items, Creations):
        tasks_ = batch.items.tasks
        return sum(len(each.request if isinstance(each, NewTask) else each) for each in tasks_)
    return sum(map(len, batch.items.names))


def grows(batch: Batch, now: Micros) -> bool:  # noqa: ARG001 - the arguments of the verb
    """Return whether a batch creates tasks."""
    return isinstance(batch.items, Creations)
