-- compatible with: 1
-- The tables of the SQLite store, in PostgreSQL's types. Names are compared by their bytes.
-- Rows that many transactions update leave room in their pages and are vacuumed early.

-- A queue, with all that a claim must know of it in one row.
CREATE TABLE queue (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- claims and tombstones outlive their queue
  name text COLLATE "C" NOT NULL UNIQUE,
  state integer NOT NULL,
  -- Its tasks are those of its generation. A purge gives it a new one, and the tasks of the old one
  -- are swept later: constant time for the caller, and no claim, list or count reads them.
  generation bigint NOT NULL UNIQUE,
  max_dispatches_per_second double precision NOT NULL,
  max_burst_size bigint NOT NULL,
  max_concurrent_dispatches bigint NOT NULL,
  max_attempts bigint NOT NULL,
  max_retry_duration bigint NOT NULL,
  min_backoff bigint NOT NULL,
  max_backoff bigint NOT NULL,
  max_doublings bigint NOT NULL,
  settings bytea NOT NULL,
  policy bytea NOT NULL,
  purge_time bigint,
  -- The token bucket, and the attempts in flight.
  tokens double precision NOT NULL,
  tokens_time bigint NOT NULL,
  in_flight bigint NOT NULL DEFAULT 0,
  -- The earliest time at which a claim may find a due task; NULL: not before a change. It may be too
  -- early, never too late.
  wake_time bigint,
  pressure text -- core.back_pressure.encode; NULL: none yet
) WITH (
  fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX queue_wake ON queue (wake_time, key) WHERE wake_time IS NOT NULL;

CREATE TABLE task (
  -- Grows with time and is never used twice; the id of a task that was created without one.
  seq bigint PRIMARY KEY,
  generation bigint NOT NULL,
  create_time bigint NOT NULL,
  schedule_time bigint NOT NULL,
  claim bigint, -- the attempt that decides on it, NULL while it waits
  first_dispatch_time bigint,
  last_schedule_time bigint,
  last_dispatch_time bigint,
  last_response_time bigint,
  dispatch_count integer NOT NULL DEFAULT 0,
  response_count integer NOT NULL DEFAULT 0,
  execution_count integer NOT NULL DEFAULT 0,
  previous_response integer,
  last_code integer NOT NULL DEFAULT 0,
  id text COLLATE "C", -- as its creator named it
  last_message text NOT NULL DEFAULT '',
  request bytea NOT NULL
) WITH (
  fillfactor = 85, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX task_of ON task (generation, seq);
CREATE INDEX task_due ON task (generation, schedule_time, seq) WHERE claim IS NULL;
CREATE UNIQUE INDEX task_named ON task (generation, id) WHERE id IS NOT NULL;

-- An attempt that is granted (no server yet) or in flight.
CREATE TABLE claim (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  task bigint NOT NULL,
  queue bigint NOT NULL,
  server text COLLATE "C",
  forced_at bigint -- when RunTask asked for it
) WITH (
  autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX claim_granted ON claim (number) WHERE server IS NULL;
CREATE UNIQUE INDEX claim_grant_of ON claim (task) WHERE server IS NULL;
CREATE INDEX claim_in_flight ON claim (task) WHERE server IS NOT NULL;
CREATE INDEX claim_of_server ON claim (server) WHERE server IS NOT NULL;

-- Names of tasks and queues that are recently gone.
CREATE TABLE task_tombstone (
  queue bigint NOT NULL,
  id text COLLATE "C" NOT NULL,
  expire_time bigint NOT NULL,
  PRIMARY KEY (queue, id)
);
CREATE INDEX task_tombstone_expire ON task_tombstone (expire_time);
CREATE TABLE queue_tombstone (
  name text COLLATE "C" PRIMARY KEY,
  expire_time bigint NOT NULL
);

-- Generations whose tasks are to be swept, with the queue that had them.
CREATE SEQUENCE generation;
CREATE TABLE deleted_generation (
  generation bigint PRIMARY KEY,
  queue bigint NOT NULL,
  time bigint NOT NULL
);
CREATE INDEX deleted_generation_of ON deleted_generation (queue);

-- Attempts that ended: samples, and those that ended a task badly. Bounded by sweeps.
CREATE TABLE attempt (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  queue text COLLATE "C" NOT NULL,
  task text COLLATE "C" NOT NULL,
  record text NOT NULL -- core.history.encode
);
CREATE INDEX attempt_of ON attempt (queue, number);
CREATE INDEX attempt_of_task ON attempt (queue, task, number);

-- Tasks that failed for good. They outlive their queue. Bounded by sweeps.
CREATE TABLE dead_letter (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  queue text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  time bigint NOT NULL,
  reason text NOT NULL,
  response_body text NOT NULL,
  create_time bigint NOT NULL,
  schedule_time bigint NOT NULL,
  dispatch_count integer NOT NULL,
  response_count integer NOT NULL,
  first_dispatch_time bigint,
  last_schedule_time bigint,
  last_dispatch_time bigint,
  last_response_time bigint,
  last_code integer NOT NULL,
  last_message text NOT NULL,
  request bytea NOT NULL
);
CREATE UNIQUE INDEX dead_letter_named ON dead_letter (queue, id);
CREATE INDEX dead_letter_of ON dead_letter (queue, number);
CREATE INDEX dead_letter_coded ON dead_letter (queue, last_code, number);

-- Operations, names of KMS keys, signing keys (core.document).
CREATE TABLE document (
  kind text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  content bytea NOT NULL,
  expire_time bigint,
  PRIMARY KEY (kind, name)
);
CREATE INDEX document_expire ON document (expire_time) WHERE expire_time IS NOT NULL;

-- Totals of the history, each the sum of its rows: a change adds a row, so that servers do not wait
-- for each other. Sweeps replace many rows by their sum.
CREATE TABLE counter (
  name text NOT NULL,
  value bigint NOT NULL
);
CREATE INDEX counter_named ON counter (name);

-- Seqs are reserved in ranges, under a lock that is held for one statement, not until the commit.
-- A sequence is outside transactions: what a server has reserved, no other one reserves again.
CREATE SEQUENCE seq;
CREATE FUNCTION reserve_seqs(earliest bigint, amount bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  lock_space CONSTANT integer := hashtext(current_schema());
  last bigint;
BEGIN
  PERFORM pg_advisory_lock(lock_space, 2);
  SELECT greatest(last_value, earliest - 1) INTO last FROM seq;
  PERFORM setval('seq', last + amount);
  PERFORM pg_advisory_unlock(lock_space, 2);
  RETURN last + 1;
END $$;

-- When a queue, which this transaction has locked for a claim, has its next due task.
-- Tasks that another transaction is creating are not seen yet. Their creators share the queue's row
-- until they commit (share_queue). If there is one, the queue must be claimed from again soon;
-- otherwise no task can be created before this transaction commits.
CREATE FUNCTION next_schedule_time(
  queue_key bigint, queue_generation bigint, oldest bigint, soon bigint
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  alone boolean;
  earliest bigint;
BEGIN
  PERFORM FROM queue WHERE key = queue_key FOR UPDATE SKIP LOCKED;
  alone := found;
  SELECT schedule_time INTO earliest FROM task
  WHERE generation = queue_generation AND claim IS NULL AND seq + 0 >= oldest
  ORDER BY schedule_time
  LIMIT 1;
  RETURN CASE WHEN alone THEN earliest ELSE least(earliest, soon) END;
END $$;

-- Servers that share the store. A claim of a server without a recent heartbeat is released.
CREATE TABLE server (
  name text COLLATE "C" PRIMARY KEY,
  heartbeat timestamptz NOT NULL
) WITH (fillfactor = 50);
