-- What must be seen to now and then, besides what has a file of its own.

-- name: tidy
-- Forget what the triggers cost more than an hour ago.
DELETE FROM rtp.trigger_timing WHERE measured_at < now() - interval '1 hour'

-- name: condense_set_aside
-- Of the rows that were set aside, many lines of an entity become one: the last, with the weight of all. So do those of the entities
-- beyond a thousand of a watch, of which it was longest ago. While there are few lines, they stay as they are. Writers take the
-- distance between the ids for the number of lines (rtp.set_aside_line): where it has become much more than that, all get new ids.
WITH spread AS MATERIALIZED (
    SELECT max(id) - min(id) AS ids, max(id) - min(id) > greatest(2 * count(*), 5000) AS is_sparse FROM rtp.set_aside
), of_entity AS (
    SELECT watch, why, chain, entity, count(*) AS lines,
           row_number() OVER (PARTITION BY watch, why ORDER BY max(noted_at) DESC) > 1000 AS is_old
    FROM rtp.set_aside
    WHERE (SELECT ids FROM spread) > 1000
    GROUP BY watch, why, chain, entity
), to_merge AS (
    SELECT watch, why, chain, entity, lines, is_old, sum(lines) OVER (PARTITION BY watch, why, is_old) AS lines_alike
    FROM of_entity
), gone AS (
    DELETE FROM rtp.set_aside AS s USING to_merge AS m, spread
    WHERE (s.watch, s.why, s.chain, s.entity) = (m.watch, m.why, m.chain, m.entity)
      AND (CASE WHEN m.is_old THEN m.lines_alike ELSE m.lines END > 1 OR spread.is_sparse)
    RETURNING s.*, CASE WHEN m.is_old THEN '{}' ELSE ARRAY[s.chain, s.entity] END AS whose
)
INSERT INTO rtp.set_aside (watch, why, chain, entity, value, at, weight, noted_at)
SELECT DISTINCT ON (watch, why, whose) watch, why, chain, entity, value, at,
       sum(weight) OVER (PARTITION BY watch, why, whose)::bigint, noted_at
FROM gone ORDER BY watch, why, whose, noted_at DESC, id DESC
