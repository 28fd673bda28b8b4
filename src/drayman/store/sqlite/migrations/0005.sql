-- Attempts that ended: a sample, and those that ended a task badly. Bounded; the oldest go first.
CREATE TABLE attempt (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  queue TEXT NOT NULL,
  task TEXT NOT NULL,
  record TEXT NOT NULL -- the rest of core.history.AttemptRecord
) STRICT;
CREATE INDEX attempt_of ON attempt (queue);

-- Tasks that failed for good. They outlive their queue. Bounded; the oldest go first.
CREATE TABLE dead_letter (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  queue TEXT NOT NULL,
  id TEXT NOT NULL,
  time INTEGER NOT NULL,
  reason TEXT NOT NULL,
  answer TEXT NOT NULL,
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
