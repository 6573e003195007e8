-- A log that goes on above every id that was ever given, under another name. core/log/jumps.py says when.

-- name: jump
-- Sequences go on above all that were ever given: caches hold some that this log does not know of, and refuse what is
-- older. The clock, in microseconds, is above them all, however often this is done, up to 1,000,000 events/s.
WITH jump AS MATERIALIZED (
    SELECT last_id AS from_id, greatest(last_id, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS to_id
    FROM (
        SELECT greatest(
            pg_sequence_last_value('rtp.event_id'::regclass), (SELECT id FROM rtp.event ORDER BY id DESC LIMIT 1),
            (SELECT max(greatest(after_id, floor_id)) FROM rtp.cursor), %(above)s::bigint
        )
    ) AS known (last_id)
), noted AS (
    INSERT INTO rtp.log_jump (from_id, to_id, former_log_id)
    SELECT jump.from_id, jump.to_id, former.log_id FROM jump CROSS JOIN rtp.installation AS former
), renamed AS (
    UPDATE rtp.installation SET log_id = left(md5(gen_random_uuid()::text), 12)
)
SELECT setval('rtp.event_id', to_id) FROM jump

-- name: reached
-- Which log this is by now, and how far it has come.
SELECT log_id, coalesce(pg_sequence_last_value('rtp.event_id'::regclass), 0) FROM rtp.installation

-- name: jumps
-- The ids that were left out.
SELECT from_id, to_id FROM rtp.log_jump

-- name: former_names
-- What the log was called before.
SELECT former_log_id FROM rtp.log_jump WHERE former_log_id IS NOT NULL
