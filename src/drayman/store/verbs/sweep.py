"""The verb that deletes rows that no other verb can see, in small steps."""

from drayman.core import task_ids
from drayman.core.clock import Micros
from drayman.store.session import Session
from drayman.store.verbs import history, tasks


def sweep(session: Session, now: Micros, limit: int) -> int:
    """Delete up to ``limit`` rows."""
    # First a part for the history, so that a large purge does not let it exceed its bounds.
    removed = history.sweep(session, now, max(1, limit // 8))
    removed += _sweep_deleted_generations(session, limit - removed)
    removed += _sweep_expired_tasks(session, now, limit - removed)
    for statement in ("sweep_task_tombstones", "sweep_queue_tombstones", "sweep_documents"):
        if removed < limit:
            removed += session.run(statement, now=now, limit=limit - removed)
    return removed + history.sweep(session, now, limit - removed)


def _sweep_deleted_generations(session: Session, limit: int) -> int:
    """Delete tasks of queues that were purged or deleted."""
    removed = 0
    for _ in range(limit):
        oldest = session.first("oldest_deleted_generation") if removed < limit else None
        if oldest is None:
            break
        generation, queue, time = oldest
        rows = session.all("list_seqs", generation=generation, limit=limit - removed)
        if not rows:
            removed += session.run("forget_generation", generation=generation)
        expire_time = time + session.retention.task_tombstone
        tasks.remove(session, [(seq, queue) for (seq,) in rows], expire_time)
        removed += len(rows)
    return removed


def _sweep_expired_tasks(session: Session, now: Micros, limit: int) -> int:
    """Turn tasks beyond their retention into dead letters."""
    if limit <= 0:
        return 0
    oldest = task_ids.oldest_seq(now, session.retention.task_retention)
    expired = [
        (seq, queue) for seq, queue in session.all("list_old_tasks", oldest=oldest, limit=limit)
    ]
    history.add_expired(session, [seq for seq, _ in expired], now)
    removed = tasks.remove(session, expired, now + session.retention.task_tombstone)
    tasks.count_removed(session, removed)
    return len(expired)
