-- The keys that sign tokens.
CREATE TABLE signing_key (
  id TEXT PRIMARY KEY,
  create_time INTEGER NOT NULL,
  pem BLOB NOT NULL
) STRICT, WITHOUT ROWID;
