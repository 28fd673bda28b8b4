-- name: add_attempts
INSERT INTO attempt (queue, task, record)
SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(:records)

-- name: list_attempts
SELECT number, record FROM attempt
WHERE queue = :queue AND number < :before
ORDER BY number DESC
LIMIT :limit

-- name: list_attempts_of
SELECT number, record FROM attempt
WHERE queue = :queue AND task = :task AND number < :before
ORDER BY number DESC
LIMIT :limit

-- name: forget_dead
DELETE FROM dead_letter WHERE (queue, id) IN (
  SELECT queue.name, task.id FROM json_each(:dead) AS dead
  JOIN task ON task.seq = dead.value ->> 0
  JOIN queue USING (generation)
)

-- name: add_dead
INSERT INTO dead_letter (
  queue, id, time, reason, answer, create_time, schedule_time, dispatch_count, response_count,
  first_dispatch_time, last_schedule_time, last_dispatch_time, last_response_time, last_code,
  last_message, request
)
SELECT
  queue.name, coalesce(task.id, task.seq), :now, dead.value ->> 1, dead.value ->> 2,
  task.create_time, task.schedule_time, task.dispatch_count,
  task.response_count + coalesce(dead.value ->> 6, 0),
  task.first_dispatch_time, task.last_schedule_time, task.last_dispatch_time,
  coalesce(dead.value ->> 3, task.last_response_time),
  coalesce(dead.value ->> 4, task.last_code),
  coalesce(dead.value ->> 5, task.last_message),
  task.request
FROM json_each(:dead) AS dead
JOIN task ON task.seq = dead.value ->> 0
JOIN queue USING (generation)

-- name: list_dead
SELECT $dead FROM dead_letter
WHERE queue = :queue AND number > :after
ORDER BY number
LIMIT :limit

-- name: list_dead_coded
SELECT $dead FROM dead_letter
WHERE queue = :queue AND last_code = :code AND number > :after
ORDER BY number
LIMIT :limit

-- name: dead_names
SELECT number, id FROM dead_letter
WHERE queue = :queue AND number > :after
ORDER BY number
LIMIT :limit

-- name: dead_names_coded
SELECT number, id FROM dead_letter
WHERE queue = :queue AND last_code = :code AND number > :after
ORDER BY number
LIMIT :limit

-- name: get_dead
SELECT $dead FROM dead_letter WHERE queue = :queue AND id = :id

-- name: delete_dead
DELETE FROM dead_letter WHERE queue = :queue AND id = :id

-- name: forget_tombstone
DELETE FROM task_tombstone
WHERE id = :id AND queue = (SELECT key FROM queue WHERE name = :queue)

-- name: kept
SELECT value FROM counter WHERE name = :name

-- name: sweep_attempts
DELETE FROM attempt WHERE number IN (SELECT number FROM attempt ORDER BY number LIMIT :limit)

-- name: oldest_dead
SELECT number, time, length(request) FROM dead_letter ORDER BY number LIMIT :limit

-- name: sweep_dead
DELETE FROM dead_letter WHERE number <= :number
