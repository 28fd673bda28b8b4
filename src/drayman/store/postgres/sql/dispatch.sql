-- name: list_grants
-- Claims that another server takes at this moment are skipped.
SELECT claim.number, claim.forced_at, claim.queue, claim.task, EXISTS (
  SELECT FROM task JOIN queue USING (generation)
  WHERE task.seq = claim.task AND queue.key = claim.queue
)
FROM claim
WHERE claim.server IS NULL
ORDER BY claim.number
LIMIT :limit
FOR UPDATE OF claim SKIP LOCKED

-- name: lock_free_queues
SELECT $queue FROM queue
WHERE key = ANY (ARRAY(SELECT value::bigint FROM jsonb_array_elements_text(:queues::jsonb)))
ORDER BY key
FOR NO KEY UPDATE SKIP LOCKED

-- name: take_grant
UPDATE claim SET server = :server WHERE number = :number

-- name: delete_claim
DELETE FROM claim WHERE number = :number

-- name: lock_ready_queues
-- Queues that another server claims from at this moment are skipped. Tasks may be created meanwhile.
SELECT $queue FROM queue
WHERE wake_time <= :now AND (wake_time, key) > (:wake_time, :key)
ORDER BY wake_time, key
LIMIT :limit
FOR NO KEY UPDATE SKIP LOCKED

-- name: count_due_tasks
SELECT (ready ->> 0)::bigint, (
  SELECT count(*) FROM (
    SELECT FROM task
    WHERE generation = (ready ->> 1)::bigint AND claim IS NULL AND schedule_time <= :now
      AND seq + 0 >= :oldest
    LIMIT :limit
  ) AS due
)
FROM jsonb_array_elements(:queues::jsonb) AS ready

-- name: insert_claims
-- "+ 0" keeps the order of the times: the tasks beyond their retention are few. Tasks that another
-- server deletes at this moment are skipped.
INSERT INTO claim (task, queue, server)
SELECT due.seq, :queue, :server FROM (
  SELECT seq FROM task
  WHERE generation = :generation AND claim IS NULL AND schedule_time <= :now AND seq + 0 >= :oldest
  ORDER BY schedule_time, seq
  LIMIT :limit
  FOR UPDATE SKIP LOCKED
) AS due
RETURNING number, task

-- name: insert_all_claims
-- The due tasks of queues, no more than have been counted.
INSERT INTO claim (task, queue, server)
SELECT due.seq, (admitted ->> 0)::bigint, :server
FROM jsonb_array_elements(:queues::jsonb) AS admitted CROSS JOIN LATERAL (
  SELECT seq FROM task
  WHERE generation = (admitted ->> 1)::bigint AND claim IS NULL AND schedule_time <= :now
    AND seq + 0 >= :oldest
  ORDER BY schedule_time, seq
  LIMIT (admitted ->> 2)::bigint
  FOR UPDATE SKIP LOCKED
) AS due
RETURNING number, task, queue

-- name: claim_tasks
UPDATE task SET
  claim = (claimed ->> 0)::bigint,
  dispatch_count = dispatch_count + 1,
  first_dispatch_time = coalesce(first_dispatch_time, :now),
  last_schedule_time = schedule_time, last_dispatch_time = :now,
  last_response_time = NULL, last_code = 0, last_message = ''
FROM jsonb_array_elements(:claims::jsonb) AS claimed
WHERE task.seq = (claimed ->> 1)::bigint
RETURNING $task

-- name: next_schedule_times
-- If tasks are being created in a queue, it is claimed from again in 10 milliseconds.
SELECT (queue ->> 0)::bigint, next_schedule_time(
  (queue ->> 0)::bigint, (queue ->> 1)::bigint, :oldest, :now + 10000
)
FROM jsonb_array_elements(:queues::jsonb) AS queue

-- name: record_claims
-- The bucket keeps the time of the server whose clock is ahead, so that no time is counted twice. A
-- difference of more than ten seconds is a clock that was set back.
UPDATE queue SET
  tokens = (claimed ->> 1)::double precision,
  tokens_time = CASE
    WHEN tokens_time BETWEEN (claimed ->> 2)::bigint AND (claimed ->> 2)::bigint + 10000000
    THEN tokens_time
    ELSE (claimed ->> 2)::bigint
  END,
  in_flight = in_flight + (claimed ->> 3)::bigint,
  wake_time = (claimed ->> 4)::bigint
FROM jsonb_array_elements(:queues::jsonb) AS claimed
WHERE queue.key = (claimed ->> 0)::bigint

-- name: next_wake_time
-- Ready queues that cannot be locked are locked by other servers, which may leave tasks of them: they
-- are looked at again in 20 milliseconds.
WITH own AS MATERIALIZED (
  SELECT FROM queue WHERE wake_time <= :now FOR NO KEY UPDATE SKIP LOCKED
)
SELECT least(
  (SELECT min(wake_time) FROM queue WHERE wake_time > :now),
  (
    SELECT :now + 20000
    WHERE (SELECT count(*) FROM queue WHERE wake_time <= :now) > (SELECT count(*) FROM own)
  )
)

-- name: end_claims
DELETE FROM claim
WHERE number = ANY (ARRAY(SELECT value::bigint FROM jsonb_array_elements_text(:numbers::jsonb)))
  AND server IS NOT NULL
RETURNING number, task, queue, forced_at

-- name: remaining_attempts
SELECT task, max(number) FROM claim
WHERE server IS NOT NULL
  AND task = ANY (ARRAY(SELECT value::bigint FROM jsonb_array_elements_text(:seqs::jsonb)))
GROUP BY task

-- name: current_claims
SELECT task.seq, task.claim FROM task JOIN queue USING (generation)
WHERE task.seq = ANY (ARRAY(SELECT value::bigint FROM jsonb_array_elements_text(:seqs::jsonb)))
ORDER BY task.seq
FOR UPDATE OF task

-- name: continue_tasks
UPDATE task SET
  claim = (ended ->> 9)::bigint,
  schedule_time = (ended ->> 2)::bigint,
  last_response_time = (ended ->> 3)::bigint,
  last_code = (ended ->> 4)::integer,
  last_message = ended ->> 5,
  response_count = response_count + (ended ->> 6)::integer,
  execution_count = execution_count + (ended ->> 7)::integer,
  previous_response = (ended ->> 8)::integer
FROM jsonb_array_elements(:tasks::jsonb) AS ended
WHERE task.seq = (ended ->> 0)::bigint AND task.claim = (ended ->> 1)::bigint

-- name: lock_pressures
-- Servers lock the rows in one order, so that they do not wait for each other in a circle.
SELECT key, pressure, max_dispatches_per_second FROM queue
WHERE key = ANY (ARRAY(SELECT value::bigint FROM jsonb_array_elements_text(:queues::jsonb)))
ORDER BY key
FOR NO KEY UPDATE

-- name: free_slots
-- A queue whose concurrency limit is reached may start attempts now; others when they would have, or
-- when a task of theirs is due.
WITH freed AS MATERIALIZED (
  SELECT queue.key, (value ->> 1)::bigint AS slots, (value ->> 2)::bigint AS due,
    value ->> 3 AS pressure
  FROM jsonb_array_elements(:queues::jsonb) JOIN queue ON queue.key = (value ->> 0)::bigint
  ORDER BY queue.key
  FOR NO KEY UPDATE OF queue
)
UPDATE queue SET
  in_flight = in_flight - freed.slots,
  wake_time = least(
    wake_time, CASE WHEN in_flight >= max_concurrent_dispatches THEN :now ELSE freed.due END
  ),
  pressure = coalesce(freed.pressure, queue.pressure)
FROM freed
WHERE queue.key = freed.key

-- name: set_pressure
UPDATE queue SET pressure = :pressure WHERE key = :key

-- name: list_claims_of_server
-- In their order, so that granted attempts are granted again in it.
SELECT number, task, queue, forced_at FROM claim WHERE server = :server
ORDER BY number
FOR UPDATE

-- name: list_claims
SELECT number, task, queue, forced_at FROM claim WHERE server IS NOT NULL
ORDER BY number
FOR UPDATE

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
