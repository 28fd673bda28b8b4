-- Whether a key was given by its owner: it signs for as long as it is given, and is shown longer.
ALTER TABLE signing_key ADD COLUMN given INTEGER NOT NULL DEFAULT 0;
