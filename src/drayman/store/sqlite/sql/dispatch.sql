-- name: last_claim
SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'claim'), 0)

-- name: granted
SELECT claim.number, claim.forced_at, claim.queue, claim.task, queue.key IS NOT NULL
FROM claim
LEFT JOIN task ON task.seq = claim.task
LEFT JOIN queue ON queue.key = claim.queue AND queue.generation = task.generation
WHERE claim.server IS NULL
ORDER BY claim.number
LIMIT :limit

-- name: take_grant
UPDATE claim SET server = :server WHERE number = :number

-- name: drop_claim
DELETE FROM claim WHERE number = :number

-- name: get_task
SELECT $task FROM task WHERE seq = :seq

-- name: queue_by_key
SELECT $queue FROM queue WHERE key = :key

-- name: ready_queues
SELECT $queue FROM queue
WHERE wake_time <= :now AND (wake_time, key) > (:wake_time, :key)
ORDER BY wake_time, key
LIMIT :limit

-- name: claim
-- "+" keeps the order of the times: the tasks that are too old are few.
INSERT INTO claim (task, queue, server)
SELECT seq, :queue, :server FROM task
WHERE generation = :generation AND claim IS NULL AND schedule_time <= :now AND +seq >= :oldest
ORDER BY schedule_time
LIMIT :limit

-- name: claim_tasks
UPDATE task SET
  claim = claim.number,
  dispatch_count = dispatch_count + 1,
  first_dispatch_time = coalesce(first_dispatch_time, :now),
  last_schedule_time = schedule_time, last_dispatch_time = :now,
  last_response_time = NULL, last_code = 0, last_message = ''
FROM claim
WHERE claim.number > :last AND task.seq = claim.task
RETURNING $task

-- name: next_schedule
SELECT schedule_time FROM task
WHERE generation = :generation AND claim IS NULL AND +seq >= :oldest
ORDER BY schedule_time
LIMIT 1

-- name: after_claim
UPDATE queue SET
  tokens = :tokens, tokens_time = :tokens_time, in_flight = in_flight + :claimed,
  wake_time = :wake_time
WHERE key = :key

-- name: next_wake
SELECT min(wake_time) FROM queue WHERE wake_time > :now

-- name: end_claims
DELETE FROM claim
WHERE number IN (SELECT value FROM json_each(:numbers)) AND server IS NOT NULL
RETURNING number, task, queue, forced_at

-- name: left_in_flight
SELECT task, max(number) FROM claim
WHERE server IS NOT NULL AND task IN (SELECT value FROM json_each(:tasks))
GROUP BY task

-- name: deciders
SELECT task.seq, task.claim FROM task JOIN queue USING (generation)
WHERE task.seq IN (SELECT value FROM json_each(:tasks))

-- name: note_ends
UPDATE task SET
  claim = ended.value ->> 9,
  schedule_time = ended.value ->> 2,
  last_response_time = ended.value ->> 3,
  last_code = ended.value ->> 4,
  last_message = ended.value ->> 5,
  response_count = response_count + (ended.value ->> 6),
  execution_count = execution_count + (ended.value ->> 7),
  previous_response = ended.value ->> 8
FROM json_each(:ended) AS ended
WHERE task.seq = ended.value ->> 0 AND task.claim = ended.value ->> 1

-- name: free_slots
UPDATE queue SET
  in_flight = in_flight - :ended,
  wake_time = min(coalesce(wake_time, :time), :time)
WHERE key = :key
RETURNING throttle, max_dispatches_per_second

-- name: set_throttle
UPDATE queue SET throttle = :throttle WHERE key = :key

-- name: claims_of
SELECT number, task, queue, forced_at FROM claim WHERE server = :server

-- name: all_claims
SELECT number, task, queue, forced_at FROM claim WHERE server IS NOT NULL

-- name: unclaim
UPDATE task SET claim = NULL WHERE seq = :seq AND claim = :number

-- name: move_claim
UPDATE task SET claim = :new WHERE seq = :seq AND claim = :number

-- name: oldest_retired
SELECT generation, queue, time FROM retired ORDER BY generation LIMIT 1

-- name: tasks_of
SELECT seq FROM task WHERE generation = :generation ORDER BY seq LIMIT :limit

-- name: unretire
DELETE FROM retired WHERE generation = :generation

-- name: old_tasks
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
