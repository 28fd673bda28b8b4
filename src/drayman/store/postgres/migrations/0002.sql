-- compatible with: 1
-- How many tasks each generation has: the sum of its rows. Triggers count, in the transaction of the
-- tasks, so that the count is right even while servers of an older version write. Each connection of
-- PostgreSQL has rows of its own, so that servers do not wait for each other. Rows of connections
-- that have ended are added to the row of backend 0 (members.py).
CREATE TABLE task_count (
  generation bigint NOT NULL,
  backend integer NOT NULL,
  tasks bigint NOT NULL,
  PRIMARY KEY (generation, backend)
) WITH (
  fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_cost_delay = 0
);

CREATE FUNCTION count_tasks() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO task_count (generation, backend, tasks)
  SELECT generation, pg_backend_pid(), CASE TG_OP WHEN 'INSERT' THEN count(*) ELSE -count(*) END
  FROM changed
  GROUP BY generation
  ON CONFLICT (generation, backend) DO UPDATE SET tasks = task_count.tasks + excluded.tasks;
  RETURN NULL;
END $$;
CREATE TRIGGER task_created AFTER INSERT ON task
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_tasks();
CREATE TRIGGER task_removed AFTER DELETE ON task
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_tasks();

CREATE FUNCTION forget_task_count() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM task_count WHERE generation = old.generation;
  RETURN NULL;
END $$;
CREATE TRIGGER generation_forgotten AFTER DELETE ON deleted_generation
FOR EACH ROW EXECUTE FUNCTION forget_task_count();

-- An existing store is counted once. The triggers above have locked out its writers until the commit.
INSERT INTO task_count (generation, backend, tasks)
SELECT generation, 0, count(*) FROM task GROUP BY generation;
