-- What a batch came to, for those who ask again.
CREATE TABLE operation (
  name TEXT PRIMARY KEY,
  fingerprint BLOB NOT NULL, -- of the request, so that an id is not used for two
  result BLOB NOT NULL,
  expire_time INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX operation_expire ON operation (expire_time);

-- Who may do what with a queue; gone with it.
ALTER TABLE queue ADD COLUMN policy BLOB;

-- The key that new tasks of a location are encrypted with.
CREATE TABLE location_key (
  location TEXT PRIMARY KEY,
  key TEXT NOT NULL
) STRICT, WITHOUT ROWID;
