-- What must be seen to now and then, besides what has a file of its own.

-- name: tidy
-- Forget what the triggers cost more than an hour ago.
DELETE FROM rtp.trigger_timing WHERE measured_at < now() - interval '1 hour'

-- name: condense_set_aside
-- Of the rows that were set aside, many lines of an entity become one: the last, with the weight of all. While there are few lines,
-- they stay as they are.
WITH many AS (
    SELECT watch, why, chain, entity FROM rtp.set_aside
    WHERE (SELECT max(id) FROM rtp.set_aside) - (SELECT min(id) FROM rtp.set_aside) > 1000
    GROUP BY watch, why, chain, entity HAVING count(*) > 1
), gone AS (
    DELETE FROM rtp.set_aside USING many
    WHERE (set_aside.watch, set_aside.why, set_aside.chain, set_aside.entity) = (many.watch, many.why, many.chain, many.entity)
    RETURNING set_aside.*
)
INSERT INTO rtp.set_aside (watch, why, chain, entity, value, at, weight, noted_at)
SELECT watch, why, chain, entity, value, at, weight, noted_at
FROM (
    SELECT DISTINCT ON (watch, why, chain, entity) id, watch, why, chain, entity, value, at, noted_at,
           sum(weight) OVER (PARTITION BY watch, why, chain, entity)::bigint AS weight
    FROM gone ORDER BY watch, why, chain, entity, id DESC
) AS last
ORDER BY id
