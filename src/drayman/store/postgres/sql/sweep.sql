-- name: oldest_deleted_generation
SELECT generation, queue, time FROM deleted_generation ORDER BY generation LIMIT 1

-- name: list_seqs
SELECT seq FROM task WHERE generation = :generation ORDER BY seq LIMIT :limit

-- name: forget_generation
DELETE FROM deleted_generation WHERE generation = :generation

-- name: list_old_tasks
-- Tasks that another server sweeps or deletes at this moment are skipped.
SELECT task.seq, queue.key FROM task JOIN queue USING (generation)
WHERE task.seq < :oldest AND task.claim IS NULL ORDER BY task.seq LIMIT :limit
FOR UPDATE OF task SKIP LOCKED

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
