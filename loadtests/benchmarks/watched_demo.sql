-- The demo's TVL table, as benchmarks of the whole flow fill it and write to it. 2 % there and back: every update deviates
-- by more than the watch's 1 %, and amounts keep their length. :k is pgbench's.

-- name: seed
INSERT INTO tvl
SELECT 'bench', 'p' || number, 12345678.90, 'bench', now() FROM generate_series(0, %(entities)s - 1) AS number

-- name: change_one
UPDATE tvl
SET tvl_usd = CASE WHEN tvl_usd > 12345678.90 THEN 12345678.90 ELSE 12592592.48 END, updated_at = clock_timestamp()
WHERE chain = 'bench' AND protocol = 'p' || :k

-- name: change_all
UPDATE tvl
SET tvl_usd = CASE WHEN tvl_usd > 12345678.90 THEN 12345678.90 ELSE 12592592.48 END, updated_at = clock_timestamp()
WHERE chain = 'bench'
