-- What the filters of lists need.
CREATE INDEX attempt_of_task ON attempt (queue, task);
CREATE INDEX dead_letter_coded ON dead_letter (queue, last_code);

-- How much there is of both, so that what is too much is known without a count.
INSERT INTO counter SELECT 'attempts', count(*) FROM attempt;
INSERT INTO counter SELECT 'dead', count(*) FROM dead_letter;
INSERT INTO counter SELECT 'dead_bytes', coalesce(sum(length(request)), 0) FROM dead_letter;
CREATE TRIGGER attempt_added AFTER INSERT ON attempt BEGIN
  UPDATE counter SET value = value + 1 WHERE name = 'attempts';
END;
CREATE TRIGGER attempt_removed AFTER DELETE ON attempt BEGIN
  UPDATE counter SET value = value - 1 WHERE name = 'attempts';
END;
CREATE TRIGGER dead_letter_added AFTER INSERT ON dead_letter BEGIN
  UPDATE counter SET value = value + 1 WHERE name = 'dead';
  UPDATE counter SET value = value + length(NEW.request) WHERE name = 'dead_bytes';
END;
CREATE TRIGGER dead_letter_removed AFTER DELETE ON dead_letter BEGIN
  UPDATE counter SET value = value - 1 WHERE name = 'dead';
  UPDATE counter SET value = value - length(OLD.request) WHERE name = 'dead_bytes';
END;
