-- A queue, and all that a claim must know of it in one row.
CREATE TABLE queue (
  key INTEGER PRIMARY KEY AUTOINCREMENT, -- attempts and tombstones outlive their queue
  name TEXT NOT NULL UNIQUE,
  state INTEGER NOT NULL,
  -- The tasks it has are those of its generation. A purge gives it a new one, and what is
  -- left of the old is swept later: constant time for the caller, and no claim, list or
  -- count ever wades through what is gone.
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
  purge_time INTEGER,
  -- The token bucket, and the attempts in flight.
  tokens REAL NOT NULL,
  tokens_time INTEGER NOT NULL,
  in_flight INTEGER NOT NULL DEFAULT 0,
  -- The earliest moment at which a claim may find something here; NULL: not before a change.
  -- Never later than the truth.
  wake_time INTEGER
) STRICT;
CREATE INDEX queue_wake ON queue (wake_time) WHERE wake_time IS NOT NULL;

CREATE TABLE task (
  -- Grows with time, is never used twice, and is the id of a task that was given none.
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
CREATE INDEX task_of ON task (generation); -- with the row's seq behind it, as in every index
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
CREATE INDEX claim_forced ON claim (task) WHERE forced_at IS NOT NULL;

-- The names of the recently gone.
CREATE TABLE task_tombstone (
  key INTEGER PRIMARY KEY, -- what a sweep finds the expired by
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

-- Generations whose tasks are to be swept, and whose queue's they were.
CREATE TABLE retired (
  generation INTEGER PRIMARY KEY,
  queue INTEGER NOT NULL,
  time INTEGER NOT NULL
) STRICT;
CREATE INDEX retired_of ON retired (queue);

-- The last generation and the last task there were, and how often the disk was tried.
CREATE TABLE counter (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counter VALUES ('generation', 0), ('seq', 0), ('check', 0);
