-- name: reserve_seqs
UPDATE counter SET value = max(value, :first - 1) + :count WHERE name = 'seq'
RETURNING value - :count + 1

-- name: insert_tasks
INSERT INTO task (seq, generation, id, create_time, schedule_time, request) VALUES (?)
ON CONFLICT (generation, id) WHERE id IS NOT NULL DO NOTHING

-- name: wake_queues
-- It also counts the tasks that were created.
UPDATE queue SET
  wake_time = coalesce(min(wake_time, woken.value ->> 1), wake_time, woken.value ->> 1),
  tasks = tasks + (woken.value ->> 2)
FROM json_each(:queues) AS woken
WHERE queue.key = woken.value ->> 0

-- name: get_task
SELECT $task FROM task WHERE seq = :seq

-- name: look_up_names
-- Rows of queue, generation, id, the seq that the id is, now, and the time since when what was
-- purged reserves its names.
SELECT
  name.value ->> 0, name.value ->> 2,
  coalesce(
    (SELECT seq FROM task WHERE generation = name.value ->> 1 AND id = name.value ->> 2),
    (SELECT seq FROM task
     WHERE seq = name.value ->> 3 AND generation = name.value ->> 1 AND id IS NULL)
  ),
  EXISTS (
    SELECT 1 FROM task_tombstone
    WHERE queue = name.value ->> 0 AND id = name.value ->> 2 AND expire_time > name.value ->> 4
  ) OR EXISTS (
    SELECT 1 FROM deleted_generation AS deleted JOIN task USING (generation)
    WHERE deleted.queue = name.value ->> 0 AND deleted.time > name.value ->> 5
      AND task.id = name.value ->> 2
  )
FROM json_each(:names) AS name

-- name: list_tasks
SELECT $task FROM task WHERE generation = :generation AND seq > :after ORDER BY seq LIMIT :limit

-- name: add_task_tombstones
INSERT INTO task_tombstone (queue, id, expire_time)
SELECT name.value ->> 0, name.value ->> 1, :expire_time FROM json_each(:names) AS name
WHERE true -- or else SQLite takes "ON" for that of a join
ON CONFLICT DO UPDATE SET expire_time = max(expire_time, excluded.expire_time)

-- name: delete_task_tombstone
DELETE FROM task_tombstone
WHERE id = :id AND queue = (SELECT key FROM queue WHERE name = :queue)

-- name: delete_grants
DELETE FROM claim
WHERE server IS NULL AND task IN (SELECT value FROM json_each(:seqs))

-- name: delete_tasks
DELETE FROM task WHERE seq IN (SELECT value FROM json_each(:seqs))
RETURNING seq, id, generation

-- name: count_created
UPDATE queue SET tasks = tasks + (created.value ->> 2)
FROM json_each(:queues) AS created
WHERE queue.key = created.value ->> 0

-- name: count_removed
-- By generation: tasks that a purge has removed before are in no queue's count.
UPDATE queue SET tasks = tasks - removed.value
FROM json_each(:removed) AS removed
WHERE queue.generation = CAST(removed.key AS INTEGER)

-- name: insert_grant
INSERT INTO claim (task, queue, forced_at) VALUES (:seq, :queue, :forced_at)
ON CONFLICT (task) WHERE server IS NULL DO NOTHING
RETURNING number
