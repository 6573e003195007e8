-- What the load test's users write, and the table that it makes for them. All of it is in a schema of its own.

-- name: create_schema
CREATE SCHEMA rtp_loadtest

-- name: create_latest
-- A row per protocol, updated in place.
CREATE TABLE rtp_loadtest.tvl (
    chain text NOT NULL,
    protocol text NOT NULL,
    tvl_usd numeric NOT NULL,
    source text NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (chain, protocol)
)

-- name: create_history
-- A row per sample.
CREATE TABLE rtp_loadtest.tvl (
    chain text NOT NULL,
    protocol text NOT NULL,
    tvl_usd numeric NOT NULL,
    source text NOT NULL,
    updated_at timestamptz NOT NULL
)

-- name: seed
-- Every protocol's first value, so that the first write is a change.
INSERT INTO rtp_loadtest.tvl
SELECT %(chain)s, 'p' || number, 1000, 'seed', clock_timestamp() FROM generate_series(0, %(entities)s - 1) AS number

-- name: next_log_segment
-- Go on in another segment of PostgreSQL's log, with something in the one before: else it stays where it is.
SELECT pg_logical_emit_message(false, 'rtp', 'segment'), pg_switch_wal()

-- name: update_one
-- $1 the chain, $2 the protocol, $3 its value, $4 the write's mark; so in each of the writes, which are prepared. The database update
-- whose clock everything is measured from: clock_timestamp() in the statement itself.
UPDATE rtp_loadtest.tvl SET tvl_usd = $3, source = $4, updated_at = clock_timestamp()
WHERE chain = $1 AND protocol = $2

-- name: append_one
INSERT INTO rtp_loadtest.tvl VALUES ($1, $2, $3, $4, clock_timestamp())

-- name: upsert_many
-- Arrays of protocols, values and marks.
INSERT INTO rtp_loadtest.tvl
SELECT $1, protocol, tvl_usd, source, clock_timestamp()
FROM unnest($2::text[], $3::numeric[], $4::text[]) AS new (protocol, tvl_usd, source)
ON CONFLICT (chain, protocol) DO UPDATE
SET tvl_usd = EXCLUDED.tvl_usd, source = EXCLUDED.source, updated_at = clock_timestamp()

-- name: drop_schema
DROP SCHEMA IF EXISTS rtp_loadtest CASCADE

-- name: clock
-- How far the database's clock is ahead of the one asked.
SELECT extract(epoch FROM clock_timestamp())::float8

-- name: tracks_commits
-- Whether the server notes when transactions commit.
SELECT current_setting('track_commit_timestamp')::boolean

-- name: commits_latest
-- When some events were committed, and when their writers committed (Unix time): at once, as triggers have judged them. Nothing of
-- an event that the log has no more.
SELECT id, committed_at, committed_at
FROM rtp.event
CROSS JOIN LATERAL (SELECT extract(epoch FROM pg_xact_commit_timestamp(xid::xid))::float8) AS c (committed_at)
WHERE id = ANY(%(ids)s::bigint[])

-- name: commits_history
-- The same of events that rtp run has judged: their writers committed their samples, before. The mark in `provenance` tells which
-- is whose. Those of the last seconds are looked for, without an index: all at once.
WITH recent AS MATERIALIZED (
    SELECT entity, provenance, xid FROM rtp.sample
    WHERE id > pg_sequence_last_value('rtp.sample_id'::regclass) - 20000
)
SELECT e.id, extract(epoch FROM pg_xact_commit_timestamp(e.xid::xid))::float8,
       extract(epoch FROM pg_xact_commit_timestamp(s.xid::xid))::float8
FROM rtp.event AS e JOIN recent AS s ON s.entity = e.entity AND s.provenance = e.provenance
WHERE e.id = ANY(%(ids)s::bigint[])

-- name: activity
-- What the sessions of this database do now: the load's own, and rtp's.
SELECT application_name, coalesce(wait_event_type || ':' || wait_event, 'CPU') AS waits_for, count(*)
FROM pg_stat_activity
WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()
GROUP BY 1, 2

-- name: reseed_latest
-- Every protocol back at its first value, so that another run begins as the first did.
UPDATE rtp_loadtest.tvl SET tvl_usd = 1000, source = 'seed', updated_at = clock_timestamp() WHERE tvl_usd <> 1000

-- name: reseed_history
INSERT INTO rtp_loadtest.tvl
SELECT DISTINCT chain, protocol, 1000, 'seed', clock_timestamp() FROM rtp_loadtest.tvl
