-- name: get_operation
SELECT fingerprint, result FROM operation WHERE name = :name AND expire_time > :now

-- name: put_operation
INSERT OR REPLACE INTO operation (name, fingerprint, result, expire_time)
VALUES (:name, :fingerprint, :result, :expire_time)

-- name: list_operations
SELECT name, result FROM operation
WHERE name > :after AND name < :end AND expire_time > :now ORDER BY name LIMIT :limit

-- name: delete_operation
DELETE FROM operation WHERE name = :name AND expire_time > :now

-- name: sweep_operations
DELETE FROM operation WHERE name IN (
  SELECT name FROM operation WHERE expire_time <= :now LIMIT :limit
)
