-- The back pressure on a queue, as core.throttle writes it; NULL: none yet.
ALTER TABLE queue ADD COLUMN throttle TEXT;
