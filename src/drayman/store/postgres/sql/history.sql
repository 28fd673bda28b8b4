-- name: insert_attempts
INSERT INTO attempt (queue, task, record)
SELECT value ->> 0, value ->> 1, value ->> 2 FROM jsonb_array_elements(:attempts::jsonb)

-- name: list_attempts
SELECT number, record FROM attempt
WHERE queue = :queue AND number < :before
ORDER BY number DESC
LIMIT :limit

-- name: list_attempts_of_task
SELECT number, record FROM attempt
WHERE queue = :queue AND task = :task AND number < :before
ORDER BY number DESC
LIMIT :limit

-- name: count_attempts
-- Only the oldest are ever deleted. A transaction that was rolled back leaves a gap in the numbers,
-- so there may be fewer.
SELECT coalesce(
  (SELECT max(number) FROM attempt) - (SELECT min(number) FROM attempt) + 1, 0
)

-- name: sweep_attempts
DELETE FROM attempt WHERE number IN (SELECT number FROM attempt ORDER BY number LIMIT :limit)

-- name: delete_namesakes
DELETE FROM dead_letter WHERE (queue, id) IN (
  SELECT queue.name, coalesce(task.id, task.seq::text)
  FROM jsonb_array_elements(:letters::jsonb) AS letter
  JOIN task ON task.seq = (letter ->> 0)::bigint
  JOIN queue USING (generation)
)
RETURNING length(request)

-- name: insert_dead_letters
INSERT INTO dead_letter (
  queue, id, time, reason, response_body, create_time, schedule_time, dispatch_count,
  response_count, first_dispatch_time, last_schedule_time, last_dispatch_time,
  last_response_time, last_code, last_message, request
)
SELECT
  queue.name, coalesce(task.id, task.seq::text), :now, letter ->> 1, letter ->> 2,
  task.create_time, task.schedule_time, task.dispatch_count,
  task.response_count + (letter ->> 6)::integer,
  task.first_dispatch_time, task.last_schedule_time, task.last_dispatch_time,
  coalesce((letter ->> 3)::bigint, task.last_response_time),
  coalesce((letter ->> 4)::integer, task.last_code),
  coalesce(letter ->> 5, task.last_message),
  task.request
FROM jsonb_array_elements(:letters::jsonb) AS letter
JOIN task ON task.seq = (letter ->> 0)::bigint
JOIN queue USING (generation)
RETURNING length(request)

-- name: list_dead_letters
SELECT CASE WHEN :with_request THEN request ELSE '' END, $dead_letter FROM dead_letter
WHERE queue = :queue AND number > :after
ORDER BY number
LIMIT :limit

-- name: list_dead_letters_of_code
SELECT CASE WHEN :with_request THEN request ELSE '' END, $dead_letter FROM dead_letter
WHERE queue = :queue AND last_code = :code AND number > :after
ORDER BY number
LIMIT :limit

-- name: list_dead_letters_of_task
SELECT CASE WHEN :with_request THEN request ELSE '' END, $dead_letter FROM dead_letter
WHERE queue = :queue AND id = :task AND number > :after
LIMIT :limit

-- name: delete_dead_letter
DELETE FROM dead_letter WHERE queue = :queue AND id = :id RETURNING length(request)

-- name: oldest_dead_letters
-- Sweeps of several servers wait for each other here, so that none counts what another deletes.
SELECT number, time, length(request) FROM dead_letter ORDER BY number LIMIT :limit FOR UPDATE

-- name: sweep_dead_letters
DELETE FROM dead_letter WHERE number <= :number

-- name: get_counter
-- Replaces many rows by their sum. The rows that are added up are those before the replacement.
WITH summed AS (
  DELETE FROM counter
  WHERE name = :name AND (SELECT count(*) FROM counter WHERE name = :name) > 100
  RETURNING value
), replaced AS (
  INSERT INTO counter (name, value) SELECT :name, sum(value) FROM summed HAVING count(*) > 0
)
SELECT coalesce(sum(value), 0)::bigint FROM counter WHERE name = :name

-- name: adjust_counter
INSERT INTO counter (name, value) VALUES (:name, :delta)
