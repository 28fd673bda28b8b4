"""The verb that runs batches."""

from drayman.core import batch, errors
from drayman.core.batch import Batch, BatchResult, Creations, Item
from drayman.core.clock import Micros
from drayman.core.document import OPERATION, Document
from drayman.core.task import NewTask
from drayman.store.session import Session
from drayman.store.verbs import documents, queues, tasks


def run_batch(session: Session, request: Batch, now: Micros) -> BatchResult:
    """Run a batch and store its result, or return the result that is stored."""
    stored = documents.get_document(session, OPERATION, request.operation, now)
    if stored is not None:
        result = batch.decode(request.operation, stored.content)
        if result.fingerprint != request.fingerprint:
            raise errors.request_id_taken()
        return result
    result = _run(session, request, now)
    content = batch.encode(result)
    documents.put_document(
        session, Document(OPERATION, request.operation, content, request.expire_time)
    )
    return result


def _run(session: Session, request: Batch, now: Micros) -> BatchResult:
    items = request.items
    if isinstance(items, Creations):
        results = _create(session, items, now)
        return BatchResult(
            request.operation, request.fingerprint, now, deletes=False, results=results,
            views=items.views,
        )  # fmt: skip
    (deleted,) = tasks.delete_tasks(session, [tasks.DeleteTasks(items.names, now)])
    return BatchResult(request.operation, request.fingerprint, now, deletes=True, results=deleted)


def _create(session: Session, items: Creations, now: Micros) -> list[Item]:
    """Create the tasks of a batch; encoded errors stay in their places."""
    queues.existing(session, "share_queue", items.queue)
    new = [task for task in items.tasks if isinstance(task, NewTask)]
    (created,) = tasks.create_tasks(session, [tasks.CreateTasks(items.queue, new, now)])
    results = iter(created)
    return [next(results) if isinstance(item, NewTask) else item for item in items.tasks]


def size(call: tuple[tuple[Batch, Micros], object]) -> int:
    """Return roughly how many bytes the arguments of one ``run_batch`` hold."""
    items = call[0][0].items
    new = items.tasks if isinstance(items, Creations) else ()
    return sum(len(task.request) for task in new if isinstance(task, NewTask))
