-- One live entity beside a long backlog.

-- name: live_entity
INSERT INTO tvl VALUES ('live', 'one', 1000, 'bench', now())

-- name: change_live
-- A change that somebody waits for.
UPDATE tvl SET tvl_usd = tvl_usd * %s, updated_at = clock_timestamp() WHERE chain = 'live'

-- name: lag
-- How far a sink is behind, roughly: ids that it has not passed.
SELECT coalesce(pg_sequence_last_value('rtp.event_id'::regclass), 0) - coalesce((SELECT greatest(after_id, floor_id) FROM rtp.cursor WHERE sink = %s), 0)
