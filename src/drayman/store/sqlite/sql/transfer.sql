-- name: list_task_tombstones
-- Also the names of tasks that were purged and are not swept yet.
SELECT id, max(expire_time) FROM (
  SELECT id, expire_time FROM task_tombstone WHERE queue = :queue
  UNION ALL
  SELECT task.id, deleted.time + :retention
  FROM deleted_generation AS deleted JOIN task USING (generation)
  WHERE deleted.queue = :queue AND task.id IS NOT NULL
)
WHERE expire_time > :now
GROUP BY id
ORDER BY id

-- name: list_all_dead_letters
SELECT request, $dead_letter FROM dead_letter ORDER BY number

-- name: set_purge_time
UPDATE queue SET purge_time = :purge_time WHERE name = :name

-- name: list_taken_seqs
SELECT seq FROM task WHERE seq IN (SELECT value FROM json_each(:seqs))

-- name: insert_stored_tasks
INSERT INTO task (
  seq, generation, id, create_time, schedule_time, claim, dispatch_count, response_count,
  execution_count, previous_response, first_dispatch_time, last_schedule_time, last_dispatch_time,
  last_response_time, last_code, last_message, request
) VALUES (?)
ON CONFLICT DO NOTHING

-- name: insert_task_tombstones
INSERT INTO task_tombstone (queue, id, expire_time) VALUES (?)
ON CONFLICT (queue, id) DO UPDATE SET expire_time = max(expire_time, excluded.expire_time)

-- name: insert_stored_dead_letters
INSERT INTO dead_letter (
  queue, id, time, reason, response_body, create_time, schedule_time, dispatch_count,
  response_count, first_dispatch_time, last_schedule_time, last_dispatch_time, last_response_time,
  last_code, last_message, request
) VALUES (?)
ON CONFLICT DO NOTHING
