"""The verb that empties a store, for tests."""

from drayman.core import document
from drayman.store.session import Session


def reset(session: Session) -> None:
    """Delete everything but the signing keys; numbers of claims are still never used twice."""
    for statement in (
        "delete_all_tasks",
        "delete_all_claims",
        "delete_all_queues",
        "delete_all_task_tombstones",
        "delete_all_queue_tombstones",
        "delete_all_generations",
        "delete_all_attempts",
        "delete_all_dead_letters",
    ):
        session.run(statement)
    session.run("delete_other_documents", kind=document.SIGNING_KEY)
    session.run("reset_counters")
