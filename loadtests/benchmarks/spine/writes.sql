-- What the measurements write. 2 % there and back: every update deviates by more than the watch's 1 %, and amounts keep
-- their length. :k is pgbench's.

-- name: update_one
UPDATE tvl
SET tvl_usd = CASE WHEN tvl_usd > 12345678.90 THEN 12345678.90 ELSE 12592592.48 END, updated_at = clock_timestamp()
WHERE chain = 'bench' AND protocol = 'p' || :k

-- name: update_bare_and_notify
-- The same on a table without triggers; the notification carries the update's clock, as an event would.
WITH updated AS (
    UPDATE bare
    SET tvl_usd = CASE WHEN tvl_usd > 12345678.90 THEN 12345678.90 ELSE 12592592.48 END, updated_at = clock_timestamp()
    WHERE chain = 'bench' AND protocol = 'p' || :k
    RETURNING updated_at
)
SELECT pg_notify('floor', json_build_object('data', json_build_object('changed_at', updated_at))::text) FROM updated

-- name: update_all
UPDATE tvl
SET tvl_usd = CASE WHEN tvl_usd > 12345678.90 THEN 12345678.90 ELSE 12592592.48 END, updated_at = clock_timestamp()
WHERE chain = 'bench'

-- name: create_bare
CREATE TABLE bare (LIKE tvl INCLUDING ALL)

-- name: seed
INSERT INTO tvl SELECT 'bench', 'p' || number, 12345678.90, 'bench', now() FROM generate_series(1, %(entities)s) AS number

-- name: seed_bare
INSERT INTO bare SELECT * FROM tvl
