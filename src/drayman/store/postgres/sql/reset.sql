-- name: delete_all_tasks
WITH entries AS (DELETE FROM outbox), refused AS (DELETE FROM outbox_error) DELETE FROM task

-- name: delete_all_claims
DELETE FROM claim

-- name: delete_all_queues
DELETE FROM queue

-- name: delete_all_task_tombstones
DELETE FROM task_tombstone

-- name: delete_all_queue_tombstones
DELETE FROM queue_tombstone

-- name: delete_all_generations
WITH counts AS (DELETE FROM task_count)
DELETE FROM deleted_generation

-- name: delete_all_attempts
DELETE FROM attempt

-- name: delete_all_dead_letters
DELETE FROM dead_letter

-- name: delete_other_documents
DELETE FROM document WHERE kind <> :kind

-- name: reset_counters
UPDATE counter SET value = 0 WHERE name <> 'check'
