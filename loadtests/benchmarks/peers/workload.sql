-- The table that every peer watches, and the writes; for loadtests/benchmarks/peers/workload.py.

-- name: create_table
-- Values and their owners; `source` numbers each entity's updates, `updated_at` is the clock of the newest.
CREATE TABLE tvl (
    chain text, protocol text, tvl_usd numeric, source text, updated_at timestamptz, PRIMARY KEY (chain, protocol)
)

-- name: fill_table
-- The entities that are written, and one more that tells whether a consumer is awake.
INSERT INTO tvl
SELECT 'ethereum', 'p' || g, 1000, '0', now() FROM generate_series(0, %s) AS g
UNION ALL
SELECT 'ethereum', 'probe', 1000, '0', now()

-- name: update
-- A move by half or by a third: more than any threshold.
UPDATE tvl
SET tvl_usd = tvl_usd * CASE WHEN tvl_usd > 1000 THEN 0.7 ELSE 1.5 END,
    source = (source::bigint + 1)::text,
    updated_at = clock_timestamp()
WHERE chain = 'ethereum' AND protocol = :key;

-- name: counts
-- How often each entity was written.
SELECT protocol, source::bigint FROM tvl WHERE protocol <> 'probe'

-- name: bytes
-- What the database holds besides the watched table, and what the server must keep of its log for somebody who reads it.
SELECT pg_database_size(current_database()) - pg_total_relation_size('tvl')
    + coalesce((SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) FROM pg_replication_slots), 0)::bigint
