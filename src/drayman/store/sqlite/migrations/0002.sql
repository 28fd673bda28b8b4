-- How many tasks of its generation a queue has. An existing store is counted once, here.
ALTER TABLE queue ADD COLUMN tasks INTEGER NOT NULL DEFAULT 0;
UPDATE queue SET tasks = (SELECT count(*) FROM task WHERE task.generation = queue.generation);
