"""The verb that runs batches."""

from drayman.core import batch as batches
from drayman.core import errors, names
from drayman.core.batch import Batch, BatchResult, Creations, Item
from drayman.core.clock import Micros
from drayman.core.document import OPERATION, Document
from drayman.core.task import NewTask
from drayman.store.session import Session
from drayman.store.verbs import documents, tasks


def run_batch(session: Session, batch: Batch, now: Micros) -> BatchResult:
    """Run a batch and store its result."""
    if not session.run(
        "reserve_document", kind=OPERATION, name=batch.operation, expire_time=batch.expire_time,
        now=now,
    ):  # fmt: skip
        raise errors.operation_exists(names.short_id(batch.operation))
    items, deletes = batch.items, not isinstance(batch.items, Creations)
    results: list[Item]
    if isinstance(items, Creations):
        results, views = _create(session, items, now), items.views
    else:
        (deleted,) = tasks.delete_tasks(session, [tasks.DeleteTasks(items.names, now)])
        results, views = [*deleted], ()
    result = BatchResult(batch.operation, now, deletes, results, views)
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
