-- Watch protocols: changed metadata of protocols.
-- Purpose: report every protocol added or removed, and every watched field that changed, with its previous and current value.
-- Fires after each statement, on its transition tables new_rows and old_rows. Returns null (ignored after a statement).
-- Writes rtp.event, in the writer's transaction; never aborts it: what fails is left in rtp.trigger_error.
CREATE OR REPLACE FUNCTION "rtp"."watch_protocols"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $rtp$
DECLARE
    reported bigint := 0;
    nameless bigint := 0;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        WITH step AS (
            SELECT "r"."chain"::text AS "chain", "r"."protocol"::text AS "entity", 1 AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", 'changed' AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', to_jsonb("o"."name"), to_jsonb("r"."name")), ('category', to_jsonb("o"."category"), to_jsonb("r"."category")), ('url', to_jsonb("o"."url"), to_jsonb("r"."url")), ('audits', to_jsonb("o"."audits"), to_jsonb("r"."audits")), ('parent', to_jsonb("o"."parent"), to_jsonb("r"."parent"))) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM new_rows AS r
            JOIN old_rows AS o ON "o"."chain"::text = "r"."chain"::text AND "o"."protocol"::text = "r"."protocol"::text
            WHERE "o"."name" IS DISTINCT FROM "r"."name" OR "o"."category" IS DISTINCT FROM "r"."category" OR "o"."url" IS DISTINCT FROM "r"."url" OR "o"."audits" IS DISTINCT FROM "r"."audits" OR "o"."parent" IS DISTINCT FROM "r"."parent"
            UNION ALL
            SELECT "r"."chain"::text AS "chain", "r"."protocol"::text AS "entity", 1 AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", 'added'::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', NULL::jsonb, to_jsonb("r"."name")), ('category', NULL::jsonb, to_jsonb("r"."category")), ('url', NULL::jsonb, to_jsonb("r"."url")), ('audits', NULL::jsonb, to_jsonb("r"."audits")), ('parent', NULL::jsonb, to_jsonb("r"."parent"))) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM new_rows AS r
            WHERE NOT EXISTS (SELECT FROM old_rows AS o WHERE "o"."chain"::text = "r"."chain"::text AND "o"."protocol"::text = "r"."protocol"::text)
            UNION ALL
            SELECT "r"."chain"::text AS "chain", "r"."protocol"::text AS "entity", 1 AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", 'removed'::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', to_jsonb("r"."name"), NULL::jsonb), ('category', to_jsonb("r"."category"), NULL::jsonb), ('url', to_jsonb("r"."url"), NULL::jsonb), ('audits', to_jsonb("r"."audits"), NULL::jsonb), ('parent', to_jsonb("r"."parent"), NULL::jsonb)) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM old_rows AS r
            WHERE NOT EXISTS (SELECT FROM new_rows AS o WHERE "o"."chain"::text = "r"."chain"::text AND "o"."protocol"::text = "r"."protocol"::text)
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
            SELECT "r"."chain"::text AS "chain", "r"."protocol"::text AS "entity", 1 AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", 'added'::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', NULL::jsonb, to_jsonb("r"."name")), ('category', NULL::jsonb, to_jsonb("r"."category")), ('url', NULL::jsonb, to_jsonb("r"."url")), ('audits', NULL::jsonb, to_jsonb("r"."audits")), ('parent', NULL::jsonb, to_jsonb("r"."parent"))) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM new_rows AS r
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
            SELECT "r"."chain"::text AS "chain", "r"."protocol"::text AS "entity", 1 AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", 'removed'::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', to_jsonb("r"."name"), NULL::jsonb), ('category', to_jsonb("r"."category"), NULL::jsonb), ('url', to_jsonb("r"."url"), NULL::jsonb), ('audits', to_jsonb("r"."audits"), NULL::jsonb), ('parent', to_jsonb("r"."parent"), NULL::jsonb)) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM old_rows AS r
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
        PERFORM rtp.note_error('protocols', TG_OP, '22023', 'the chain or entity of ' || nameless || ' rows is null, empty or longer than 1000 bytes');
    END IF;
    IF reported > 0 THEN
        PERFORM rtp.wake();
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    PERFORM rtp.note_error('protocols', TG_OP, SQLSTATE, SQLERRM);
    RETURN NULL;
END
$rtp$;

CREATE OR REPLACE TRIGGER "rtp_protocols_insert" AFTER INSERT ON "public"."protocols" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_protocols"();

CREATE OR REPLACE TRIGGER "rtp_protocols_update" AFTER UPDATE ON "public"."protocols" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_protocols"();

CREATE OR REPLACE TRIGGER "rtp_protocols_delete" AFTER DELETE ON "public"."protocols" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_protocols"();
