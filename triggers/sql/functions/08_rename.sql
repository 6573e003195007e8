-- What is remembered of entities goes over to other names (templates/watch_latest.sql, watch_metadata.sql, core/judging/looks.py).

-- rename: the entities of the former names have the others now, all at once. One event tells of each that is known; where its name
-- was another entity's, that one is gone. What got its name of before in this same transaction is told with the one before that.
--   rules   the revision of the rules that baselines are to be of
--           (-1 is that of a baseline which rtp run holds in the place of one that there is not)
--   writer  the transaction that has renamed them: what it brought and told nobody of is not told now
-- An entity that has stepped aside, so that its name could be given on, is under the chain '' and the text of what it was called.
-- Returns how many events it made. Of a former name that is not known, something may be yet to be judged: rtp run is to look.
-- Writes rtp.baseline, rtp.event, rtp.rename and rtp.sample.
--
-- There may be any number of pairs, and a server that has not looked at rtp's tables since they were filled takes them for empty: it
-- would compare each row of one side with each of the other. So baselines and earlier renames are looked up by their keys, row by
-- row (OFFSET keeps a look-up one), and changed by place; names are compared by IN and by a full join, which are hashed.
CREATE OR REPLACE FUNCTION rtp.rename(
    watch smallint, rules integer, writer xid8, former_chains text[], former_entities text[], chains text[], entities text[],
    confidences double precision[], provenances text[], changed_at timestamptz[]
)
RETURNS bigint LANGUAGE plpgsql
SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    made bigint;
BEGIN
    -- A statement of its own, so that the next one sees what whoever held them has left.
    PERFORM FROM unnest($4, $5, $6, $7) AS p (former_chain, former_entity, chain, entity)
    CROSS JOIN LATERAL (
        SELECT FROM rtp.baseline AS k
        WHERE k.watch = $1 AND k.chain = p.former_chain AND k.entity = p.former_entity AND k.rules <> -1
        FOR UPDATE
    ) AS held
    LEFT JOIN LATERAL (
        SELECT FROM rtp.baseline AS k WHERE k.watch = $1 AND k.chain = p.chain AND k.entity = p.entity FOR UPDATE
    ) AS held_too ON true;

    WITH pair AS MATERIALIZED (
        SELECT p.*, CASE WHEN p.former_chain = '' THEN p.former_entity::jsonb ->> 0 ELSE p.former_chain END AS was_chain,
               CASE WHEN p.former_chain = '' THEN p.former_entity::jsonb ->> 1 ELSE p.former_entity END AS was_entity,
               b.place, b.rules
        FROM unnest($4, $5, $6, $7, $8, $9, $10)
            AS p (former_chain, former_entity, chain, entity, confidence, provenance, changed_at)
        LEFT JOIN LATERAL (
            SELECT k.ctid AS place, k.rules FROM rtp.baseline AS k
            WHERE k.watch = $1 AND k.chain = p.former_chain AND k.entity = p.former_entity
            OFFSET 0
        ) AS b ON true
    ), taken AS (
        DELETE FROM rtp.baseline AS b USING pair AS p
        WHERE b.ctid = p.place AND p.rules <> -1
        RETURNING b AS known, p.*
    ), displaced AS (
        DELETE FROM rtp.baseline AS b
        USING taken AS t CROSS JOIN LATERAL (
            SELECT k.ctid AS place FROM rtp.baseline AS k
            WHERE k.watch = $1 AND k.chain = t.chain AND k.entity = t.entity
            OFFSET 0
        ) AS of_name
        WHERE b.ctid = of_name.place AND ((t.chain, t.entity) IN (SELECT p.former_chain, p.former_entity FROM pair AS p)) IS NOT TRUE
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
    ), named AS MATERIALIZED (
        SELECT t.known, t.chain, t.entity, t.confidence, t.provenance, t.changed_at, e.place AS earlier, t.was_chain, t.was_entity,
               coalesce(e.former_chain, t.was_chain) AS first_chain, coalesce(e.former_entity, t.was_entity) AS first_entity
        FROM taken AS t
        LEFT JOIN LATERAL (
            SELECT r.ctid AS place, r.former_chain, r.former_entity FROM rtp.rename AS r
            WHERE r.watch = $1 AND r.chain = t.was_chain AND r.entity = t.was_entity AND r.xid = pg_current_xact_id()
            OFFSET 0
        ) AS e ON t.chain <> ''
    ), dropped AS (
        DELETE FROM rtp.rename AS r USING named AS n WHERE r.ctid = n.earlier
    ), untold AS (
        DELETE FROM rtp.event AS e
        WHERE (SELECT count(n.earlier) FROM named AS n) > 0
          AND e.xid = pg_current_xact_id() AND e.watch = $1 AND e.reason = 'renamed'
          AND ((e.chain, e.entity) IN (SELECT n.was_chain, n.was_entity FROM named AS n WHERE n.earlier IS NOT NULL)) IS TRUE
    ), told AS MATERIALIZED (
        SELECT n.*, (n.first_chain, n.first_entity) IN (SELECT p.chain, p.entity FROM pair AS p) OR (
                   EXISTS (
                       SELECT FROM rtp.baseline AS k
                       WHERE k.watch = $1 AND k.chain = n.first_chain AND k.entity = n.first_entity AND k.rules <> -1
                       OFFSET 0
                   )
                   AND (n.first_chain, n.first_entity) NOT IN (SELECT p.former_chain, p.former_entity FROM pair AS p)
               ) AS is_taken
        FROM named AS n
        WHERE n.chain <> '' AND (n.first_chain, n.first_entity) <> (n.chain, n.entity)
          AND (n.known).came_xid IS DISTINCT FROM $3
    ), ended AS (
        INSERT INTO rtp.event (watch, chain, entity, previous, fields, reason, severity, confidence, provenance, changed_at)
        SELECT $1, (d.known).chain, (d.known).entity, (d.known).value,
               CASE WHEN (d.known).fields IS NOT NULL THEN rtp.field_changes((d.known).fields, '{}') END,
               CASE WHEN w.settings -> 'columns' ? 'value' THEN 'deleted' ELSE 'removed' END,
               CASE WHEN w.settings -> 'columns' ? 'value' THEN 'warning' ELSE 'info' END,
               d.confidence, d.provenance, d.changed_at
        FROM displaced AS d JOIN rtp.watch AS w ON w.id = $1
        WHERE (d.known).came_xid IS DISTINCT FROM $3 AND (d.known).rules <> -1
        RETURNING 1
    ), numbered AS MATERIALIZED (
        SELECT t.*, nextval('rtp.event_id') AS id FROM told AS t WHERE (SELECT count(*) FROM ended) >= 0
    ), appended AS (
        INSERT INTO rtp.event
            (id, watch, chain, entity, previous, current, reason, confidence, provenance, changed_at, traceparent, tracestate, details)
        SELECT n.id, $1, n.chain, n.entity, (n.known).value, (n.known).value, 'renamed', n.confidence, n.provenance, n.changed_at,
               (SELECT rtp.traceparent()), (SELECT rtp.tracestate()),
               jsonb_build_object('previous_chain', n.first_chain, 'previous_entity', n.first_entity)
               || CASE WHEN n.is_taken THEN '{"previous_taken": true}' ELSE '{}' END::jsonb
        FROM numbered AS n
        RETURNING 1
    ), taker AS (
        -- Whoever has got a name in this transaction, with the event that tells so.
        SELECT e.chain, e.entity, max(e.id) AS id
        FROM (
            SELECT n.chain, n.entity, n.id FROM numbered AS n
            UNION ALL
            SELECT e.chain, e.entity, e.id FROM rtp.event AS e
            WHERE e.xid = pg_current_xact_id() AND e.watch = $1 AND e.reason = 'renamed'
        ) AS e
        WHERE (SELECT bool_or(n.is_taken) FROM numbered AS n)
        GROUP BY e.chain, e.entity
    ), noted AS (
        INSERT INTO rtp.rename (watch, former_chain, former_entity, chain, entity, event_id)
        SELECT $1, n.first_chain, n.first_entity, n.chain, n.entity, CASE WHEN n.is_taken THEN coalesce(n.taken_by, n.id) ELSE n.id END
        FROM (
            SELECT n.*, t.id AS taken_by
            FROM numbered AS n FULL JOIN taker AS t ON t.chain = n.first_chain AND t.entity = n.first_entity
            OFFSET 0
        ) AS n
        WHERE n.id IS NOT NULL
        ON CONFLICT DO NOTHING
    ), left_to_look AS (
        INSERT INTO rtp.sample (watch, what, chain, entity, sampled_at)
        SELECT $1, 'deleted', p.former_chain, p.former_entity, clock_timestamp()
        FROM pair AS p WHERE p.former_chain <> '' AND p.place IS NULL
    )
    SELECT (SELECT count(*) FROM appended) + (SELECT count(*) FROM ended) INTO made;
    RETURN made;
END
$$;
