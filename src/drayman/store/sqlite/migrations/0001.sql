-- A queue, with all that a claim must know of it in one row.
CREATE TABLE queue (
  key INTEGER PRIMARY KEY AUTOINCREMENT, -- claims and tombstones outlive their queue
  name TEXT NOT NULL UNIQUE,
  state INTEGER NOT NULL,
  -- Its tasks are those of its generation. A purge gives it a new one, and the tasks of the old one
  -- are swept later: constant time for the caller, and no claim, list or count reads them.
  generation INTEGER NOT NULL UNIQUE,
  max_dispatches_per_second REAL NOT NULL,
  max_burst_size INTEGER NOT NULL,
  max_concurrent_dispatches INTEGER NOT NULL,
  max_attempts INTEGER NOT NULL,
  max_retry_duration INTEGER NOT NULL,
  min_backoff INTEGER NOT NULL,
  max_backoff INTEGER NOT NULL,
  max_doublings INTEGER NOT NULL,
  settings BLOB NOT NULL,
  policy BLOB NOT NULL,
  purge_time INTEGER,
  -- The token bucket, and the attempts in flight.
  tokens REAL NOT NULL,
  tokens_time INTEGER NOT NULL,
  in_flight INTEGER NOT NULL DEFAULT 0,
  -- The earliest time at which a claim may find a due task; NULL: not before a change. It may be too
  -- early, never too late.
  wake_time INTEGER,
  pressure TEXT -- core.back_pressure.encode; NULL: none yet
) STRICT;
CREATE INDEX queue_wake ON queue (wake_time) WHERE wake_time IS NOT NULL;

CREATE TABLE task (
  -- Grows with time and is never used twice; the id of a task that was created without one.
  seq INTEGER PRIMARY KEY,
  generation INTEGER NOT NULL,
  id TEXT, -- as its creator named it
  create_time INTEGER NOT NULL,
  schedule_time INTEGER NOT NULL,
  claim INTEGER, -- the attempt that decides on it, NULL while it waits
  dispatch_count INTEGER NOT NULL DEFAULT 0,
  response_count INTEGER NOT NULL DEFAULT 0,
  execution_count INTEGER NOT NULL DEFAULT 0,
  previous_response INTEGER,
  first_dispatch_time INTEGER,
  last_schedule_time INTEGER,
  last_dispatch_time INTEGER,
  last_response_time INTEGER,
  last_code INTEGER NOT NULL DEFAULT 0,
  last_message TEXT NOT NULL DEFAULT '',
  request BLOB NOT NULL
) STRICT;
CREATE INDEX task_of ON task (generation); -- followed by the row's seq, as every index is
CREATE INDEX task_due ON task (generation, schedule_time) WHERE claim IS NULL;
CREATE UNIQUE INDEX task_named ON task (generation, id) WHERE id IS NOT NULL;

-- An attempt that is granted (no server yet) or in flight.
CREATE TABLE claim (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  task INTEGER NOT NULL,
  queue INTEGER NOT NULL,
  server TEXT,
  forced_at INTEGER -- when RunTask asked for it
) STRICT;
CREATE INDEX claim_granted ON claim (number) WHERE server IS NULL;
CREATE UNIQUE INDEX claim_grant_of ON claim (task) WHERE server IS NULL;
CREATE INDEX claim_in_flight ON claim (task) WHERE server IS NOT NULL;

-- Names of tasks and queues that are recently gone.
CREATE TABLE task_tombstone (
  key INTEGER PRIMARY KEY, -- by which a sweep deletes it
  queue INTEGER NOT NULL,
  id TEXT NOT NULL,
  expire_time INTEGER NOT NULL,
  UNIQUE (queue, id)
) STRICT;
CREATE INDEX task_tombstone_expire ON task_tombstone (expire_time);
CREATE TABLE queue_tombstone (
  name TEXT PRIMARY KEY,
  expire_time INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Generations whose tasks are to be swept, with the queue that had them.
CREATE TABLE deleted_generation (
  generation INTEGER PRIMARY KEY,
  queue INTEGER NOT NULL,
  time INTEGER NOT NULL
) STRICT;
CREATE INDEX deleted_generation_of ON deleted_generation (queue);

-- Attempts that ended: samples, and those that ended a task badly. Bounded by sweeps.
CREATE TABLE attempt (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  queue TEXT NOT NULL,
  task TEXT NOT NULL,
  record TEXT NOT NULL -- core.history.encode
) STRICT;
CREATE INDEX attempt_of ON attempt (queue);
CREATE INDEX attempt_of_task ON attempt (queue, task);

-- Tasks that failed for good. They outlive their queue. Bounded by sweeps.
CREATE TABLE dead_letter (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  queue TEXT NOT NULL,
  id TEXT NOT NULL,
  time INTEGER NOT NULL,
  reason TEXT NOT NULL,
  response_body TEXT NOT NULL,
  create_time INTEGER NOT NULL,
  schedule_time INTEGER NOT NULL,
  dispatch_count INTEGER NOT NULL,
  response_count INTEGER NOT NULL,
  first_dispatch_time INTEGER,
  last_schedule_time INTEGER,
  last_dispatch_time INTEGER,
  last_response_time INTEGER,
  last_code INTEGER NOT NULL,
  last_message TEXT NOT NULL,
  request BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX dead_letter_named ON dead_letter (queue, id);
CREATE INDEX dead_letter_of ON dead_letter (queue, number);
CREATE INDEX dead_letter_coded ON dead_letter (queue, last_code);

-- Operations, names of KMS keys, signing keys (core.document).
CREATE TABLE document (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  content BLOB NOT NULL,
  expire_time INTEGER,
  UNIQUE (kind, name)
) STRICT;
CREATE INDEX document_expire ON document (expire_time) WHERE expire_time IS NOT NULL;

-- The last generation, the last seq, how often the disk was checked, and totals of the history.
CREATE TABLE counter (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counter VALUES
  ('generation', 0), ('seq', 0), ('check', 0), ('dead_letters', 0), ('dead_letter_bytes', 0);
