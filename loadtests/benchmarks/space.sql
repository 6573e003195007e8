-- What loadtests/benchmarks/space.py asks.

-- name: append
-- Events as a TVL watch makes them, of 8,000 entities.
INSERT INTO rtp.event
    (watch, chain, entity, previous, current, reason, severity, confidence, provenance, changed_at)
SELECT 1, 'ethereum', 'protocol-' || (random() * 8000)::int, 31204417000.25, 30873000000, 'deviation', 'info', 1, 'defillama',
       now()
FROM generate_series(1, %s)

-- name: size
-- The log's bytes with its indexes, and its rows.
SELECT (SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'rtp.event'::regclass), count(*)
FROM rtp.event

-- name: flush_statistics
-- So that dead rows are counted.
SELECT pg_stat_force_next_flush()

-- name: dead_rows
-- Of the log, and of the newest events kept.
SELECT coalesce(sum(n_dead_tup) FILTER (WHERE relname <> 'latest_event'), 0),
       coalesce(sum(n_dead_tup) FILTER (WHERE relname = 'latest_event'), 0)
FROM pg_stat_user_tables WHERE schemaname = 'rtp' AND relname IN ('event_0', 'event_1', 'event_2', 'latest_event')
