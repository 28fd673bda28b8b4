-- name: get_document
SELECT name, content, expire_time FROM document
WHERE kind = :kind AND name = :name AND (expire_time IS NULL OR expire_time > :now)

-- name: list_documents
SELECT name, content, expire_time FROM document
WHERE kind = :kind AND name > :after AND name < :end
  AND (expire_time IS NULL OR expire_time > :now)
ORDER BY name
LIMIT :limit

-- name: reserve_document
-- An expired document is replaced.
INSERT INTO document (kind, name, content, expire_time) VALUES (:kind, :name, '', :expire_time)
ON CONFLICT (kind, name) DO UPDATE SET content = '', expire_time = excluded.expire_time
WHERE document.expire_time <= :now

-- name: put_document
INSERT INTO document (kind, name, content, expire_time)
VALUES (:kind, :name, :content, :expire_time)
ON CONFLICT (kind, name) DO UPDATE SET
  content = excluded.content, expire_time = excluded.expire_time

-- name: delete_document
DELETE FROM document
WHERE kind = :kind AND name = :name AND (expire_time IS NULL OR expire_time > :now)
