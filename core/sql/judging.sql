-- Judging the sample log (core/judging): what is installed, what is remembered of the entities, and writing down what came of
-- a stretch of the log.

-- name: watches
-- The installed watches, and the revision of the installation that they are of. One row without a watch where there is none.
SELECT i.revision, w.id, w.name, w.settings, w.rules
FROM rtp.installation AS i LEFT JOIN rtp.watch AS w ON w.removed_at IS NULL

-- name: states
-- What is remembered of these entities. Each is looked up by its whole key, whatever the planner knows of the table.
SELECT b.watch, b.chain, b.entity, b.value, b.reported_at, coalesce(b.sampled_at, b.reported_at), b.last_value,
       b.suspect_value, b.suspect_since, b.suspect_count, b.off_peg_since, b.is_held,
       coalesce(b.last_changed_at, b.sampled_at, b.reported_at), b.last_confidence, b.last_provenance,
       CASE WHEN b.suspect_since IS NOT NULL THEN coalesce(b.suspect_changed_at, b.sampled_at) END,
       b.suspect_confidence, b.suspect_provenance, coalesce(b.lag, '0'), b.gone_at, b.memory::text,
       b.gone_xid::text, b.came_xid::text
FROM unnest(%(watch)s::smallint[], %(chain)s::text[], %(entity)s::text[]) AS e (watch, chain, entity)
CROSS JOIN LATERAL (
    SELECT * FROM rtp.baseline AS k
    WHERE k.watch = e.watch AND k.chain = e.chain AND k.entity = e.entity LIMIT 1
) AS b

-- name: begin
-- What a transaction asks under a lock must be seen as it is then, whatever the role's own default.
BEGIN ISOLATION LEVEL READ COMMITTED

-- name: keep_installation
-- Keep installations away until the transaction ends; refused where one is under way. A lock of rtp's own table, as anybody may
-- take an advisory one.
LOCK TABLE rtp.installation IN ROW SHARE MODE NOWAIT

-- name: revision
-- Of which revision the installation is.
SELECT revision FROM rtp.installation

-- name: check_revision
-- Behind keep_installation: it fails, by a division by zero, where the installation is of another revision. A statement of its
-- own, whose snapshot is taken when the lock is had. The transaction waits for the disk at its end where synchronous_commit is on.
SELECT 1 / count(*), set_config('synchronous_commit', %(synchronous_commit)s::text, true)
FROM rtp.installation WHERE revision = %(revision)s::bigint

-- name: commit
COMMIT

-- name: append_events
-- Append events to the log, in this order.
INSERT INTO rtp.event
    (watch, chain, entity, previous, current, reason, severity, duration, confidence, provenance, changed_at,
     traceparent, tracestate, details)
SELECT e.watch, e.chain, e.entity, e.previous, e.current, e.reason, e.severity, make_interval(secs => e.duration_seconds),
       e.confidence, e.provenance, e.changed_at, e.traceparent, e.tracestate, e.details::jsonb
FROM unnest(
    %(watch)s::smallint[], %(chain)s::text[], %(entity)s::text[], %(previous)s::numeric[], %(current)s::numeric[],
    %(reason)s::text[], %(severity)s::text[], %(duration_seconds)s::double precision[], %(confidence)s::double precision[],
    %(provenance)s::text[], %(changed_at)s::timestamptz[], %(traceparent)s::text[], %(tracestate)s::text[],
    %(details)s::text[]
) WITH ORDINALITY AS e (watch, chain, entity, previous, current, reason, severity, duration_seconds, confidence, provenance,
                        changed_at, traceparent, tracestate, details, place)
ORDER BY e.place

-- name: note_renames
-- Behind append_events: what was told of the former names was told of these entities. Where another has such a name since, that one
-- begins with its own event.
INSERT INTO rtp.rename (watch, former_chain, former_entity, chain, entity, event_id)
SELECT e.watch, e.details ->> 'previous_chain', e.details ->> 'previous_entity', e.chain, e.entity,
       CASE WHEN e.details ? 'previous_taken' THEN coalesce((
           SELECT max(o.id) FROM rtp.event AS o
           WHERE o.xid = e.xid AND o.watch = e.watch AND o.reason = 'renamed'
             AND o.chain = e.details ->> 'previous_chain' AND o.entity = e.details ->> 'previous_entity'
       ), e.id) ELSE e.id END
FROM rtp.event AS e
WHERE e.xid = pg_current_xact_id() AND e.reason = 'renamed'
ON CONFLICT DO NOTHING

-- name: return_event_id
-- Behind append_events: the id by which the event is known, as core/log/rows.py makes it.
RETURNING (SELECT log_id FROM rtp.installation) || '-' || xid::text || '-' || id::text

-- name: market
-- What is remembered of a watch's market-wide moves.
SELECT memory::text FROM rtp.market WHERE watch = %(watch)s::smallint

-- name: count_entities
-- How many entities a watch has.
SELECT count(*) FROM rtp.baseline WHERE watch = %(watch)s::smallint AND gone_at IS NULL

-- name: keep_market
-- Remember a watch's market-wide moves.
INSERT INTO rtp.market (watch, memory) VALUES (%(watch)s::smallint, %(memory)s::jsonb)
ON CONFLICT (watch) DO UPDATE SET memory = excluded.memory

-- name: note_quarantine
-- What the glitch guard held back, and what became of it.
INSERT INTO rtp.quarantine (watch, chain, entity, what, baseline, value)
SELECT n.watch, n.chain, n.entity, n.what, n.baseline, n.value
FROM unnest(
    %(watch)s::smallint[], %(chain)s::text[], %(entity)s::text[], %(what)s::text[], %(baseline)s::numeric[], %(value)s::numeric[]
) WITH ORDINALITY AS n (watch, chain, entity, what, baseline, value, place)
ORDER BY n.place

-- name: note_set_aside
-- Samples that moved nothing.
INSERT INTO rtp.set_aside (watch, why, chain, entity, value, at, weight)
SELECT n.watch, n.why, n.chain, n.entity, n.value, n.at, n.weight
FROM unnest(
    %(watch)s::smallint[], %(why)s::text[], %(chain)s::text[], %(entity)s::text[], %(value)s::numeric[], %(at)s::timestamptz[],
    %(weight)s::bigint[]
) WITH ORDINALITY AS n (watch, why, chain, entity, value, at, weight, place)
ORDER BY n.place

-- name: note_error
-- A sample that could not be judged.
SELECT rtp.note_error(%(watch)s::text, 'JUDGE', %(sqlstate)s::text, %(message)s::text)::text

-- name: keep_states
-- Remember these entities. The band is for triggers that judge by themselves, and none of them takes one of this revision of
-- the rules.
INSERT INTO rtp.baseline AS b
    (watch, chain, entity, value, reported_at, sampled_at, last_value, suspect_value, suspect_since, suspect_count,
     off_peg_since, is_held, last_changed_at, last_confidence, last_provenance, suspect_changed_at, suspect_confidence,
     suspect_provenance, lag, rules, due_at, gone_at, gone_xid, memory)
SELECT * FROM unnest(
    %(watch)s::smallint[], %(chain)s::text[], %(entity)s::text[], %(value)s::numeric[], %(reported_at)s::timestamptz[],
    %(sampled_at)s::timestamptz[], %(last_value)s::numeric[], %(suspect_value)s::numeric[], %(suspect_since)s::timestamptz[],
    %(suspect_count)s::integer[], %(off_peg_since)s::timestamptz[], %(is_held)s::boolean[],
    %(last_changed_at)s::timestamptz[], %(last_confidence)s::double precision[], %(last_provenance)s::text[],
    %(suspect_changed_at)s::timestamptz[], %(suspect_confidence)s::double precision[], %(suspect_provenance)s::text[],
    %(lag)s::interval[], %(rules)s::integer[], %(due_at)s::timestamptz[], %(gone_at)s::timestamptz[],
    %(gone_xid)s::xid8[], %(memory)s::jsonb[]
)
ON CONFLICT (watch, chain, entity) DO UPDATE
SET value = excluded.value, reported_at = excluded.reported_at, sampled_at = excluded.sampled_at,
    last_value = excluded.last_value, suspect_value = excluded.suspect_value, suspect_since = excluded.suspect_since,
    suspect_count = excluded.suspect_count, off_peg_since = excluded.off_peg_since, is_held = excluded.is_held,
    last_changed_at = excluded.last_changed_at, last_confidence = excluded.last_confidence,
    last_provenance = excluded.last_provenance, suspect_changed_at = excluded.suspect_changed_at,
    suspect_confidence = excluded.suspect_confidence, suspect_provenance = excluded.suspect_provenance,
    lag = excluded.lag, rules = excluded.rules, due_at = excluded.due_at, gone_at = excluded.gone_at,
    gone_xid = excluded.gone_xid, memory = excluded.memory, lower = NULL, upper = NULL

-- name: keep_newest
-- Remember the newest samples of entities of which no rule had anything to say.
UPDATE rtp.baseline AS b
SET last_value = e.value, sampled_at = e.at, last_changed_at = coalesce(e.changed_at, e.at), last_confidence = e.confidence,
    last_provenance = e.provenance, lag = e.lag
FROM unnest(
    %(watch)s::smallint[], %(chain)s::text[], %(entity)s::text[], %(value)s::numeric[], %(at)s::timestamptz[],
    %(changed_at)s::timestamptz[], %(confidence)s::double precision[], %(provenance)s::text[], %(lag)s::interval[]
) AS e (watch, chain, entity, value, at, changed_at, confidence, provenance, lag)
CROSS JOIN LATERAL (
    SELECT k.ctid FROM rtp.baseline AS k
    WHERE k.watch = e.watch AND k.chain = e.chain AND k.entity = e.entity LIMIT 1
) AS known (place)
WHERE b.ctid = known.place

-- name: forget
-- Entities that are gone.
DELETE FROM rtp.baseline AS b
USING unnest(%(watch)s::smallint[], %(chain)s::text[], %(entity)s::text[]) AS e (watch, chain, entity)
CROSS JOIN LATERAL (
    SELECT k.ctid FROM rtp.baseline AS k
    WHERE k.watch = e.watch AND k.chain = e.chain AND k.entity = e.entity LIMIT 1
) AS known (place)
WHERE b.ctid = known.place

-- name: due
-- Entities of these watches whose appointment has come, the longest overdue first, or those alone whose rows are gone; the clock
-- that says so, and of which revision the installation is. One row without an entity where there is none.
SELECT clock.now, i.revision, b.watch, b.chain, b.entity
FROM (SELECT clock_timestamp() AS now OFFSET 0) AS clock
CROSS JOIN rtp.installation AS i
LEFT JOIN LATERAL (
    SELECT watch, chain, entity FROM rtp.baseline
    WHERE due_at <= clock.now AND watch = ANY (%(watches)s::smallint[])
      AND (gone_at IS NOT NULL OR NOT %(only_gone)s::boolean)
    ORDER BY due_at LIMIT %(limit)s::bigint
) AS b ON true

-- name: older_rules
-- Of the next baselines of a watch, by their keys: whether each was last judged by rules that are no more.
SELECT chain, entity, rules <> %(rules)s::integer
FROM rtp.baseline
WHERE watch = %(watch)s::smallint AND (chain, entity) > (%(chain)s::text, %(entity)s::text)
ORDER BY chain, entity LIMIT %(limit)s::bigint
