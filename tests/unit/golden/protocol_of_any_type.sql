-- Watch protocol_of_any_type: changed metadata of protocols.
-- Purpose: report every protocol added or removed, and every watched field that changed, with its previous and current value.
-- Fires after each statement, on its transition tables new_rows and old_rows. Returns null (ignored after a statement).
-- Writes rtp.event, in the writer's transaction; never aborts it: what fails is left in rtp.trigger_error.
CREATE OR REPLACE FUNCTION "rtp"."watch_protocol_of_any_type"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $rtp$
DECLARE
    reported bigint := 0;
    nameless bigint := 0;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        WITH step AS (
            SELECT "r"."chain"::text AS "chain", "r"."slug"::text AS "entity", 1 AS "confidence", NULL::text AS "provenance", statement_timestamp() AS "changed_at", 'changed' AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', to_jsonb("o"."name"), to_jsonb("r"."name")), ('config', to_jsonb("o"."config"), to_jsonb("r"."config"))) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM new_rows AS r
            JOIN old_rows AS o ON "o"."chain"::text = "r"."chain"::text AND "o"."slug"::text = "r"."slug"::text
            WHERE "o"."name" IS DISTINCT FROM "r"."name" OR "o"."config"::text IS DISTINCT FROM "r"."config"::text
            UNION ALL
            SELECT "r"."chain"::text AS "chain", "r"."slug"::text AS "entity", 1 AS "confidence", NULL::text AS "provenance", statement_timestamp() AS "changed_at", 'added'::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', NULL::jsonb, to_jsonb("r"."name")), ('config', NULL::jsonb, to_jsonb("r"."config"))) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM new_rows AS r
            WHERE NOT EXISTS (SELECT FROM old_rows AS o WHERE "o"."chain"::text = "r"."chain"::text AND "o"."slug"::text = "r"."slug"::text)
            UNION ALL
            SELECT "r"."chain"::text AS "chain", "r"."slug"::text AS "entity", 1 AS "confidence", NULL::text AS "provenance", statement_timestamp() AS "changed_at", 'removed'::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', to_jsonb("r"."name"), NULL::jsonb), ('config', to_jsonb("r"."config"), NULL::jsonb)) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM old_rows AS r
            WHERE NOT EXISTS (SELECT FROM new_rows AS o WHERE "o"."chain"::text = "r"."chain"::text AND "o"."slug"::text = "r"."slug"::text)
        )
        , appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT 1, chain, entity, fields, reason, confidence, provenance, changed_at
            FROM step
            WHERE chain <> '' AND entity <> '' AND octet_length(chain) + octet_length(entity) <= 1000
            ORDER BY chain, entity
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM appended),
               count(*) FILTER (WHERE (chain <> '' AND entity <> '' AND octet_length(chain) + octet_length(entity) <= 1000) IS NOT TRUE)
        INTO reported, nameless FROM step;
    ELSIF TG_OP = 'INSERT' THEN
        WITH step AS (
            SELECT "r"."chain"::text AS "chain", "r"."slug"::text AS "entity", 1 AS "confidence", NULL::text AS "provenance", statement_timestamp() AS "changed_at", 'added'::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', NULL::jsonb, to_jsonb("r"."name")), ('config', NULL::jsonb, to_jsonb("r"."config"))) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM new_rows AS r
        )
        , appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT 1, chain, entity, fields, reason, confidence, provenance, changed_at
            FROM step
            WHERE chain <> '' AND entity <> '' AND octet_length(chain) + octet_length(entity) <= 1000
            ORDER BY chain, entity
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM appended),
               count(*) FILTER (WHERE (chain <> '' AND entity <> '' AND octet_length(chain) + octet_length(entity) <= 1000) IS NOT TRUE)
        INTO reported, nameless FROM step;
    ELSIF TG_OP = 'DELETE' THEN
        WITH step AS (
            SELECT "r"."chain"::text AS "chain", "r"."slug"::text AS "entity", 1 AS "confidence", NULL::text AS "provenance", statement_timestamp() AS "changed_at", 'removed'::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', to_jsonb("r"."name"), NULL::jsonb), ('config', to_jsonb("r"."config"), NULL::jsonb)) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM old_rows AS r
        )
        , appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT 1, chain, entity, fields, reason, confidence, provenance, changed_at
            FROM step
            WHERE chain <> '' AND entity <> '' AND octet_length(chain) + octet_length(entity) <= 1000
            ORDER BY chain, entity
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM appended),
               count(*) FILTER (WHERE (chain <> '' AND entity <> '' AND octet_length(chain) + octet_length(entity) <= 1000) IS NOT TRUE)
        INTO reported, nameless FROM step;
    END IF;

    IF nameless > 0 THEN
        PERFORM rtp.note_error('protocol_of_any_type', TG_OP, '22023', 'the chain or entity of ' || nameless || ' rows is null, empty or longer than 1000 bytes');
    END IF;
    IF reported > 0 THEN
        PERFORM rtp.wake();
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    PERFORM rtp.note_error('protocol_of_any_type', TG_OP, SQLSTATE, SQLERRM);
    RETURN NULL;
END
$rtp$;

CREATE OR REPLACE TRIGGER "rtp_protocol_of_any_type_insert" AFTER INSERT ON "public"."protocols" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_protocol_of_any_type"();

CREATE OR REPLACE TRIGGER "rtp_protocol_of_any_type_update" AFTER UPDATE ON "public"."protocols" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_protocol_of_any_type"();

CREATE OR REPLACE TRIGGER "rtp_protocol_of_any_type_delete" AFTER DELETE ON "public"."protocols" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_protocol_of_any_type"();
