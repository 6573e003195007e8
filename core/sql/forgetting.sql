-- Dropping what is remembered of an entity, as `rtp forget` asks for it.

-- name: remembered
-- What is remembered of an entity: of which watches, on which chains; also where only samples of it are in the log.
SELECT w.id, w.name, known.chain, known.entity, b.value, b.sampled_at, b.suspect_since IS NOT NULL
FROM rtp.watch AS w
CROSS JOIN LATERAL (
    SELECT chain, entity FROM rtp.baseline WHERE watch = w.id AND entity = %(entity)s
    UNION
    SELECT chain, entity FROM rtp.sample WHERE watch = w.id AND entity = %(entity)s
) AS known
LEFT JOIN rtp.baseline AS b ON (b.watch, b.chain, b.entity) = (w.id, known.chain, known.entity)
WHERE w.removed_at IS NULL AND coalesce(w.kind = %(kind)s::text, true) AND coalesce(w.name = %(watch)s::text, true)
  AND coalesce(known.chain = %(chain)s::text, true)
ORDER BY w.id, known.chain

-- name: keep_judges_away
-- Until the transaction ends, no judge writes anything down; then each reads anew what is remembered.
SELECT set_config('lock_timeout', '3s', true);
LOCK TABLE rtp.installation IN EXCLUSIVE MODE;
UPDATE rtp.installation SET revision = revision + 1

-- name: forget_samples
-- Those that wait to be judged would bring the memory back. Judged ones are of no use to anybody.
DELETE FROM rtp.sample AS s
USING unnest(%(watch)s::smallint[], %(chain)s::text[], %(entity)s::text[]) AS e (watch, chain, entity)
WHERE (s.watch, s.chain, s.entity) = (e.watch, e.chain, e.entity)

-- name: forget_looks
-- Nobody need look at what is forgotten.
DELETE FROM rtp.look AS l
USING unnest(%(watch)s::smallint[], %(chain)s::text[], %(entity)s::text[]) AS e (watch, chain, entity)
WHERE (l.watch, l.chain, l.entity) = (e.watch, e.chain, e.entity)

-- name: forget_baselines
DELETE FROM rtp.baseline AS b
USING unnest(%(watch)s::smallint[], %(chain)s::text[], %(entity)s::text[]) AS e (watch, chain, entity)
WHERE (b.watch, b.chain, b.entity) = (e.watch, e.chain, e.entity)
