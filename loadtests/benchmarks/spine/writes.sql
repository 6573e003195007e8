-- The floor's own table, which nothing watches. :k is pgbench's.

-- name: create_bare
CREATE TABLE bare (LIKE tvl INCLUDING ALL);
INSERT INTO bare SELECT * FROM tvl;

-- name: update_bare_and_notify
-- As change_one of watched_demo.sql; the notification carries the update's clock, as an event would.
WITH updated AS (
    UPDATE bare
    SET tvl_usd = CASE WHEN tvl_usd > 12345678.90 THEN 12345678.90 ELSE 12592592.48 END, updated_at = clock_timestamp()
    WHERE chain = 'bench' AND protocol = 'p' || :k
    RETURNING updated_at
)
SELECT pg_notify('floor', json_build_object('data', json_build_object('changed_at', updated_at))::text) FROM updated
