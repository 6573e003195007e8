-- Watch aliased: metadata.
-- Purpose: report every entity added or removed, and every watched field that changed, with its previous and current value.
-- Fires after each statement, on its transition tables new_rows and old_rows, and before a TRUNCATE. What it returns is ignored.
-- Writes rtp.event, and rtp.baseline as the list of known entities, in the writer's transaction; never aborts it: what fails
-- is left in rtp.trigger_error.
--
-- An entity whose row is gone may come back within the transaction: then it has changed. So its fields are kept in the baseline,
-- and rtp run is to look whether it is still gone (core/judging/looks.py). Above READ COMMITTED the baselines in sight may be
-- older than the rows: there rtp run looks at all entities that come or go.
CREATE OR REPLACE FUNCTION "rtp"."watch_aliased"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET extra_float_digits = 1
AS $rtp$
DECLARE
    started       timestamptz := CASE WHEN random() < '0.01'::double precision THEN clock_timestamp() END;
    sees_newest   boolean := current_setting('transaction_isolation') LIKE 'read %';
    with_old_rows text := '';  -- or with whatever else the next statement is to know
    reported_rows bigint := 0;
    left_rows     bigint := 0;
    renamed_rows  bigint := 0;
    is_renaming   boolean;
    made          bigint;
    measured_rows bigint;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        is_renaming := EXISTS (SELECT coalesce('{"matic": "polygon"}'::jsonb ->> rtp.of_type("o"."chain", NULL::text)::text, rtp.of_type("o"."chain", NULL::text)::text) COLLATE "C", coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> rtp.of_type("o"."slug", NULL::text)::text, rtp.of_type("o"."slug", NULL::text)::text) COLLATE "C" FROM old_rows AS o EXCEPT SELECT coalesce('{"matic": "polygon"}'::jsonb ->> rtp.of_type("n"."chain", NULL::text)::text, rtp.of_type("n"."chain", NULL::text)::text) COLLATE "C", coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> rtp.of_type("n"."slug", NULL::text)::text, rtp.of_type("n"."slug", NULL::text)::text) COLLATE "C" FROM new_rows AS n);
        IF is_renaming AND (SELECT count(*) FROM old_rows) = (SELECT count(*) FROM new_rows) THEN
            -- What is known of a row goes over to its name of now, by which its change is told.
            IF sees_newest THEN
                EXECUTE 'SELECT rtp.rename(1::smallint, 0, pg_current_xact_id(), array_agg(former_chain), array_agg(former_entity), array_agg(chain),
                  array_agg(entity), array_agg(confidence), array_agg(provenance), array_agg(changed_at))
FROM (
    SELECT coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("o"."chain", NULL::text)::text, rtp.of_type("o"."chain", NULL::text)::text) COLLATE "C" AS "former_chain", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("o"."slug", NULL::text)::text, rtp.of_type("o"."slug", NULL::text)::text) COLLATE "C" AS "former_entity", coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("n"."chain", NULL::text)::text, rtp.of_type("n"."chain", NULL::text)::text) COLLATE "C" AS "chain", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("n"."slug", NULL::text)::text, rtp.of_type("n"."slug", NULL::text)::text) COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", statement_timestamp() AS "changed_at"
    FROM (SELECT row_number() OVER () AS "rtp place", t.* FROM old_rows AS t) AS o JOIN (SELECT row_number() OVER () AS "rtp place", t.* FROM new_rows AS t) AS n USING ("rtp place")
    WHERE rtp.is_name(coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("o"."chain", NULL::text)::text, rtp.of_type("o"."chain", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("o"."slug", NULL::text)::text, rtp.of_type("o"."slug", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("n"."chain", NULL::text)::text, rtp.of_type("n"."chain", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("n"."slug", NULL::text)::text, rtp.of_type("n"."slug", NULL::text)::text) COLLATE "C")
      AND (coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("o"."chain", NULL::text)::text, rtp.of_type("o"."chain", NULL::text)::text) COLLATE "C", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("o"."slug", NULL::text)::text, rtp.of_type("o"."slug", NULL::text)::text) COLLATE "C") IS DISTINCT FROM (coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("n"."chain", NULL::text)::text, rtp.of_type("n"."chain", NULL::text)::text) COLLATE "C", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("n"."slug", NULL::text)::text, rtp.of_type("n"."slug", NULL::text)::text) COLLATE "C")
      AND (SELECT count(*) FROM old_rows) = (SELECT count(*) FROM new_rows)
) AS pair' INTO renamed_rows;
            ELSE
                EXECUTE '-- Where a name that the statement gives was another of its rows'', whoever had it steps aside first.
WITH pair AS MATERIALIZED (
    SELECT coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("o"."chain", NULL::text)::text, rtp.of_type("o"."chain", NULL::text)::text) COLLATE "C" AS "former_chain", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("o"."slug", NULL::text)::text, rtp.of_type("o"."slug", NULL::text)::text) COLLATE "C" AS "former_entity", coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("n"."chain", NULL::text)::text, rtp.of_type("n"."chain", NULL::text)::text) COLLATE "C" AS "chain", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("n"."slug", NULL::text)::text, rtp.of_type("n"."slug", NULL::text)::text) COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", statement_timestamp() AS "changed_at", (SELECT jsonb_object_agg(f.field, f.value) FROM (VALUES (''name'', to_jsonb(rtp.of_type("o"."name", NULL::text)))) AS f (field, value)) AS "fields"
    FROM (SELECT row_number() OVER () AS "rtp place", t.* FROM old_rows AS t) AS o JOIN (SELECT row_number() OVER () AS "rtp place", t.* FROM new_rows AS t) AS n USING ("rtp place")
    WHERE rtp.is_name(coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("o"."chain", NULL::text)::text, rtp.of_type("o"."chain", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("o"."slug", NULL::text)::text, rtp.of_type("o"."slug", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("n"."chain", NULL::text)::text, rtp.of_type("n"."chain", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("n"."slug", NULL::text)::text, rtp.of_type("n"."slug", NULL::text)::text) COLLATE "C")
      AND (coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("o"."chain", NULL::text)::text, rtp.of_type("o"."chain", NULL::text)::text) COLLATE "C", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("o"."slug", NULL::text)::text, rtp.of_type("o"."slug", NULL::text)::text) COLLATE "C") IS DISTINCT FROM (coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("n"."chain", NULL::text)::text, rtp.of_type("n"."chain", NULL::text)::text) COLLATE "C", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("n"."slug", NULL::text)::text, rtp.of_type("n"."slug", NULL::text)::text) COLLATE "C")
      AND (SELECT count(*) FROM old_rows) = (SELECT count(*) FROM new_rows)
), step AS MATERIALIZED (
    SELECT p.*, EXISTS (SELECT FROM pair AS q WHERE q.chain = p.former_chain AND q.entity = p.former_entity) AS steps_aside
    FROM pair AS p
)
INSERT INTO rtp.sample
    (watch, what, chain, entity, sampled_at, changed_at, confidence, provenance, fields, former_chain, former_entity)
SELECT 1::smallint, ''renamed'', '''', jsonb_build_array(former_chain, former_entity)::text, clock_timestamp(), changed_at, confidence,
       provenance, fields, former_chain, former_entity
FROM step WHERE steps_aside
UNION ALL
SELECT 1::smallint, ''renamed'', chain, entity, clock_timestamp(), changed_at, confidence, provenance, fields,
       CASE WHEN steps_aside THEN '''' ELSE former_chain END,
       CASE WHEN steps_aside THEN jsonb_build_array(former_chain, former_entity)::text ELSE former_entity END
FROM step';
            END IF;
            EXECUTE 'WITH step AS (
            SELECT coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("n"."chain", NULL::text)::text, rtp.of_type("n"."chain", NULL::text)::text) COLLATE "C" AS "chain", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("n"."slug", NULL::text)::text, rtp.of_type("n"."slug", NULL::text)::text) COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", statement_timestamp() AS "changed_at", (SELECT jsonb_object_agg(f.field, jsonb_build_object(''previous'', f.previous, ''current'', f.current)) FROM (VALUES (''name'', to_jsonb(rtp.of_type("o"."name", NULL::text)), to_jsonb(rtp.of_type("n"."name", NULL::text)))) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields"
            FROM (SELECT row_number() OVER () AS "rtp place", t.* FROM old_rows AS t) AS o JOIN (SELECT row_number() OVER () AS "rtp place", t.* FROM new_rows AS t) AS n USING ("rtp place")
            WHERE rtp.of_type("o"."name", NULL::text) IS DISTINCT FROM rtp.of_type("n"."name", NULL::text)
        ), named AS MATERIALIZED (
            SELECT s.*, EXISTS (
                SELECT FROM rtp.baseline AS b
                WHERE b.watch = 1::smallint AND b.chain = s.chain AND b.entity = s.entity AND b.fields IS NULL OFFSET 0
            ) AS is_known
            FROM step AS s WHERE rtp.is_name(chain) AND rtp.is_name(entity)
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT 1::smallint, chain, entity, fields, ''changed'', confidence, provenance, changed_at
            FROM named WHERE is_known ORDER BY chain, entity
            RETURNING 1
        ), unseen AS (
            -- That it was added, or is back, is yet to be told.
            INSERT INTO rtp.sample (watch, chain, entity, sampled_at, confidence, provenance)
            SELECT 1::smallint, chain, entity, clock_timestamp(), confidence, provenance FROM named WHERE NOT is_known
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM appended), (SELECT count(*) FROM unseen) ' INTO reported_rows, left_rows;
            reported_rows := reported_rows + renamed_rows;
        -- A small statement's plan is kept. A large one gets a plan of its own, made for as many rows as it has.
        ELSIF NOT EXISTS (SELECT FROM new_rows OFFSET 100) THEN
            WITH step AS (
            SELECT coalesce('{"matic": "polygon"}'::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C" AS "chain", coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", statement_timestamp() AS "changed_at", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', to_jsonb(rtp.of_type("o"."name", NULL::text)), to_jsonb(rtp.of_type("r"."name", NULL::text)))) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields"
            FROM new_rows AS r JOIN old_rows AS o ON coalesce('{"matic": "polygon"}'::jsonb ->> rtp.of_type("o"."chain", NULL::text)::text, rtp.of_type("o"."chain", NULL::text)::text) COLLATE "C" = coalesce('{"matic": "polygon"}'::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C" AND coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> rtp.of_type("o"."slug", NULL::text)::text, rtp.of_type("o"."slug", NULL::text)::text) COLLATE "C" = coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C"
            WHERE rtp.of_type("o"."name", NULL::text) IS DISTINCT FROM rtp.of_type("r"."name", NULL::text)
        ), named AS MATERIALIZED (
            SELECT s.*, EXISTS (
                SELECT FROM rtp.baseline AS b
                WHERE b.watch = 1::smallint AND b.chain = s.chain AND b.entity = s.entity AND b.fields IS NULL OFFSET 0
            ) AS is_known
            FROM step AS s WHERE rtp.is_name(chain) AND rtp.is_name(entity)
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT 1::smallint, chain, entity, fields, 'changed', confidence, provenance, changed_at
            FROM named WHERE is_known ORDER BY chain, entity
            RETURNING 1
        ), unseen AS (
            -- That it was added, or is back, is yet to be told.
            INSERT INTO rtp.sample (watch, chain, entity, sampled_at, confidence, provenance)
            SELECT 1::smallint, chain, entity, clock_timestamp(), confidence, provenance FROM named WHERE NOT is_known
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM appended), (SELECT count(*) FROM unseen) INTO reported_rows, left_rows;
        ELSE
            EXECUTE 'WITH step AS (
            SELECT coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C" AS "chain", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", statement_timestamp() AS "changed_at", (SELECT jsonb_object_agg(f.field, jsonb_build_object(''previous'', f.previous, ''current'', f.current)) FROM (VALUES (''name'', to_jsonb(rtp.of_type("o"."name", NULL::text)), to_jsonb(rtp.of_type("r"."name", NULL::text)))) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields"
            FROM new_rows AS r JOIN old_rows AS o ON coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("o"."chain", NULL::text)::text, rtp.of_type("o"."chain", NULL::text)::text) COLLATE "C" = coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C" AND coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("o"."slug", NULL::text)::text, rtp.of_type("o"."slug", NULL::text)::text) COLLATE "C" = coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C"
            WHERE rtp.of_type("o"."name", NULL::text) IS DISTINCT FROM rtp.of_type("r"."name", NULL::text)
        ), named AS MATERIALIZED (
            SELECT s.*, EXISTS (
                SELECT FROM rtp.baseline AS b
                WHERE b.watch = 1::smallint AND b.chain = s.chain AND b.entity = s.entity AND b.fields IS NULL OFFSET 0
            ) AS is_known
            FROM step AS s WHERE rtp.is_name(chain) AND rtp.is_name(entity)
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT 1::smallint, chain, entity, fields, ''changed'', confidence, provenance, changed_at
            FROM named WHERE is_known ORDER BY chain, entity
            RETURNING 1
        ), unseen AS (
            -- That it was added, or is back, is yet to be told.
            INSERT INTO rtp.sample (watch, chain, entity, sampled_at, confidence, provenance)
            SELECT 1::smallint, chain, entity, clock_timestamp(), confidence, provenance FROM named WHERE NOT is_known
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM appended), (SELECT count(*) FROM unseen) ' INTO reported_rows, left_rows;
        END IF;
        IF is_renaming OR EXISTS (SELECT coalesce('{"matic": "polygon"}'::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C", coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C" FROM new_rows AS r EXCEPT SELECT coalesce('{"matic": "polygon"}'::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C", coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C" FROM old_rows AS r) THEN
            with_old_rows := 'WITH pair AS MATERIALIZED (
SELECT coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("o"."chain", NULL::text)::text, rtp.of_type("o"."chain", NULL::text)::text) COLLATE "C" AS "former_chain", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("o"."slug", NULL::text)::text, rtp.of_type("o"."slug", NULL::text)::text) COLLATE "C" AS "former_entity", coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("n"."chain", NULL::text)::text, rtp.of_type("n"."chain", NULL::text)::text) COLLATE "C" AS "chain", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("n"."slug", NULL::text)::text, rtp.of_type("n"."slug", NULL::text)::text) COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", statement_timestamp() AS "changed_at"
    FROM (SELECT row_number() OVER () AS "rtp place", t.* FROM old_rows AS t) AS o JOIN (SELECT row_number() OVER () AS "rtp place", t.* FROM new_rows AS t) AS n USING ("rtp place")
    WHERE rtp.is_name(coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("o"."chain", NULL::text)::text, rtp.of_type("o"."chain", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("o"."slug", NULL::text)::text, rtp.of_type("o"."slug", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("n"."chain", NULL::text)::text, rtp.of_type("n"."chain", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("n"."slug", NULL::text)::text, rtp.of_type("n"."slug", NULL::text)::text) COLLATE "C")
      AND (coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("o"."chain", NULL::text)::text, rtp.of_type("o"."chain", NULL::text)::text) COLLATE "C", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("o"."slug", NULL::text)::text, rtp.of_type("o"."slug", NULL::text)::text) COLLATE "C") IS DISTINCT FROM (coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("n"."chain", NULL::text)::text, rtp.of_type("n"."chain", NULL::text)::text) COLLATE "C", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("n"."slug", NULL::text)::text, rtp.of_type("n"."slug", NULL::text)::text) COLLATE "C")
      AND (SELECT count(*) FROM old_rows) = (SELECT count(*) FROM new_rows)
)
';
            IF sees_newest THEN
            EXECUTE with_old_rows || 'INSERT INTO rtp.baseline AS b (watch, chain, entity, reported_at, rules, fields, gone_at)
        SELECT 1::smallint, o.chain, o.entity, clock_timestamp(), -1, o.fields, clock_timestamp()
        FROM (SELECT DISTINCT ON (1, 2) coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C" AS chain, coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C" AS entity, (SELECT jsonb_object_agg(f.field, f.value) FROM (VALUES (''name'', to_jsonb(rtp.of_type("r"."name", NULL::text)))) AS f (field, value)) AS fields FROM old_rows AS r WHERE rtp.is_name(coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C") AND NOT EXISTS (SELECT FROM (SELECT coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("n"."chain", NULL::text)::text, rtp.of_type("n"."chain", NULL::text)::text) COLLATE "C", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("n"."slug", NULL::text)::text, rtp.of_type("n"."slug", NULL::text)::text) COLLATE "C" FROM new_rows AS n UNION ALL SELECT former_chain, former_entity FROM pair) AS k (chain, entity) WHERE k.chain = coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C" AND k.entity = coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C")) AS o
        CROSS JOIN LATERAL (
            -- Those that are known, by the whole key, as in lookup.sql. The insertion finds what whoever held them has left; of one
            -- that rtp run has forgotten meanwhile it makes a place that tells of nobody.
            SELECT FROM rtp.baseline AS k
            WHERE k.watch = 1::smallint AND k.chain = o.chain AND k.entity = o.entity
            OFFSET 0
        ) AS known
        ON CONFLICT (watch, chain, entity) DO UPDATE SET fields = coalesce(b.fields, excluded.fields), gone_at = excluded.gone_at';
        END IF;
        EXECUTE with_old_rows || 'INSERT INTO rtp.sample (watch, what, chain, entity, sampled_at, confidence, provenance, fields)
        SELECT 1::smallint, ''deleted'', coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C", clock_timestamp(), 1.0::double precision, NULL::text,
               CASE WHEN current_setting(''transaction_isolation'') NOT LIKE ''read %'' THEN (SELECT jsonb_object_agg(f.field, f.value) FROM (VALUES (''name'', to_jsonb(rtp.of_type("r"."name", NULL::text)))) AS f (field, value)) END
        FROM old_rows AS r WHERE rtp.is_name(coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C") AND NOT EXISTS (SELECT FROM (SELECT coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("n"."chain", NULL::text)::text, rtp.of_type("n"."chain", NULL::text)::text) COLLATE "C", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("n"."slug", NULL::text)::text, rtp.of_type("n"."slug", NULL::text)::text) COLLATE "C" FROM new_rows AS n UNION ALL SELECT former_chain, former_entity FROM pair) AS k (chain, entity) WHERE k.chain = coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C" AND k.entity = coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C")';
        GET DIAGNOSTICS made = ROW_COUNT;
        left_rows := left_rows + made;IF sees_newest THEN
            -- A statement of its own, so that the next one sees what whoever held them has left.
            EXECUTE 'INSERT INTO rtp.baseline AS b (watch, chain, entity, reported_at, rules)
        SELECT DISTINCT 1::smallint, coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C", clock_timestamp(), -1 FROM new_rows AS r WHERE rtp.is_name(coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C") AND NOT EXISTS (SELECT FROM old_rows AS n WHERE coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("n"."chain", NULL::text)::text, rtp.of_type("n"."chain", NULL::text)::text) COLLATE "C" = coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C" AND coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("n"."slug", NULL::text)::text, rtp.of_type("n"."slug", NULL::text)::text) COLLATE "C" = coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C")
        ON CONFLICT (watch, chain, entity) DO UPDATE SET rules = b.rules';
            EXECUTE 'WITH here AS MATERIALIZED (
            SELECT n.*, n.rules = -1 AS is_new,
                   rtp.field_changes(CASE WHEN n.rules <> -1 THEN n.fields_before END, n.fields) AS changes
            FROM (
                SELECT n.*, b.place, b.rules, b.fields AS fields_before
                FROM (
                    SELECT coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C" AS chain, coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C" AS entity, (SELECT jsonb_object_agg(f.field, f.value) FROM (VALUES (''name'', to_jsonb(rtp.of_type("r"."name", NULL::text)))) AS f (field, value)) AS fields, 1.0::double precision AS confidence,
                           NULL::text AS provenance, statement_timestamp() AS changed_at
                    FROM new_rows AS r WHERE rtp.is_name(coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C") AND NOT EXISTS (SELECT FROM old_rows AS n WHERE coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("n"."chain", NULL::text)::text, rtp.of_type("n"."chain", NULL::text)::text) COLLATE "C" = coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C" AND coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("n"."slug", NULL::text)::text, rtp.of_type("n"."slug", NULL::text)::text) COLLATE "C" = coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C")
                ) AS n
                CROSS JOIN LATERAL (
                    -- By its whole key, whatever the planner knows of the table, as in lookup.sql.
                    SELECT k.ctid AS place, k.rules, k.fields FROM rtp.baseline AS k
                    WHERE k.watch = 1::smallint AND k.chain = n.chain AND k.entity = n.entity
                    OFFSET 0
                ) AS b
            ) AS n
            WHERE n.rules = -1 OR n.fields_before IS NOT NULL
        ), known AS (
            UPDATE rtp.baseline AS b SET rules = 0, fields = NULL, gone_at = NULL
            FROM here AS h WHERE b.ctid = h.place
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT 1::smallint, chain, entity, changes, CASE WHEN is_new THEN ''added'' ELSE ''changed'' END,
                   confidence, provenance, changed_at
            FROM here WHERE is_new OR changes IS NOT NULL ORDER BY chain, entity
            RETURNING 1
        )
        SELECT count(*) FROM appended' INTO made;
            reported_rows := reported_rows + made;
        ELSE
            EXECUTE 'INSERT INTO rtp.sample (watch, chain, entity, sampled_at, confidence, provenance)
        SELECT 1::smallint, coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C", clock_timestamp(), 1.0::double precision, NULL::text
        FROM new_rows AS r WHERE rtp.is_name(coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C") AND NOT EXISTS (SELECT FROM old_rows AS n WHERE coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("n"."chain", NULL::text)::text, rtp.of_type("n"."chain", NULL::text)::text) COLLATE "C" = coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C" AND coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("n"."slug", NULL::text)::text, rtp.of_type("n"."slug", NULL::text)::text) COLLATE "C" = coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C")';
            GET DIAGNOSTICS made = ROW_COUNT;
            left_rows := left_rows + made;
        END IF;
        END IF;
    ELSIF TG_OP = 'INSERT' THEN
        IF sees_newest THEN
            -- A statement of its own, so that the next one sees what whoever held them has left.
            EXECUTE 'INSERT INTO rtp.baseline AS b (watch, chain, entity, reported_at, rules)
        SELECT DISTINCT 1::smallint, coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C", clock_timestamp(), -1 FROM new_rows AS r WHERE rtp.is_name(coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C")
        ON CONFLICT (watch, chain, entity) DO UPDATE SET rules = b.rules';
            EXECUTE 'WITH here AS MATERIALIZED (
            SELECT n.*, n.rules = -1 AS is_new,
                   rtp.field_changes(CASE WHEN n.rules <> -1 THEN n.fields_before END, n.fields) AS changes
            FROM (
                SELECT n.*, b.place, b.rules, b.fields AS fields_before
                FROM (
                    SELECT coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C" AS chain, coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C" AS entity, (SELECT jsonb_object_agg(f.field, f.value) FROM (VALUES (''name'', to_jsonb(rtp.of_type("r"."name", NULL::text)))) AS f (field, value)) AS fields, 1.0::double precision AS confidence,
                           NULL::text AS provenance, statement_timestamp() AS changed_at
                    FROM new_rows AS r WHERE rtp.is_name(coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C")
                ) AS n
                CROSS JOIN LATERAL (
                    -- By its whole key, whatever the planner knows of the table, as in lookup.sql.
                    SELECT k.ctid AS place, k.rules, k.fields FROM rtp.baseline AS k
                    WHERE k.watch = 1::smallint AND k.chain = n.chain AND k.entity = n.entity
                    OFFSET 0
                ) AS b
            ) AS n
            WHERE n.rules = -1 OR n.fields_before IS NOT NULL
        ), known AS (
            UPDATE rtp.baseline AS b SET rules = 0, fields = NULL, gone_at = NULL
            FROM here AS h WHERE b.ctid = h.place
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT 1::smallint, chain, entity, changes, CASE WHEN is_new THEN ''added'' ELSE ''changed'' END,
                   confidence, provenance, changed_at
            FROM here WHERE is_new OR changes IS NOT NULL ORDER BY chain, entity
            RETURNING 1
        )
        SELECT count(*) FROM appended' INTO made;
            reported_rows := reported_rows + made;
        ELSE
            EXECUTE 'INSERT INTO rtp.sample (watch, chain, entity, sampled_at, confidence, provenance)
        SELECT 1::smallint, coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C", clock_timestamp(), 1.0::double precision, NULL::text
        FROM new_rows AS r WHERE rtp.is_name(coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C")';
            GET DIAGNOSTICS made = ROW_COUNT;
            left_rows := left_rows + made;
        END IF;
    ELSE
        IF TG_OP = 'TRUNCATE' THEN
            with_old_rows := rtp.rows_before_truncate(TG_RELID, '"public"."protocols"');
        END IF;
        IF sees_newest THEN
            EXECUTE with_old_rows || 'INSERT INTO rtp.baseline AS b (watch, chain, entity, reported_at, rules, fields, gone_at)
        SELECT 1::smallint, o.chain, o.entity, clock_timestamp(), -1, o.fields, clock_timestamp()
        FROM (SELECT DISTINCT ON (1, 2) coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C" AS chain, coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C" AS entity, (SELECT jsonb_object_agg(f.field, f.value) FROM (VALUES (''name'', to_jsonb(rtp.of_type("r"."name", NULL::text)))) AS f (field, value)) AS fields FROM old_rows AS r WHERE rtp.is_name(coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C")) AS o
        CROSS JOIN LATERAL (
            -- Those that are known, by the whole key, as in lookup.sql. The insertion finds what whoever held them has left; of one
            -- that rtp run has forgotten meanwhile it makes a place that tells of nobody.
            SELECT FROM rtp.baseline AS k
            WHERE k.watch = 1::smallint AND k.chain = o.chain AND k.entity = o.entity
            OFFSET 0
        ) AS known
        ON CONFLICT (watch, chain, entity) DO UPDATE SET fields = coalesce(b.fields, excluded.fields), gone_at = excluded.gone_at';
        END IF;
        EXECUTE with_old_rows || 'INSERT INTO rtp.sample (watch, what, chain, entity, sampled_at, confidence, provenance, fields)
        SELECT 1::smallint, ''deleted'', coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C", coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C", clock_timestamp(), 1.0::double precision, NULL::text,
               CASE WHEN current_setting(''transaction_isolation'') NOT LIKE ''read %'' THEN (SELECT jsonb_object_agg(f.field, f.value) FROM (VALUES (''name'', to_jsonb(rtp.of_type("r"."name", NULL::text)))) AS f (field, value)) END
        FROM old_rows AS r WHERE rtp.is_name(coalesce(''{"matic": "polygon"}''::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce(''{"l''''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}''::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C")';
        GET DIAGNOSTICS made = ROW_COUNT;
        left_rows := left_rows + made;
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        PERFORM rtp.note_unusable('aliased', TG_OP, unusable.rows, ARRAY['chain', 'slug']::text[], unusable.held)
        FROM (SELECT count(*) OVER () AS rows, ARRAY[left(rtp.of_type("r"."chain", NULL::text)::text, 2001), left(rtp.of_type("r"."slug", NULL::text)::text, 2001)]::text[] AS held FROM new_rows AS r WHERE (rtp.is_name(coalesce('{"matic": "polygon"}'::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C")) IS NOT TRUE LIMIT 1) AS unusable;
    END IF;

    IF reported_rows + left_rows > 0 THEN
        PERFORM rtp.wake();
    END IF;
    IF started IS NOT NULL THEN
        IF TG_OP IN ('INSERT', 'UPDATE') THEN
            SELECT count(*) INTO measured_rows FROM new_rows;
        ELSIF TG_OP = 'DELETE' THEN
            SELECT count(*) INTO measured_rows FROM old_rows;
        END IF;
        PERFORM rtp.note_timing(1::smallint, 100, measured_rows, coalesce(reported_rows, 0), started);
    END IF;
    RETURN NULL;
EXCEPTION
WHEN disk_full OR io_error OR serialization_failure THEN
    RAISE;  -- nothing can be kept, the event neither: the writer's transaction fails, rather than commit without it
WHEN OTHERS THEN
    PERFORM rtp.note_error('aliased', TG_OP, SQLSTATE, SQLERRM);
    RETURN NULL;
END
$rtp$;

-- What the table of watch aliased holds for these entities now; nothing for those that have no row.
CREATE OR REPLACE FUNCTION "rtp"."fields_aliased"(chains text[], entities text[])
RETURNS TABLE (chain text, entity text, fields jsonb, confidence double precision, provenance text, changed_at timestamptz)
LANGUAGE sql STABLE
SET extra_float_digits = 1
AS $rtp$
    SELECT e.chain, e.entity, (SELECT jsonb_object_agg(f.field, f.value) FROM (VALUES ('name', to_jsonb(rtp.of_type("r"."name", NULL::text)))) AS f (field, value)), 1.0::double precision, NULL::text, statement_timestamp()
    FROM unnest($1, $2) AS e (chain, entity) JOIN "public"."protocols" AS r ON rtp.of_type("r"."chain", NULL::text) = ANY (ARRAY["e"."chain", ('{"polygon": "matic"}'::jsonb ->> "e"."chain")]) AND coalesce('{"matic": "polygon"}'::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C" = "e"."chain" AND rtp.of_type("r"."slug", NULL::text) = ANY (ARRAY["e"."entity", ('{"lido": "l''ido", "uniswap": "uni"}'::jsonb ->> "e"."entity"), ('{"uniswap": "uniswap-v1"}'::jsonb ->> "e"."entity")]) AND coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C" = "e"."entity"
$rtp$;

CREATE OR REPLACE TRIGGER "rtp_aliased_insert" AFTER INSERT ON "public"."protocols" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_aliased"();

CREATE OR REPLACE TRIGGER "rtp_aliased_update" AFTER UPDATE ON "public"."protocols" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_aliased"();

CREATE OR REPLACE TRIGGER "rtp_aliased_delete" AFTER DELETE ON "public"."protocols" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_aliased"();

CREATE OR REPLACE TRIGGER "rtp_aliased_before_truncate" BEFORE TRUNCATE ON "public"."protocols"  FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_aliased"();

-- The entities that are there at installation are known.
INSERT INTO rtp.baseline (watch, chain, entity, reported_at, rules)
SELECT DISTINCT 1, coalesce('{"matic": "polygon"}'::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C", coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C", clock_timestamp(), 0
FROM "public"."protocols" AS r
WHERE rtp.is_name(coalesce('{"matic": "polygon"}'::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C")
ON CONFLICT DO NOTHING;

-- rtp run is to look at these entities. Of those that the table has not, no sample tells when they went: they are gone as of now.
INSERT INTO rtp.look (watch, chain, entity, waits_for, gone_at)
SELECT DISTINCT 1::smallint, e.chain, e.entity, '{}'::xid8[], now() FROM (SELECT b.chain, b.entity FROM rtp.baseline AS b WHERE b.watch = 1::smallint AND NOT EXISTS (SELECT FROM "public"."protocols" AS r WHERE coalesce('{"matic": "polygon"}'::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C" = "b"."chain" AND coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C" = "b"."entity")) AS e (chain, entity)
ON CONFLICT DO NOTHING;

-- rtp run is to look at these entities. Of those that the table has not, no sample tells when they went: they are gone as of now.
INSERT INTO rtp.look (watch, chain, entity, waits_for, gone_at)
SELECT DISTINCT 1::smallint, e.chain, e.entity, '{}'::xid8[], now() FROM (SELECT coalesce('{"matic": "polygon"}'::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C", coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C" FROM "public"."protocols" AS r WHERE rtp.is_name(coalesce('{"matic": "polygon"}'::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C") AND rtp.is_name(coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C") AND NOT EXISTS (SELECT FROM rtp.baseline AS b WHERE b.watch = 1::smallint AND b.chain = coalesce('{"matic": "polygon"}'::jsonb ->> rtp.of_type("r"."chain", NULL::text)::text, rtp.of_type("r"."chain", NULL::text)::text) COLLATE "C" AND b.entity = coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> rtp.of_type("r"."slug", NULL::text)::text, rtp.of_type("r"."slug", NULL::text)::text) COLLATE "C")) AS e (chain, entity)
ON CONFLICT DO NOTHING;

UPDATE rtp.watch
SET table_oid = '"public"."protocols"'::regclass, noted_in = tableoid, triggers = '{rtp_aliased_insert,rtp_aliased_update,rtp_aliased_delete,rtp_aliased_before_truncate}'::text[], column_types = '{"chain": "text", "name": "text", "slug": "text"}'::jsonb,
    installed_at = clock_timestamp(), source_md5 = (SELECT md5(prosrc) FROM pg_proc WHERE oid = '"rtp"."watch_aliased"()'::regprocedure)
WHERE id = 1;

-- What is remembered under a former name is the entity's of today, and one event tells so. Where the name of today has a baseline
-- of its own, that holds. Nobody writes to the table meanwhile, and no judge to the baselines.
WITH former AS MATERIALIZED (
    SELECT * FROM (
        SELECT b.ctid AS place, b.chain AS former_chain, b.entity AS former_entity, coalesce('{"matic": "polygon"}'::jsonb ->> "b"."chain", "b"."chain") COLLATE "C" AS chain, coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> "b"."entity", "b"."entity") COLLATE "C" AS entity, b.value,
               coalesce(b.sampled_at, b.reported_at) AS newest_at, b.last_confidence, b.last_provenance
        FROM rtp.baseline AS b WHERE b.watch = 1::smallint
    ) AS every
    WHERE (former_chain, former_entity) <> (chain, entity)
), carried AS MATERIALIZED (
    SELECT DISTINCT ON (f.chain, f.entity) f.* FROM former AS f
    WHERE NOT EXISTS (
        SELECT FROM rtp.baseline AS b WHERE b.watch = 1::smallint AND b.chain = f.chain AND b.entity = f.entity
    )
    ORDER BY f.chain, f.entity, f.newest_at DESC
), moved AS (
    UPDATE rtp.baseline AS b SET chain = c.chain, entity = c.entity FROM carried AS c WHERE b.ctid = c.place
), dropped AS (
    DELETE FROM rtp.baseline AS b USING former AS f
    WHERE b.ctid = f.place AND NOT EXISTS (SELECT FROM carried AS c WHERE c.place = f.place)
), told AS (
    INSERT INTO rtp.event (watch, chain, entity, previous, current, reason, confidence, provenance, changed_at, details)
    SELECT 1::smallint, chain, entity, value, value, 'renamed', coalesce(last_confidence, 1.0::double precision),
           coalesce(last_provenance, NULL::text), statement_timestamp(),
           jsonb_build_object('previous_chain', former_chain, 'previous_entity', former_entity)
    FROM carried
    RETURNING id, chain, entity
)
INSERT INTO rtp.rename (watch, former_chain, former_entity, chain, entity, event_id)
SELECT 1::smallint, f.former_chain, f.former_entity, f.chain, f.entity,
       coalesce(t.id, pg_sequence_last_value('rtp.event_id'::regclass), 0)
FROM former AS f LEFT JOIN told AS t USING (chain, entity)
ON CONFLICT DO NOTHING;

-- Looks to be taken under a former name.
WITH former AS (
    DELETE FROM rtp.look AS b WHERE b.watch = 1::smallint AND (b.chain, b.entity) <> (coalesce('{"matic": "polygon"}'::jsonb ->> "b"."chain", "b"."chain") COLLATE "C", coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> "b"."entity", "b"."entity") COLLATE "C") RETURNING *
)
INSERT INTO rtp.look
    (watch, chain, entity, waits_for, try_at, noted_at, gone_at, gone_confidence, gone_provenance, fields, gone_xid)
SELECT b.watch, coalesce('{"matic": "polygon"}'::jsonb ->> "b"."chain", "b"."chain") COLLATE "C", coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> "b"."entity", "b"."entity") COLLATE "C", b.waits_for, b.try_at, b.noted_at, b.gone_at, b.gone_confidence, b.gone_provenance, b.fields, b.gone_xid
FROM former AS b
ON CONFLICT DO NOTHING;

-- Samples that wait to be judged, and notes, under a former name.
UPDATE "rtp"."sample" AS b SET chain = coalesce('{"matic": "polygon"}'::jsonb ->> "b"."chain", "b"."chain") COLLATE "C", entity = coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> "b"."entity", "b"."entity") COLLATE "C"
WHERE b.watch = 1::smallint AND (b.chain, b.entity) <> (coalesce('{"matic": "polygon"}'::jsonb ->> "b"."chain", "b"."chain") COLLATE "C", coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> "b"."entity", "b"."entity") COLLATE "C");

-- Samples that wait to be judged, and notes, under a former name.
UPDATE "rtp"."set_aside" AS b SET chain = coalesce('{"matic": "polygon"}'::jsonb ->> "b"."chain", "b"."chain") COLLATE "C", entity = coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> "b"."entity", "b"."entity") COLLATE "C"
WHERE b.watch = 1::smallint AND (b.chain, b.entity) <> (coalesce('{"matic": "polygon"}'::jsonb ->> "b"."chain", "b"."chain") COLLATE "C", coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> "b"."entity", "b"."entity") COLLATE "C");

-- Samples that wait to be judged, and notes, under a former name.
UPDATE "rtp"."quarantine" AS b SET chain = coalesce('{"matic": "polygon"}'::jsonb ->> "b"."chain", "b"."chain") COLLATE "C", entity = coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> "b"."entity", "b"."entity") COLLATE "C"
WHERE b.watch = 1::smallint AND (b.chain, b.entity) <> (coalesce('{"matic": "polygon"}'::jsonb ->> "b"."chain", "b"."chain") COLLATE "C", coalesce('{"l''ido": "lido", "uni": "uniswap", "uniswap-v1": "uniswap"}'::jsonb ->> "b"."entity", "b"."entity") COLLATE "C");
