-- What `rtp explain` shows of one entity: read, never changed.

-- name: watches
-- The installed watches of a kind.
SELECT id, name, settings, rules FROM rtp.watch WHERE kind = %(kind)s AND removed_at IS NULL ORDER BY id

-- name: has_baseline
-- Whether rtp remembers an entity.
SELECT FROM rtp.baseline WHERE watch = %(watch)s AND chain = %(chain)s AND entity = %(entity)s

-- name: chains
-- Where an entity is known: by a baseline, one of the newest million samples or events, a row that was set aside, or the
-- name that it has had since.
SELECT chain FROM rtp.baseline WHERE watch = %(watch)s AND entity = %(entity)s
UNION
SELECT chain FROM rtp.sample
WHERE watch = %(watch)s AND entity = %(entity)s AND id > (SELECT max(id) FROM rtp.sample) - 1000000
UNION
SELECT chain FROM rtp.event
WHERE watch = %(watch)s AND entity = %(entity)s AND id > (SELECT max(id) FROM rtp.event) - 1000000
UNION
SELECT chain FROM rtp.set_aside WHERE watch = %(watch)s AND entity = %(entity)s
UNION
SELECT former_chain FROM rtp.rename WHERE watch = %(watch)s AND former_entity = %(entity)s
ORDER BY chain

-- name: state
-- What rtp remembers of an entity.
SELECT value, reported_at, rules, lower, upper, last_value, sampled_at, is_held, suspect_value, suspect_since,
       suspect_count, off_peg_since, due_at, coalesce(lag, '0') AS lag, gone_at, memory::text
FROM rtp.baseline WHERE watch = %(watch)s AND chain = %(chain)s AND entity = %(entity)s

-- name: pending
-- Whether rtp run is to look at the entity's table again, and when all of this was so.
SELECT EXISTS (SELECT FROM rtp.look WHERE watch = %(watch)s AND chain = %(chain)s AND entity = %(entity)s), now()

-- name: set_aside
-- The last of an entity's rows that were set aside, newest first.
SELECT why, value, at, noted_at
FROM rtp.set_aside WHERE watch = %(watch)s AND chain = %(chain)s AND entity = %(entity)s
ORDER BY noted_at DESC, id DESC LIMIT 10

-- name: market
-- What is remembered of its watch's market-wide moves.
SELECT memory::text FROM rtp.market WHERE watch = %(watch)s

-- name: events
-- An entity's last events, newest first, among the log's newest million; also those of what it was called before.
WITH RECURSIVE called AS (
    SELECT %(chain)s::text COLLATE "C" AS chain, %(entity)s::text COLLATE "C" AS entity, 9223372036854775807 AS before_id
    UNION
    SELECT r.former_chain, r.former_entity, r.event_id
    FROM called AS c JOIN rtp.rename AS r
        ON r.watch = %(watch)s AND r.chain = c.chain AND r.entity = c.entity AND r.event_id < c.before_id
)
SELECT e.id, previous, current, fields, reason, severity, duration, confidence, provenance, changed_at, detected_at
FROM rtp.event AS e
WHERE e.watch = %(watch)s AND e.id > (SELECT max(id) FROM rtp.event) - 1000000
  AND EXISTS (SELECT FROM called AS c WHERE c.chain = e.chain AND c.entity = e.entity AND e.id < c.before_id)
ORDER BY e.id DESC LIMIT 10

-- name: renamed
-- What an entity of this name was called next, the last time that one was renamed.
SELECT chain, entity, renamed_at FROM rtp.rename
WHERE watch = %(watch)s AND former_chain = %(chain)s AND former_entity = %(entity)s
ORDER BY event_id DESC LIMIT 1

-- name: names
-- Names that may be meant, those of a similar length first.
SELECT entity FROM (
    SELECT DISTINCT entity FROM rtp.baseline WHERE watch = ANY (%(watches)s)
) AS known
ORDER BY abs(length(entity) - length(%(entity)s)), entity LIMIT 20000
