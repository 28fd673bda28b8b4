-- name: reserve_seqs
SELECT reserve_seqs(:first, :count)

-- name: insert_tasks
-- A name may have been used and reserved after it was looked up: this server may have been frozen
-- in between, while the caller repeated the call to another one.
INSERT INTO task (seq, generation, id, create_time, schedule_time, request)
SELECT * FROM unnest(
  %s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::bytea[]
) AS new (seq, generation, id, create_time, schedule_time, request)
WHERE new.id IS NULL OR NOT EXISTS (
  SELECT FROM queue JOIN task_tombstone ON task_tombstone.queue = queue.key
  WHERE queue.generation = new.generation AND task_tombstone.id = new.id
    AND task_tombstone.expire_time > new.create_time
)
ON CONFLICT (generation, id) WHERE id IS NOT NULL DO NOTHING

-- name: wake_queues
-- Most queues are awake already. Their rows are left alone, so that creators do not wait for each
-- other: while they share the row, no claim puts the wake time off (next_schedule_time).
WITH woken AS MATERIALIZED (
  SELECT queue.key, (value ->> 1)::bigint AS time
  FROM jsonb_array_elements(:queues::jsonb) JOIN queue ON queue.key = (value ->> 0)::bigint
  WHERE (value ->> 1) IS NOT NULL
    AND (queue.wake_time IS NULL OR queue.wake_time > (value ->> 1)::bigint)
  ORDER BY queue.key
  FOR NO KEY UPDATE OF queue
)
UPDATE queue SET wake_time = least(wake_time, woken.time)
FROM woken
WHERE queue.key = woken.key

-- name: get_task
SELECT $task FROM task WHERE seq = :seq

-- name: look_up_names
-- Rows of queue, generation, id, the seq that the id is, now, and the time since when what was
-- purged reserves its names.
SELECT
  (name ->> 0)::bigint, name ->> 2,
  coalesce(
    (SELECT seq FROM task WHERE generation = (name ->> 1)::bigint AND id = name ->> 2),
    (SELECT seq FROM task
     WHERE seq = (name ->> 3)::bigint AND generation = (name ->> 1)::bigint AND id IS NULL)
  ),
  EXISTS (
    SELECT FROM task_tombstone
    WHERE queue = (name ->> 0)::bigint AND id = name ->> 2 AND expire_time > (name ->> 4)::bigint
  ) OR EXISTS (
    SELECT FROM deleted_generation AS deleted JOIN task USING (generation)
    WHERE deleted.queue = (name ->> 0)::bigint AND deleted.time > (name ->> 5)::bigint
      AND task.id = name ->> 2
  )
FROM jsonb_array_elements(:names::jsonb) AS name

-- name: list_tasks
SELECT $task FROM task WHERE generation = :generation AND seq > :after ORDER BY seq LIMIT :limit

-- name: add_task_tombstones
INSERT INTO task_tombstone (queue, id, expire_time)
SELECT (name ->> 0)::bigint, name ->> 1, :expire_time::bigint
FROM jsonb_array_elements(:names::jsonb) AS name
ON CONFLICT (queue, id) DO UPDATE SET
  expire_time = greatest(task_tombstone.expire_time, excluded.expire_time)

-- name: delete_task_tombstone
DELETE FROM task_tombstone
WHERE id = :id AND queue = (SELECT key FROM queue WHERE name = :queue)

-- name: delete_grants
-- Those that a server claims at this moment become attempts of tasks that do not exist.
DELETE FROM claim WHERE number = ANY (ARRAY(
  SELECT number FROM claim
  WHERE server IS NULL
    AND task = ANY (ARRAY(SELECT value::bigint FROM jsonb_array_elements_text(:seqs::jsonb)))
  FOR UPDATE SKIP LOCKED
))

-- name: delete_tasks
DELETE FROM task
WHERE seq = ANY (ARRAY(SELECT value::bigint FROM jsonb_array_elements_text(:seqs::jsonb)))
RETURNING seq, id, generation

-- name: count_created

-- name: count_removed

-- name: insert_grant
INSERT INTO claim (task, queue, forced_at) VALUES (:seq, :queue, :forced_at)
ON CONFLICT (task) WHERE server IS NULL DO NOTHING
RETURNING number
