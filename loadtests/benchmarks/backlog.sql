-- A long backlog, made in the watched table as a writer would, and the changes that come while it is caught up with.

-- name: entities
-- Entities that have been seen: their next value is a change.
INSERT INTO tvl SELECT 'bench', 'p' || g, 1000, 'bench', now() FROM generate_series(1, %s) AS g

-- name: change_all
-- Every entity's value changes by more than its threshold.
UPDATE tvl SET tvl_usd = tvl_usd * %s, updated_at = clock_timestamp() WHERE chain = 'bench'

-- name: live_entity
-- One more, of which nothing waits.
INSERT INTO tvl VALUES ('live', 'one', 1000, 'bench', now())

-- name: change_live
-- A change that somebody waits for.
UPDATE tvl SET tvl_usd = tvl_usd * %s, updated_at = clock_timestamp() WHERE chain = 'live'

-- name: lag
-- How far a sink is behind, roughly: ids that it has not passed.
SELECT coalesce(pg_sequence_last_value('rtp.event_id'::regclass), 0) - coalesce((SELECT greatest(after_id, floor_id) FROM rtp.cursor WHERE sink = %s), 0)
