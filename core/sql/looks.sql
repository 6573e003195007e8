-- Looks: what a trigger could not judge, rtp run judges by what the table holds (core/judging/looks.py).

-- name: set_patience
-- How long to wait for somebody's lock, until the transaction ends; and how long the server waits for a judge that has stopped in
-- the middle of it: a writer of one of these entities waits as long.
SELECT set_config('lock_timeout', %(lock_timeout)s, true), set_config('idle_in_transaction_session_timeout', '5s', true)

-- name: lock_known
-- Keep the triggers away from these baselines, but for those that somebody else keeps, or has just moved; which were had. Each is
-- looked up by its whole key, whatever the planner knows of the table.
SELECT b.watch, b.chain, b.entity
FROM unnest(%(watch)s::smallint[], %(chain)s::text[], %(entity)s::text[]) AS e (watch, chain, entity)
CROSS JOIN LATERAL (
    SELECT k.ctid FROM rtp.baseline AS k
    WHERE k.watch = e.watch AND k.chain = e.chain AND k.entity = e.entity LIMIT 1
) AS known (place)
JOIN rtp.baseline AS b ON b.ctid = known.place
FOR UPDATE OF b SKIP LOCKED

-- name: lock_unknown
-- The same for entities without a baseline: they get one, which nobody else sees before it is filled or deleted.
INSERT INTO rtp.baseline AS b (watch, chain, entity, reported_at, rules)
SELECT e.watch, e.chain, e.entity, clock_timestamp(), -1
FROM unnest(%(watch)s::smallint[], %(chain)s::text[], %(entity)s::text[]) AS e (watch, chain, entity)
WHERE NOT EXISTS (
    SELECT FROM rtp.baseline AS k WHERE k.watch = e.watch AND k.chain = e.chain AND k.entity = e.entity OFFSET 0
)
ON CONFLICT DO NOTHING
RETURNING b.watch, b.chain, b.entity

-- name: forget_unknown
-- Take the baselines back that were put there.
DELETE FROM rtp.baseline AS b
USING unnest(%(watch)s::smallint[], %(chain)s::text[], %(entity)s::text[]) AS e (watch, chain, entity)
CROSS JOIN LATERAL (
    SELECT k.ctid FROM rtp.baseline AS k
    WHERE k.watch = e.watch AND k.chain = e.chain AND k.entity = e.entity LIMIT 1
) AS known (place)
WHERE b.ctid = known.place AND b.rules = -1

-- name: held_now
-- What a table holds of these entities now, the newest row last; the clock. One row without an entity where it holds nothing.
SELECT clock_timestamp(), n.chain, n.entity, n.value, n.is_usable, n.confidence, n.provenance, n.changed_at
FROM (SELECT) AS once LEFT JOIN {now}(%(chain)s::text[], %(entity)s::text[]) AS n ON true
ORDER BY n.changed_at

-- name: fields_before
-- Of metadata: what the rows held that these samples say are gone.
SELECT id, fields::text FROM rtp.sample WHERE id = ANY (%(ids)s::bigint[]) AND fields IS NOT NULL

-- name: report_fields
-- Of metadata: what has become of these entities, whose baselines are locked.
WITH here AS MATERIALIZED (
    SELECT DISTINCT ON (n.chain, n.entity) * FROM {fields}(%(chain)s::text[], %(entity)s::text[]) AS n
    ORDER BY n.chain, n.entity, n.changed_at DESC
), look AS MATERIALIZED (
    SELECT e.chain, e.entity, b.place, n.chain IS NOT NULL AS is_here, b.rules = -1 AS is_new, b.fields IS NOT NULL AS is_marked,
           CASE WHEN b.fields IS NOT NULL OR e.fields IS NOT NULL  -- else nobody knows what it held, or it was never gone
                THEN rtp.field_changes(coalesce(b.fields, e.fields), coalesce(n.fields, '{}')) END AS changes,
           rtp.field_changes('{}', n.fields) AS all_fields,
           CASE WHEN n.chain IS NULL THEN coalesce(b.gone_at, e.gone_at, clock_timestamp()) ELSE n.changed_at END AS changed_at,
           coalesce(n.confidence, e.confidence, %(confidence)s::double precision) AS confidence,
           CASE WHEN n.chain IS NULL THEN coalesce(e.provenance, %(provenance)s::text) ELSE n.provenance END AS provenance
    FROM unnest(
        %(chain)s::text[], %(entity)s::text[], %(fields)s::jsonb[], %(gone_at)s::timestamptz[],
        %(gone_confidence)s::double precision[], %(gone_provenance)s::text[]
    ) AS e (chain, entity, fields, gone_at, confidence, provenance)
    CROSS JOIN LATERAL (
        SELECT k.ctid AS place, k.rules, k.fields, k.gone_at FROM rtp.baseline AS k
        WHERE k.watch = %(watch)s::smallint AND k.chain = e.chain AND k.entity = e.entity LIMIT 1
    ) AS b
    LEFT JOIN here AS n ON n.chain = e.chain AND n.entity = e.entity
), forgotten AS (
    DELETE FROM rtp.baseline AS b USING look WHERE b.ctid = look.place AND NOT look.is_here
), known AS (
    UPDATE rtp.baseline AS b SET rules = 0, fields = NULL, gone_at = NULL
    FROM look WHERE b.ctid = look.place AND look.is_here AND (look.is_new OR look.is_marked)
)
INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
SELECT %(watch)s::smallint, chain, entity, CASE WHEN is_new THEN all_fields ELSE changes END,
       CASE WHEN is_new THEN 'added' WHEN is_here THEN 'changed' ELSE 'removed' END, confidence, provenance, changed_at
FROM look
WHERE is_here AND (is_new OR changes IS NOT NULL) OR NOT is_here AND NOT is_new
ORDER BY chain, entity
RETURNING 1

-- name: rename
-- What is remembered goes over to other names.
SELECT rtp.rename(
    %(of)s::smallint, %(rules)s::integer, %(writer)s::xid8, %(former_chain)s::text[], %(former_entity)s::text[],
    %(chain)s::text[], %(entity)s::text[], %(confidence)s::double precision[], %(provenance)s::text[],
    %(changed_at)s::timestamptz[]
)

-- name: renamed_since
-- Which of these entities were renamed since: what was written of them before is the others'.
SELECT DISTINCT e.watch, e.chain, e.entity
FROM unnest(%(watch)s::smallint[], %(chain)s::text[], %(entity)s::text[], %(since)s::timestamptz[]) AS e (watch, chain, entity, since)
JOIN rtp.rename AS r ON r.watch = e.watch AND r.former_chain = e.chain AND r.former_entity = e.entity AND r.renamed_at >= e.since

-- name: waiting_renames
-- Those that could not be made yet.
SELECT id, watch, chain, entity, former_chain, former_entity, xid::text, confidence, provenance, changed_at, fields::text
FROM rtp.waiting_rename ORDER BY id

-- name: keep_renames
-- Have these wait.
INSERT INTO rtp.waiting_rename
    (id, watch, chain, entity, former_chain, former_entity, xid, confidence, provenance, changed_at, fields)
SELECT * FROM unnest(
    %(id)s::bigint[], %(watch)s::smallint[], %(chain)s::text[], %(entity)s::text[], %(former_chain)s::text[],
    %(former_entity)s::text[], %(xid)s::xid8[], %(confidence)s::double precision[], %(provenance)s::text[],
    %(changed_at)s::timestamptz[], %(fields)s::jsonb[]
)
ON CONFLICT DO NOTHING

-- name: drop_renames
-- These wait no more.
DELETE FROM rtp.waiting_rename WHERE id = ANY (%(ids)s::bigint[])

-- name: put_off
-- Look at these entities later: where `waits`, once the writers of the moment have ended, who are yet to be asked for. Of several
-- deletions the last one is told; what a row of metadata held is compared with what was told last, which the first one knows.
INSERT INTO rtp.look AS l
    (watch, chain, entity, waits_for, try_at, gone_at, gone_confidence, gone_provenance, fields, gone_xid)
SELECT e.watch, e.chain, e.entity, CASE WHEN NOT e.waits THEN '{}'::xid8[] END, clock_timestamp() + make_interval(secs => e.pause),
       e.gone_at, e.gone_confidence, e.gone_provenance, e.fields, e.gone_xid
FROM unnest(
    %(watch)s::smallint[], %(chain)s::text[], %(entity)s::text[], %(waits)s::boolean[], %(pause)s::double precision[],
    %(gone_at)s::timestamptz[], %(gone_confidence)s::double precision[], %(gone_provenance)s::text[], %(fields)s::jsonb[],
    %(gone_xid)s::xid8[]
) AS e (watch, chain, entity, waits, pause, gone_at, gone_confidence, gone_provenance, fields, gone_xid)
ON CONFLICT (watch, chain, entity) DO UPDATE
SET waits_for = excluded.waits_for, try_at = excluded.try_at, fields = coalesce(l.fields, excluded.fields),
    gone_at = coalesce(excluded.gone_at, l.gone_at),
    gone_confidence = CASE WHEN excluded.gone_at IS NULL THEN l.gone_confidence ELSE excluded.gone_confidence END,
    gone_provenance = CASE WHEN excluded.gone_at IS NULL THEN l.gone_provenance ELSE excluded.gone_provenance END,
    gone_xid = CASE WHEN excluded.gone_at IS NULL THEN l.gone_xid ELSE excluded.gone_xid END

-- name: are_put_off
-- Whether there are any to be taken again.
SELECT EXISTS (SELECT FROM rtp.look)

-- name: ask_for_writers
-- Who may still be writing to the tables of looks that wait, in transactions that cannot have seen what the look before has left:
-- whoever holds the lock that writing takes. To be asked once that has committed; of each table once, however many looks wait.
WITH asking AS MATERIALIZED (
    SELECT l.watch, l.ctid AS place FROM rtp.look AS l WHERE l.waits_for IS NULL ORDER BY l.try_at LIMIT %(limit)s::bigint
), clock AS MATERIALIZED (
    SELECT ((pg_snapshot_xmax(now.snapshot)::text::bigint + age(pg_snapshot_xmax(now.snapshot)::xid))::text)::xid8 AS next
    FROM (SELECT pg_current_snapshot() AS snapshot) AS now
), table_writers AS MATERIALIZED (
    SELECT w.id AS watch, ARRAY(
        SELECT ((clock.next::text::bigint - age(own.transactionid))::text)::xid8
        FROM pg_locks AS writing
        JOIN pg_locks AS own ON own.virtualtransaction = writing.virtualtransaction AND own.locktype = 'transactionid'
            AND own.mode = 'ExclusiveLock' AND own.granted
        WHERE writing.locktype = 'relation' AND writing.granted AND writing.mode NOT IN ('AccessShareLock', 'RowShareLock')
          AND writing.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND (writing.relation = w.table_oid OR writing.relation IN (SELECT relid FROM pg_partition_tree(w.table_oid)))
    ) AS xids
    FROM rtp.watch AS w, clock
    WHERE w.id IN (SELECT watch FROM asking)
)
UPDATE rtp.look AS l SET waits_for = t.xids
FROM asking AS a JOIN table_writers AS t USING (watch)
WHERE l.ctid = a.place

-- name: due_looks
-- The looks to be taken again now, but for those of watches whose tables cannot be read.
SELECT l.watch, l.chain, l.entity, l.gone_at, l.gone_confidence, l.gone_provenance, l.fields::text, l.gone_xid::text
FROM rtp.look AS l
WHERE l.waits_for IS NOT NULL AND l.try_at <= clock_timestamp() AND l.watch <> ALL (%(without)s::smallint[])
  AND NOT EXISTS (
      SELECT FROM unnest(l.waits_for) AS writer (xid) WHERE NOT pg_visible_in_snapshot(writer.xid, pg_current_snapshot())
  )
ORDER BY l.try_at LIMIT %(limit)s::bigint

-- name: taken
-- These looks were taken. Each is looked up by its whole key, as above.
DELETE FROM rtp.look AS l
USING unnest(%(watch)s::smallint[], %(chain)s::text[], %(entity)s::text[]) AS e (watch, chain, entity)
CROSS JOIN LATERAL (
    SELECT k.ctid FROM rtp.look AS k WHERE k.watch = e.watch AND k.chain = e.chain AND k.entity = e.entity LIMIT 1
) AS known (place)
WHERE l.ctid = known.place
