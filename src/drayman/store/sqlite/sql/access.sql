-- name: get_policy
SELECT coalesce(policy, x'') FROM queue WHERE name = :name

-- name: set_policy
UPDATE queue SET policy = :policy WHERE name = :name

-- name: get_key
SELECT key FROM location_key WHERE location = :location

-- name: set_key
INSERT OR REPLACE INTO location_key (location, key) VALUES (:location, :key)
