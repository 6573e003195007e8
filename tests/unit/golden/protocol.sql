-- Watch protocol: metadata.
-- Purpose: report every entity added or removed, and every watched field that changed, with its previous and current value.
-- Fires after each statement, on its transition tables new_rows and old_rows. Returns null (ignored after a statement).
-- Writes rtp.event, and rtp.baseline as the list of known entities, in the writer's transaction; never aborts it: what fails
-- is left in rtp.trigger_error.
-- Plans are made when the tables are small and kept when they are large: hence no sequential scans, and look-ups by key.
CREATE OR REPLACE FUNCTION "rtp"."watch_protocol"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET extra_float_digits = 1
AS $rtp$
DECLARE
    started       timestamptz := CASE WHEN random() < '0.01'::double precision THEN clock_timestamp() END;
    reported_rows bigint := 0;
    measured_rows bigint;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        -- A small statement's plan is kept. A large one gets a plan of its own, made for as many rows as it has.
        IF NOT EXISTS (SELECT FROM new_rows OFFSET 100) THEN
            WITH step AS (
            SELECT rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AS "chain", rtp.of_type("r"."slug", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", statement_timestamp() AS "changed_at", 'changed'::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', to_jsonb(rtp.of_type("o"."name", NULL::text)), to_jsonb(rtp.of_type("r"."name", NULL::text))), ('config', to_jsonb(rtp.of_type("o"."config", NULL::json)), to_jsonb(rtp.of_type("r"."config", NULL::json)))) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM new_rows AS r
            JOIN old_rows AS o ON rtp.of_type("o"."chain", NULL::text)::text COLLATE "C" = rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AND rtp.of_type("o"."slug", NULL::text)::text COLLATE "C" = rtp.of_type("r"."slug", NULL::text)::text COLLATE "C"
            WHERE rtp.of_type("o"."name", NULL::text) IS DISTINCT FROM rtp.of_type("r"."name", NULL::text) OR rtp.of_type("o"."config", NULL::json)::text IS DISTINCT FROM rtp.of_type("r"."config", NULL::json)::text
            UNION ALL
            SELECT rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AS "chain", rtp.of_type("r"."slug", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", statement_timestamp() AS "changed_at", 'added'::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', NULL::jsonb, to_jsonb(rtp.of_type("r"."name", NULL::text))), ('config', NULL::jsonb, to_jsonb(rtp.of_type("r"."config", NULL::json)))) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM new_rows AS r
            WHERE NOT EXISTS (SELECT FROM old_rows AS o WHERE rtp.of_type("o"."chain", NULL::text)::text COLLATE "C" = rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AND rtp.of_type("o"."slug", NULL::text)::text COLLATE "C" = rtp.of_type("r"."slug", NULL::text)::text COLLATE "C")
            UNION ALL
            SELECT rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AS "chain", rtp.of_type("r"."slug", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", statement_timestamp() AS "changed_at", 'removed'::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', to_jsonb(rtp.of_type("r"."name", NULL::text)), NULL::jsonb), ('config', to_jsonb(rtp.of_type("r"."config", NULL::json)), NULL::jsonb)) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM old_rows AS r
            WHERE NOT EXISTS (SELECT FROM new_rows AS o WHERE rtp.of_type("o"."chain", NULL::text)::text COLLATE "C" = rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AND rtp.of_type("o"."slug", NULL::text)::text COLLATE "C" = rtp.of_type("r"."slug", NULL::text)::text COLLATE "C")
        ), named AS MATERIALIZED (
            SELECT * FROM step WHERE rtp.is_name(chain) AND rtp.is_name(entity)
        ), known AS (
            INSERT INTO rtp.baseline (watch, chain, entity, reported_at, rules)
            SELECT 1::smallint, chain, entity, clock_timestamp(), 0 FROM named WHERE reason = 'added'
            ON CONFLICT DO NOTHING
        ), forgotten AS (
            DELETE FROM rtp.baseline AS k
            USING named AS n LEFT JOIN LATERAL (
        -- By its whole key, for each row. A plain join would leave that to the planner, which knows nothing of a table that was
        -- filled a moment ago, and then reads all baselines of the watch for each row. OFFSET keeps it from making it one.
        SELECT b.ctid AS place, b.entity, b.value, b.lower, b.upper, b.rules
        FROM rtp.baseline AS b
        WHERE b.watch = 1::smallint AND b.chain = "n"."chain" AND b.entity = "n"."entity"
        OFFSET 0
    ) AS b ON true
            WHERE n.reason = 'removed' AND k.ctid = b.place
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT 1::smallint, chain, entity, fields, reason, confidence, provenance, changed_at
            FROM named ORDER BY chain, entity
            RETURNING 1
        )
        SELECT count(*) INTO reported_rows FROM appended;
        ELSE
            EXECUTE 'WITH step AS (
            SELECT rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AS "chain", rtp.of_type("r"."slug", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", statement_timestamp() AS "changed_at", ''changed''::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object(''previous'', f.previous, ''current'', f.current)) FROM (VALUES (''name'', to_jsonb(rtp.of_type("o"."name", NULL::text)), to_jsonb(rtp.of_type("r"."name", NULL::text))), (''config'', to_jsonb(rtp.of_type("o"."config", NULL::json)), to_jsonb(rtp.of_type("r"."config", NULL::json)))) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM new_rows AS r
            JOIN old_rows AS o ON rtp.of_type("o"."chain", NULL::text)::text COLLATE "C" = rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AND rtp.of_type("o"."slug", NULL::text)::text COLLATE "C" = rtp.of_type("r"."slug", NULL::text)::text COLLATE "C"
            WHERE rtp.of_type("o"."name", NULL::text) IS DISTINCT FROM rtp.of_type("r"."name", NULL::text) OR rtp.of_type("o"."config", NULL::json)::text IS DISTINCT FROM rtp.of_type("r"."config", NULL::json)::text
            UNION ALL
            SELECT rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AS "chain", rtp.of_type("r"."slug", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", statement_timestamp() AS "changed_at", ''added''::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object(''previous'', f.previous, ''current'', f.current)) FROM (VALUES (''name'', NULL::jsonb, to_jsonb(rtp.of_type("r"."name", NULL::text))), (''config'', NULL::jsonb, to_jsonb(rtp.of_type("r"."config", NULL::json)))) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM new_rows AS r
            WHERE NOT EXISTS (SELECT FROM old_rows AS o WHERE rtp.of_type("o"."chain", NULL::text)::text COLLATE "C" = rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AND rtp.of_type("o"."slug", NULL::text)::text COLLATE "C" = rtp.of_type("r"."slug", NULL::text)::text COLLATE "C")
            UNION ALL
            SELECT rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AS "chain", rtp.of_type("r"."slug", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", statement_timestamp() AS "changed_at", ''removed''::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object(''previous'', f.previous, ''current'', f.current)) FROM (VALUES (''name'', to_jsonb(rtp.of_type("r"."name", NULL::text)), NULL::jsonb), (''config'', to_jsonb(rtp.of_type("r"."config", NULL::json)), NULL::jsonb)) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM old_rows AS r
            WHERE NOT EXISTS (SELECT FROM new_rows AS o WHERE rtp.of_type("o"."chain", NULL::text)::text COLLATE "C" = rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AND rtp.of_type("o"."slug", NULL::text)::text COLLATE "C" = rtp.of_type("r"."slug", NULL::text)::text COLLATE "C")
        ), named AS MATERIALIZED (
            SELECT * FROM step WHERE rtp.is_name(chain) AND rtp.is_name(entity)
        ), known AS (
            INSERT INTO rtp.baseline (watch, chain, entity, reported_at, rules)
            SELECT 1::smallint, chain, entity, clock_timestamp(), 0 FROM named WHERE reason = ''added''
            ON CONFLICT DO NOTHING
        ), forgotten AS (
            DELETE FROM rtp.baseline AS k
            USING named AS n LEFT JOIN LATERAL (
        -- By its whole key, for each row. A plain join would leave that to the planner, which knows nothing of a table that was
        -- filled a moment ago, and then reads all baselines of the watch for each row. OFFSET keeps it from making it one.
        SELECT b.ctid AS place, b.entity, b.value, b.lower, b.upper, b.rules
        FROM rtp.baseline AS b
        WHERE b.watch = 1::smallint AND b.chain = "n"."chain" AND b.entity = "n"."entity"
        OFFSET 0
    ) AS b ON true
            WHERE n.reason = ''removed'' AND k.ctid = b.place
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT 1::smallint, chain, entity, fields, reason, confidence, provenance, changed_at
            FROM named ORDER BY chain, entity
            RETURNING 1
        )
        SELECT count(*)  FROM appended' INTO reported_rows;
        END IF;
    ELSIF TG_OP = 'INSERT' THEN
        WITH step AS (
            SELECT rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AS "chain", rtp.of_type("r"."slug", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", statement_timestamp() AS "changed_at", 'added'::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', NULL::jsonb, to_jsonb(rtp.of_type("r"."name", NULL::text))), ('config', NULL::jsonb, to_jsonb(rtp.of_type("r"."config", NULL::json)))) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM new_rows AS r
        ), named AS MATERIALIZED (
            SELECT * FROM step WHERE rtp.is_name(chain) AND rtp.is_name(entity)
        ), known AS (
            INSERT INTO rtp.baseline (watch, chain, entity, reported_at, rules)
            SELECT 1::smallint, chain, entity, clock_timestamp(), 0 FROM named WHERE reason = 'added'
            ON CONFLICT DO NOTHING
        ), forgotten AS (
            DELETE FROM rtp.baseline AS k
            USING named AS n LEFT JOIN LATERAL (
        -- By its whole key, for each row. A plain join would leave that to the planner, which knows nothing of a table that was
        -- filled a moment ago, and then reads all baselines of the watch for each row. OFFSET keeps it from making it one.
        SELECT b.ctid AS place, b.entity, b.value, b.lower, b.upper, b.rules
        FROM rtp.baseline AS b
        WHERE b.watch = 1::smallint AND b.chain = "n"."chain" AND b.entity = "n"."entity"
        OFFSET 0
    ) AS b ON true
            WHERE n.reason = 'removed' AND k.ctid = b.place
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT 1::smallint, chain, entity, fields, reason, confidence, provenance, changed_at
            FROM named ORDER BY chain, entity
            RETURNING 1
        )
        SELECT count(*) INTO reported_rows FROM appended;
    ELSIF TG_OP = 'DELETE' THEN
        WITH step AS (
            SELECT rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AS "chain", rtp.of_type("r"."slug", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", statement_timestamp() AS "changed_at", 'removed'::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', to_jsonb(rtp.of_type("r"."name", NULL::text)), NULL::jsonb), ('config', to_jsonb(rtp.of_type("r"."config", NULL::json)), NULL::jsonb)) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM old_rows AS r
        ), named AS MATERIALIZED (
            SELECT * FROM step WHERE rtp.is_name(chain) AND rtp.is_name(entity)
        ), known AS (
            INSERT INTO rtp.baseline (watch, chain, entity, reported_at, rules)
            SELECT 1::smallint, chain, entity, clock_timestamp(), 0 FROM named WHERE reason = 'added'
            ON CONFLICT DO NOTHING
        ), forgotten AS (
            DELETE FROM rtp.baseline AS k
            USING named AS n LEFT JOIN LATERAL (
        -- By its whole key, for each row. A plain join would leave that to the planner, which knows nothing of a table that was
        -- filled a moment ago, and then reads all baselines of the watch for each row. OFFSET keeps it from making it one.
        SELECT b.ctid AS place, b.entity, b.value, b.lower, b.upper, b.rules
        FROM rtp.baseline AS b
        WHERE b.watch = 1::smallint AND b.chain = "n"."chain" AND b.entity = "n"."entity"
        OFFSET 0
    ) AS b ON true
            WHERE n.reason = 'removed' AND k.ctid = b.place
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT 1::smallint, chain, entity, fields, reason, confidence, provenance, changed_at
            FROM named ORDER BY chain, entity
            RETURNING 1
        )
        SELECT count(*) INTO reported_rows FROM appended;
    ELSE
        EXECUTE 'WITH step AS (
            SELECT b.chain, b.entity, ''removed'' AS reason, NULL::jsonb AS fields, 1.0::double precision AS confidence,
                   NULL::text AS provenance, statement_timestamp() AS changed_at
            FROM rtp.baseline AS b WHERE b.watch = 1::smallint AND NOT EXISTS (SELECT FROM "public"."protocols" AS r WHERE rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" = "b"."chain" AND rtp.of_type("r"."slug", NULL::text)::text COLLATE "C" = "b"."entity")
        ), named AS MATERIALIZED (
            SELECT * FROM step WHERE rtp.is_name(chain) AND rtp.is_name(entity)
        ), known AS (
            INSERT INTO rtp.baseline (watch, chain, entity, reported_at, rules)
            SELECT 1::smallint, chain, entity, clock_timestamp(), 0 FROM named WHERE reason = ''added''
            ON CONFLICT DO NOTHING
        ), forgotten AS (
            DELETE FROM rtp.baseline AS k
            USING named AS n LEFT JOIN LATERAL (
        -- By its whole key, for each row. A plain join would leave that to the planner, which knows nothing of a table that was
        -- filled a moment ago, and then reads all baselines of the watch for each row. OFFSET keeps it from making it one.
        SELECT b.ctid AS place, b.entity, b.value, b.lower, b.upper, b.rules
        FROM rtp.baseline AS b
        WHERE b.watch = 1::smallint AND b.chain = "n"."chain" AND b.entity = "n"."entity"
        OFFSET 0
    ) AS b ON true
            WHERE n.reason = ''removed'' AND k.ctid = b.place
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT 1::smallint, chain, entity, fields, reason, confidence, provenance, changed_at
            FROM named ORDER BY chain, entity
            RETURNING 1
        )
        SELECT count(*)  FROM appended' INTO reported_rows;
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        PERFORM rtp.note_error('protocol', TG_OP, '22023', count(*) || ' rows have no usable chain, entity or value')
        FROM new_rows AS r WHERE (rtp.is_name(rtp.of_type("r"."chain", NULL::text)::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."slug", NULL::text)::text COLLATE "C")) IS NOT TRUE
        HAVING count(*) > 0;
    END IF;

    IF reported_rows > 0 THEN
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
WHEN disk_full OR io_error THEN
    RAISE;  -- nothing can be kept, the event neither: the writer's transaction fails, rather than commit without it
WHEN OTHERS THEN
    PERFORM rtp.note_error('protocol', TG_OP, SQLSTATE, SQLERRM);
    RETURN NULL;
END
$rtp$;

CREATE OR REPLACE TRIGGER "rtp_protocol_insert" AFTER INSERT ON "public"."protocols" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_protocol"();

CREATE OR REPLACE TRIGGER "rtp_protocol_update" AFTER UPDATE ON "public"."protocols" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_protocol"();

CREATE OR REPLACE TRIGGER "rtp_protocol_delete" AFTER DELETE ON "public"."protocols" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_protocol"();

CREATE OR REPLACE TRIGGER "rtp_protocol_truncate" AFTER TRUNCATE ON "public"."protocols"  FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_protocol"();

-- The entities that are there at installation are known.
INSERT INTO rtp.baseline (watch, chain, entity, reported_at, rules)
SELECT DISTINCT 1, rtp.of_type("r"."chain", NULL::text)::text COLLATE "C", rtp.of_type("r"."slug", NULL::text)::text COLLATE "C", clock_timestamp(), 0
FROM "public"."protocols" AS r
WHERE rtp.is_name(rtp.of_type("r"."chain", NULL::text)::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."slug", NULL::text)::text COLLATE "C")
ON CONFLICT DO NOTHING;

WITH step AS (
            SELECT rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AS "chain", rtp.of_type("r"."slug", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", statement_timestamp() AS "changed_at", 'added'::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', NULL::jsonb, to_jsonb(rtp.of_type("r"."name", NULL::text))), ('config', NULL::jsonb, to_jsonb(rtp.of_type("r"."config", NULL::json)))) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM "public"."protocols" AS r
            WHERE NOT EXISTS (
                SELECT FROM rtp.baseline AS b WHERE b.watch = 1::smallint AND b.chain = rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AND b.entity = rtp.of_type("r"."slug", NULL::text)::text COLLATE "C"
            )
        ), named AS MATERIALIZED (
            SELECT * FROM step WHERE rtp.is_name(chain) AND rtp.is_name(entity)
        ), known AS (
            INSERT INTO rtp.baseline (watch, chain, entity, reported_at, rules)
            SELECT 1::smallint, chain, entity, clock_timestamp(), 0 FROM named WHERE reason = 'added'
            ON CONFLICT DO NOTHING
        ), forgotten AS (
            DELETE FROM rtp.baseline AS k
            USING named AS n LEFT JOIN LATERAL (
        -- By its whole key, for each row. A plain join would leave that to the planner, which knows nothing of a table that was
        -- filled a moment ago, and then reads all baselines of the watch for each row. OFFSET keeps it from making it one.
        SELECT b.ctid AS place, b.entity, b.value, b.lower, b.upper, b.rules
        FROM rtp.baseline AS b
        WHERE b.watch = 1::smallint AND b.chain = "n"."chain" AND b.entity = "n"."entity"
        OFFSET 0
    ) AS b ON true
            WHERE n.reason = 'removed' AND k.ctid = b.place
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT 1::smallint, chain, entity, fields, reason, confidence, provenance, changed_at
            FROM named ORDER BY chain, entity
            RETURNING 1
        )
        SELECT count(*)  FROM appended;

WITH step AS (
            SELECT b.chain, b.entity, 'removed' AS reason, NULL::jsonb AS fields, 1.0::double precision AS confidence,
                   NULL::text AS provenance, statement_timestamp() AS changed_at
            FROM rtp.baseline AS b WHERE b.watch = 1::smallint AND NOT EXISTS (SELECT FROM "public"."protocols" AS r WHERE rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" = "b"."chain" AND rtp.of_type("r"."slug", NULL::text)::text COLLATE "C" = "b"."entity")
        ), named AS MATERIALIZED (
            SELECT * FROM step WHERE rtp.is_name(chain) AND rtp.is_name(entity)
        ), known AS (
            INSERT INTO rtp.baseline (watch, chain, entity, reported_at, rules)
            SELECT 1::smallint, chain, entity, clock_timestamp(), 0 FROM named WHERE reason = 'added'
            ON CONFLICT DO NOTHING
        ), forgotten AS (
            DELETE FROM rtp.baseline AS k
            USING named AS n LEFT JOIN LATERAL (
        -- By its whole key, for each row. A plain join would leave that to the planner, which knows nothing of a table that was
        -- filled a moment ago, and then reads all baselines of the watch for each row. OFFSET keeps it from making it one.
        SELECT b.ctid AS place, b.entity, b.value, b.lower, b.upper, b.rules
        FROM rtp.baseline AS b
        WHERE b.watch = 1::smallint AND b.chain = "n"."chain" AND b.entity = "n"."entity"
        OFFSET 0
    ) AS b ON true
            WHERE n.reason = 'removed' AND k.ctid = b.place
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT 1::smallint, chain, entity, fields, reason, confidence, provenance, changed_at
            FROM named ORDER BY chain, entity
            RETURNING 1
        )
        SELECT count(*)  FROM appended;

UPDATE rtp.watch
SET table_oid = '"public"."protocols"'::regclass, noted_in = tableoid, triggers = '{rtp_protocol_insert,rtp_protocol_update,rtp_protocol_delete,rtp_protocol_truncate}'::text[], column_types = '{"chain": "text", "config": "json", "name": "text", "slug": "text"}'::jsonb,
    source_md5 = (SELECT md5(prosrc) FROM pg_proc WHERE oid = '"rtp"."watch_protocol"()'::regprocedure)
WHERE id = 1;
