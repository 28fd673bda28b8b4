-- name: oldest_deleted_generation
SELECT generation, queue, time FROM deleted_generation ORDER BY generation LIMIT 1

-- name: list_seqs
SELECT seq FROM task WHERE generation = :generation ORDER BY seq LIMIT :limit

-- name: forget_generation
DELETE FROM deleted_generation WHERE generation = :generation

-- name: list_old_tasks
-- Tasks that another server sweeps or deletes at this moment are skipped. They are read before their
-- queues, by the index of seqs: "claim IS NULL" would bring in the index of due tasks, and a sort.
WITH old AS MATERIALIZED (
  SELECT seq, generation FROM task
  WHERE seq < :oldest AND coalesce(claim, 0) = 0
  ORDER BY seq
  LIMIT :limit
  FOR UPDATE SKIP LOCKED
)
SELECT old.seq, queue.key FROM old JOIN queue USING (generation)

-- name: sweep_task_tombstones
DELETE FROM task_tombstone WHERE (queue, id) IN (
  SELECT queue, id FROM task_tombstone WHERE expire_time <= :now LIMIT :limit
  FOR UPDATE SKIP LOCKED
)

-- name: sweep_queue_tombstones
DELETE FROM queue_tombstone WHERE name IN (
  SELECT name FROM queue_tombstone WHERE expire_time <= :now LIMIT :limit
  FOR UPDATE SKIP LOCKED
)

-- name: sweep_documents
DELETE FROM document WHERE (kind, name) IN (
  SELECT kind, name FROM document WHERE expire_time <= :now LIMIT :limit
  FOR UPDATE SKIP LOCKED
)

-- name: touch
-- Gives the transaction a number, so that its commit is written to the disk. It changes no row.
SELECT pg_current_xact_id()::text
