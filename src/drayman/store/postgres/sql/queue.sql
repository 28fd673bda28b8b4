-- name: get_queue
SELECT $queue FROM queue WHERE name = :name

-- name: share_queue
-- Claims and other creators go on; a purge or a deletion waits.
SELECT $queue FROM queue WHERE name = :name FOR KEY SHARE

-- name: share_queues
SELECT $queue FROM queue
WHERE name = ANY (ARRAY(SELECT value FROM jsonb_array_elements_text(:names::jsonb) AS value))
ORDER BY name
FOR KEY SHARE

-- name: lock_queue
SELECT $queue FROM queue WHERE name = :name FOR UPDATE

-- name: list_queues
SELECT $queue FROM queue WHERE name > :after AND name < :end ORDER BY name LIMIT :limit

-- name: list_locations
SELECT DISTINCT substr(name, 1, strpos(name, '/queues/') - 1) AS location FROM queue
WHERE name > :start AND name < :end ORDER BY location

-- name: count_queues
SELECT
  name,
  coalesce(
    (SELECT sum(tasks) FROM task_count WHERE task_count.generation = queue.generation), 0
  )::bigint,
  in_flight
FROM queue WHERE name > :after ORDER BY name LIMIT :limit

-- name: database_size
SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint, 0 FROM pg_class
WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace

-- name: next_generation
SELECT nextval('generation')

-- name: insert_queue
INSERT INTO queue (
  name, state, generation, max_dispatches_per_second, max_burst_size,
  max_concurrent_dispatches, max_attempts, max_retry_duration, min_backoff, max_backoff,
  max_doublings, settings, policy, tokens, tokens_time
) VALUES (
  :name, :state, :generation, :max_dispatches_per_second, :max_burst_size::bigint,
  :max_concurrent_dispatches, :max_attempts, :max_retry_duration, :min_backoff, :max_backoff,
  :max_doublings, :settings, :policy, :max_burst_size::bigint, :now
)
ON CONFLICT (name) DO NOTHING

-- name: update_queue
UPDATE queue SET
  state = :state,
  max_dispatches_per_second = :max_dispatches_per_second,
  max_burst_size = :max_burst_size::bigint,
  max_concurrent_dispatches = :max_concurrent_dispatches,
  max_attempts = :max_attempts, max_retry_duration = :max_retry_duration,
  min_backoff = :min_backoff, max_backoff = :max_backoff, max_doublings = :max_doublings,
  settings = :settings, policy = :policy,
  tokens = least(:tokens::double precision, :max_burst_size::bigint), tokens_time = :tokens_time,
  pressure = :pressure, wake_time = CASE WHEN :wakes THEN 0 ELSE wake_time END
WHERE name = :name

-- name: purge_queue
UPDATE queue SET generation = :generation, purge_time = :now WHERE key = :key

-- name: delete_queue
DELETE FROM queue WHERE key = :key

-- name: delete_generation
INSERT INTO deleted_generation (generation, queue, time) VALUES (:generation, :queue, :now)

-- name: get_queue_tombstone
SELECT 1 FROM queue_tombstone WHERE name = :name AND expire_time > :now

-- name: add_queue_tombstone
INSERT INTO queue_tombstone (name, expire_time) VALUES (:name, :expire_time)
ON CONFLICT (name) DO UPDATE SET expire_time = excluded.expire_time

-- name: delete_queue_tombstone
DELETE FROM queue_tombstone WHERE name = :name

-- name: list_queue_stats
-- Due tasks and dead letters are counted by an index, up to a limit.
SELECT
  coalesce(
    (SELECT sum(tasks) FROM task_count WHERE task_count.generation = queue.generation), 0
  )::bigint,
  (SELECT count(*) FROM (
    SELECT FROM task
    WHERE task.generation = queue.generation AND claim IS NULL AND schedule_time <= :now
    LIMIT :due_limit
  ) AS due),
  (
    SELECT min(schedule_time) FROM task
    WHERE task.generation = queue.generation AND claim IS NULL
  ),
  (SELECT count(*) FROM (
    SELECT FROM dead_letter WHERE dead_letter.queue = queue.name LIMIT :letter_limit
  ) AS letter),
  $queue
FROM queue
WHERE name BETWEEN :first AND :last
ORDER BY name
LIMIT :limit
