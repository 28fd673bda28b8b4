-- The back pressure on a queue, as core.back_pressure writes it; NULL: none yet.
ALTER TABLE queue ADD COLUMN throttle TEXT;
