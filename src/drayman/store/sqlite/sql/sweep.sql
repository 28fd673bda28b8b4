-- name: oldest_deleted_generation
SELECT generation, queue, time FROM deleted_generation ORDER BY generation LIMIT 1

-- name: list_seqs
SELECT seq FROM task WHERE generation = :generation ORDER BY seq LIMIT :limit

-- name: forget_generation
DELETE FROM deleted_generation WHERE generation = :generation

-- name: list_old_tasks
SELECT task.seq, queue.key FROM task JOIN queue USING (generation)
WHERE task.seq < :oldest AND task.claim IS NULL ORDER BY task.seq LIMIT :limit

-- name: sweep_task_tombstones
DELETE FROM task_tombstone WHERE key IN (
  SELECT key FROM task_tombstone WHERE expire_time <= :now LIMIT :limit
)

-- name: sweep_queue_tombstones
DELETE FROM queue_tombstone WHERE name IN (
  SELECT name FROM queue_tombstone WHERE expire_time <= :now LIMIT :limit
)

-- name: sweep_documents
DELETE FROM document WHERE rowid IN (
  SELECT rowid FROM document WHERE expire_time <= :now LIMIT :limit
)

-- name: touch
-- A new value each time: SQLite does not write a page that stays the same.
UPDATE counter SET value = value + 1 WHERE name = 'check'
