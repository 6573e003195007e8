-- What is remembered of entities goes over to other names (templates/watch_latest.sql, watch_metadata.sql, core/judging/looks.py).

-- rename: the entities of the former names have the others now, all at once. One event tells of each that is known; where its name
-- was another entity's, that one is gone. What got its name of before in this same transaction is told with the one before that.
--   rules   the revision of the rules that baselines are to be of
--           (-1 is that of a baseline which rtp run holds in the place of one that there is not)
--   writer  the transaction that has renamed them: what it brought and told nobody of is not told now
-- An entity that has stepped aside, so that its name could be given on, is under the chain '' and the text of what it was called.
-- Returns how many events it made. Of a former name that is not known, something may be yet to be judged: rtp run is to look.
-- Writes rtp.baseline, rtp.event, rtp.rename and rtp.sample.
CREATE OR REPLACE FUNCTION rtp.rename(
    watch smallint, rules integer, writer xid8, former_chains text[], former_entities text[], chains text[], entities text[],
    confidences double precision[], provenances text[], changed_at timestamptz[]
)
RETURNS bigint LANGUAGE sql
AS $$
WITH pair AS MATERIALIZED (
    SELECT p.*, CASE WHEN p.former_chain = '' THEN p.former_entity::jsonb ->> 0 ELSE p.former_chain END AS was_chain,
           CASE WHEN p.former_chain = '' THEN p.former_entity::jsonb ->> 1 ELSE p.former_entity END AS was_entity
    FROM unnest($4, $5, $6, $7, $8, $9, $10)
        AS p (former_chain, former_entity, chain, entity, confidence, provenance, changed_at)
), taken AS (
    DELETE FROM rtp.baseline AS b USING pair AS p
    WHERE b.watch = $1 AND b.chain = p.former_chain AND b.entity = p.former_entity AND b.rules <> -1
    RETURNING b AS known, p.*
), displaced AS (
    DELETE FROM rtp.baseline AS b USING taken AS t
    WHERE b.watch = $1 AND b.chain = t.chain AND b.entity = t.entity
      AND NOT EXISTS (SELECT FROM pair AS p WHERE p.former_chain = b.chain AND p.former_entity = b.entity)
    RETURNING b AS known, t.confidence, t.provenance, t.changed_at
), placed AS (
    -- Whatever had these keys is to be gone before: the condition is asked once, at the beginning.
    INSERT INTO rtp.baseline
    SELECT moved.*
    FROM taken AS t
    CROSS JOIN LATERAL jsonb_populate_record(
        t.known, jsonb_build_object('chain', t.chain, 'entity', t.entity, 'rules', $2)
    ) AS moved
    WHERE (SELECT count(*) FROM taken) + (SELECT count(*) FROM displaced) > 0
), earlier AS (
    DELETE FROM rtp.event AS e USING taken AS t
    WHERE e.xid = pg_current_xact_id() AND e.watch = $1 AND e.reason = 'renamed'
      AND t.chain <> '' AND e.chain = t.was_chain AND e.entity = t.was_entity
    RETURNING e.chain, e.entity, e.details ->> 'previous_chain' AS first_chain, e.details ->> 'previous_entity' AS first_entity
), dropped AS (
    DELETE FROM rtp.rename AS r USING earlier AS e
    WHERE r.xid = pg_current_xact_id() AND r.watch = $1 AND r.chain = e.chain AND r.entity = e.entity
), named AS MATERIALIZED (
    SELECT t.known, t.chain, t.entity, t.confidence, t.provenance, t.changed_at,
           coalesce(e.first_chain, t.was_chain) AS first_chain, coalesce(e.first_entity, t.was_entity) AS first_entity
    FROM taken AS t LEFT JOIN earlier AS e ON e.chain = t.was_chain AND e.entity = t.was_entity
), told AS MATERIALIZED (
    SELECT n.*, EXISTS (SELECT FROM pair AS p WHERE p.chain = n.first_chain AND p.entity = n.first_entity) OR (
               EXISTS (
                   SELECT FROM rtp.baseline AS k
                   WHERE k.watch = $1 AND k.chain = n.first_chain AND k.entity = n.first_entity AND k.rules <> -1
               )
               AND NOT EXISTS (
                   SELECT FROM pair AS p WHERE p.former_chain = n.first_chain AND p.former_entity = n.first_entity
               )
           ) AS is_taken
    FROM named AS n
    WHERE n.chain <> '' AND (n.first_chain, n.first_entity) <> (n.chain, n.entity)
      AND (n.known).came_xid IS DISTINCT FROM $3
), ended AS (
    INSERT INTO rtp.event (watch, chain, entity, previous, fields, reason, severity, confidence, provenance, changed_at)
    SELECT $1, (d.known).chain, (d.known).entity, (d.known).value, CASE WHEN (d.known).fields IS NOT NULL THEN rtp.field_changes((d.known).fields, '{}') END,
           CASE WHEN w.settings -> 'columns' ? 'value' THEN 'deleted' ELSE 'removed' END,
           CASE WHEN w.settings -> 'columns' ? 'value' THEN 'warning' ELSE 'info' END,
           d.confidence, d.provenance, d.changed_at
    FROM displaced AS d JOIN rtp.watch AS w ON w.id = $1
    WHERE (d.known).came_xid IS DISTINCT FROM $3 AND (d.known).rules <> -1
    RETURNING 1
), appended AS (
    INSERT INTO rtp.event
        (watch, chain, entity, previous, current, reason, confidence, provenance, changed_at, traceparent, tracestate, details)
    SELECT $1, t.chain, t.entity, (t.known).value, (t.known).value, 'renamed', t.confidence, t.provenance, t.changed_at,
           (SELECT rtp.traceparent()), (SELECT rtp.tracestate()),
           jsonb_build_object('previous_chain', t.first_chain, 'previous_entity', t.first_entity)
           || CASE WHEN t.is_taken THEN '{"previous_taken": true}' ELSE '{}' END::jsonb
    FROM told AS t WHERE (SELECT count(*) FROM ended) >= 0
    RETURNING id, chain, entity
), noted AS (
    INSERT INTO rtp.rename (watch, former_chain, former_entity, chain, entity, event_id)
    SELECT $1, t.first_chain, t.first_entity, t.chain, t.entity, CASE WHEN t.is_taken THEN coalesce(
               (SELECT max(o.id) FROM appended AS o WHERE o.chain = t.first_chain AND o.entity = t.first_entity),
               (SELECT max(o.id) FROM rtp.event AS o
                WHERE o.xid = pg_current_xact_id() AND o.watch = $1 AND o.reason = 'renamed'
                  AND o.chain = t.first_chain AND o.entity = t.first_entity),
               a.id
           ) ELSE a.id END
    FROM told AS t JOIN appended AS a USING (chain, entity)
    ON CONFLICT DO NOTHING
), left_to_look AS (
    INSERT INTO rtp.sample (watch, what, chain, entity, sampled_at)
    SELECT $1, 'deleted', p.former_chain, p.former_entity, clock_timestamp()
    FROM pair AS p
    WHERE p.former_chain <> '' AND NOT EXISTS (
        SELECT FROM rtp.baseline AS k WHERE k.watch = $1 AND k.chain = p.former_chain AND k.entity = p.former_entity
    )
)
SELECT (SELECT count(*) FROM appended) + (SELECT count(*) FROM ended)
$$;
