-- name: list_grants
SELECT claim.number, claim.forced_at, claim.queue, claim.task, queue.key IS NOT NULL
FROM claim
LEFT JOIN task ON task.seq = claim.task
LEFT JOIN queue ON queue.key = claim.queue AND queue.generation = task.generation
WHERE claim.server IS NULL
ORDER BY claim.number
LIMIT :limit

-- name: lock_free_queues
SELECT $queue FROM queue WHERE key IN (SELECT value FROM json_each(:queues))

-- name: take_grant
UPDATE claim SET server = :server WHERE number = :number

-- name: delete_claim
DELETE FROM claim WHERE number = :number

-- name: lock_ready_queues
SELECT $queue FROM queue
WHERE wake_time <= :now AND (wake_time, key) > (:wake_time, :key)
ORDER BY wake_time, key
LIMIT :limit

-- name: count_due_tasks
SELECT ready.value ->> 0, (
  SELECT count(*) FROM (
    SELECT 1 FROM task
    WHERE generation = ready.value ->> 1 AND claim IS NULL AND schedule_time <= :now
      AND +seq >= :oldest
    LIMIT :limit
  )
)
FROM json_each(:queues) AS ready

-- name: insert_claims
-- "+" keeps the order of the times: the tasks beyond their retention are few.
INSERT INTO claim (task, queue, server)
SELECT seq, :queue, :server FROM task
WHERE generation = :generation AND claim IS NULL AND schedule_time <= :now AND +seq >= :oldest
ORDER BY schedule_time
LIMIT :limit
RETURNING number, task

-- name: insert_all_claims
-- All due tasks of queues, which have been counted in this transaction. "CROSS JOIN" keeps the order
-- of the queues.
INSERT INTO claim (task, queue, server)
SELECT task.seq, admitted.value ->> 0, :server
FROM json_each(:queues) AS admitted CROSS JOIN task
WHERE task.generation = admitted.value ->> 1 AND task.claim IS NULL
  AND task.schedule_time <= :now AND +task.seq >= :oldest
RETURNING number, task, queue

-- name: claim_tasks
UPDATE task SET
  claim = claimed.value ->> 0,
  dispatch_count = dispatch_count + 1,
  first_dispatch_time = coalesce(first_dispatch_time, :now),
  last_schedule_time = schedule_time, last_dispatch_time = :now,
  last_response_time = NULL, last_code = 0, last_message = ''
FROM json_each(:claims) AS claimed
WHERE task.seq = claimed.value ->> 1
RETURNING $task

-- name: next_schedule_times
SELECT claimed.value ->> 0, (
  SELECT schedule_time FROM task
  WHERE generation = claimed.value ->> 1 AND claim IS NULL AND +seq >= :oldest
  ORDER BY schedule_time
  LIMIT 1
)
FROM json_each(:queues) AS claimed

-- name: record_claims
UPDATE queue SET
  tokens = claimed.value ->> 1, tokens_time = claimed.value ->> 2,
  in_flight = in_flight + (claimed.value ->> 3),
  wake_time = claimed.value ->> 4
FROM json_each(:queues) AS claimed
WHERE queue.key = claimed.value ->> 0

-- name: next_wake_time
SELECT min(wake_time) FROM queue WHERE wake_time > :now

-- name: end_claims
DELETE FROM claim
WHERE number IN (SELECT value FROM json_each(:numbers)) AND server IS NOT NULL
RETURNING number, task, queue, forced_at

-- name: remaining_attempts
SELECT task, max(number) FROM claim
WHERE server IS NOT NULL AND task IN (SELECT value FROM json_each(:seqs))
GROUP BY task

-- name: current_claims
SELECT task.seq, task.claim FROM task JOIN queue USING (generation)
WHERE task.seq IN (SELECT value FROM json_each(:seqs))

-- name: continue_tasks
UPDATE task SET
  claim = ended.value ->> 9,
  schedule_time = ended.value ->> 2,
  last_response_time = ended.value ->> 3,
  last_code = ended.value ->> 4,
  last_message = ended.value ->> 5,
  response_count = response_count + (ended.value ->> 6),
  execution_count = execution_count + (ended.value ->> 7),
  previous_response = ended.value ->> 8
FROM json_each(:tasks) AS ended
WHERE task.seq = ended.value ->> 0 AND task.claim = ended.value ->> 1

-- name: lock_pressures
SELECT key, pressure, max_dispatches_per_second FROM queue
WHERE key IN (SELECT value FROM json_each(:queues))

-- name: free_slots
-- A queue whose concurrency limit is reached may start attempts now; others when they would have, or
-- when a task of theirs is due. It also counts the tasks that were removed, by generation.
UPDATE queue SET
  in_flight = in_flight - (freed.value ->> 1),
  tasks = tasks - coalesce(:removed ->> ('$."' || generation || '"'), 0),
  wake_time = CASE
    WHEN in_flight >= max_concurrent_dispatches THEN min(coalesce(wake_time, :now), :now)
    ELSE coalesce(min(wake_time, freed.value ->> 2), wake_time, freed.value ->> 2)
  END,
  pressure = coalesce(freed.value ->> 3, pressure)
FROM json_each(:queues) AS freed
WHERE queue.key = freed.value ->> 0

-- name: set_pressure
UPDATE queue SET pressure = :pressure WHERE key = :key

-- name: list_claims_of_server
-- In their order, so that granted attempts are granted again in it. "+": by the index of claims in flight.
SELECT number, task, queue, forced_at FROM claim WHERE server = :server
ORDER BY +number

-- name: list_claims
SELECT number, task, queue, forced_at FROM claim WHERE server IS NOT NULL
ORDER BY +number

-- name: unclaim_task
UPDATE task SET claim = NULL WHERE seq = :seq AND claim = :number

-- name: unclaim_unsent_task
UPDATE task SET
  claim = NULL,
  dispatch_count = dispatch_count - 1,
  first_dispatch_time = CASE dispatch_count WHEN 1 THEN NULL ELSE first_dispatch_time END,
  last_schedule_time = CASE dispatch_count WHEN 1 THEN NULL ELSE last_schedule_time END,
  last_dispatch_time = CASE dispatch_count WHEN 1 THEN NULL ELSE last_dispatch_time END
WHERE seq = :seq AND claim = :number

-- name: move_claim
UPDATE task SET claim = :new WHERE seq = :seq
