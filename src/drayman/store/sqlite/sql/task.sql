-- name: last_seq
SELECT value FROM counter WHERE name = 'seq'

-- name: note_seq
UPDATE counter SET value = :seq WHERE name = 'seq'

-- name: insert_tasks
INSERT INTO task (seq, generation, id, create_time, schedule_time, request) VALUES

-- name: wake_queue
UPDATE queue SET wake_time = min(coalesce(wake_time, :time), :time) WHERE key = :key

-- name: get_named
SELECT $task FROM task WHERE generation = :generation AND id = :id

-- name: get_numbered
SELECT $task FROM task WHERE seq = :seq AND generation = :generation AND id IS NULL

-- name: task_tombstone
SELECT 1 FROM task_tombstone WHERE queue = :queue AND id = :id AND expire_time > :now

-- name: retired_name
SELECT 1 FROM retired JOIN task USING (generation)
WHERE retired.queue = :queue AND retired.time > :since AND task.id = :id

-- name: list_tasks
SELECT $task FROM task WHERE generation = :generation AND seq > :after ORDER BY seq LIMIT :limit

-- name: bury_tasks
INSERT INTO task_tombstone (queue, id, expire_time)
SELECT :queue, id, :expire_time FROM task
WHERE seq IN (SELECT value FROM json_each(:seqs)) AND id IS NOT NULL
ON CONFLICT DO UPDATE SET expire_time = max(expire_time, excluded.expire_time)

-- name: delete_grants
DELETE FROM claim
WHERE server IS NULL AND task IN (SELECT value FROM json_each(:seqs)) AND forced_at IS NOT NULL

-- name: delete_tasks
DELETE FROM task WHERE seq IN (SELECT value FROM json_each(:seqs))

-- name: open_grant
SELECT 1 FROM claim WHERE task = :seq AND forced_at IS NOT NULL AND server IS NULL

-- name: grant
INSERT INTO claim (task, queue, forced_at) VALUES (:seq, :queue, :now) RETURNING number

-- name: claim_granted_task
UPDATE task SET
  claim = :number,
  dispatch_count = dispatch_count + 1,
  first_dispatch_time = coalesce(first_dispatch_time, :now),
  last_schedule_time = schedule_time, last_dispatch_time = :now,
  last_response_time = NULL, last_code = 0, last_message = ''
WHERE seq = :seq
RETURNING $task
