-- name: list_keys
SELECT id, create_time, pem, given FROM signing_key ORDER BY create_time, id

-- name: put_key
INSERT OR REPLACE INTO signing_key (id, create_time, pem, given)
VALUES (:id, :create_time, :pem, :given)

-- name: sweep_keys
DELETE FROM signing_key WHERE create_time <= :time
