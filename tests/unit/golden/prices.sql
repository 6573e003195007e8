-- Watch prices: significant changes of a value (TVL or price).
-- Purpose: compare each written row with its entity's baseline; report what deviates, and move the baseline.
-- Fires after each statement, on its transition tables new_rows and old_rows. Returns null (ignored after a statement).
-- Writes rtp.event and rtp.baseline, in the writer's transaction; never aborts it: what fails is left in rtp.trigger_error.
-- The writer's own row locks serialise an entity here, for the table holds one row per entity: whoever comes second
-- sees the baseline that the first one left, and nobody waits for a lock that the writer had not waited for.
CREATE OR REPLACE FUNCTION "rtp"."watch_prices"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $rtp$
DECLARE
    reported    bigint := 0;
    unseen_rows bigint := 0;
    again       bigint := 0;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        WITH gone AS (
            DELETE FROM rtp.baseline AS b
            WHERE b.watch = 1 AND true
            RETURNING b.chain, b.entity, b.value
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, previous, reason, confidence, provenance, changed_at)
            SELECT 1, chain, entity, value, 'deleted', 1, NULL::text, statement_timestamp()
            FROM gone ORDER BY chain, entity
            RETURNING 1
        )
        SELECT reported + count(*) INTO reported FROM appended;
    ELSIF TG_OP = 'DELETE' THEN
        WITH gone AS (
            DELETE FROM rtp.baseline AS b
            WHERE b.watch = 1 AND (b.chain, b.entity) IN (SELECT o.chain, o.entity FROM (SELECT "r"."chain"::text AS "chain", "r"."token"::text AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value" FROM old_rows AS r) AS o)
            RETURNING b.chain, b.entity, b.value
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, previous, reason, confidence, provenance, changed_at)
            SELECT 1, chain, entity, value, 'deleted', 1, NULL::text, statement_timestamp()
            FROM gone ORDER BY chain, entity
            RETURNING 1
        )
        SELECT reported + count(*) INTO reported FROM appended;
    ELSE
        WITH judged AS MATERIALIZED (
            SELECT n.*, b.value AS previous, b.entity IS NULL AS unseen,
                   rtp.verdict(b.value, n.value, 0.1::numeric, 0::numeric) AS reason
            FROM (SELECT "r"."chain"::text AS "chain", "r"."token"::text AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value" FROM new_rows AS r) AS n
            LEFT JOIN rtp.baseline AS b ON b.watch = 1 AND b.chain = n.chain AND b.entity = n.entity
            WHERE b.entity IS NULL OR rtp.verdict(b.value, n.value, 0.1::numeric, 0::numeric) IS NOT NULL
        ), moved AS (
            UPDATE rtp.baseline AS b
            SET value = j.value, reported_at = clock_timestamp()
            FROM judged AS j
            WHERE NOT j.unseen AND b.watch = 1 AND b.chain = j.chain AND b.entity = j.entity
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, previous, current, reason, confidence, provenance, changed_at)
            SELECT 1, chain, entity, previous, value, reason, confidence, provenance, changed_at
            FROM judged WHERE NOT unseen
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM appended), count(*) FILTER (WHERE judged.unseen) INTO reported, unseen_rows FROM judged;

        IF unseen_rows > 0 THEN
            IF TG_OP = 'UPDATE' THEN
                -- Rows from before the installation: what they held before this statement is their baseline.
                INSERT INTO rtp.baseline (watch, chain, entity, value)
                SELECT 1, o.chain, o.entity, o.value
                FROM (SELECT "r"."chain"::text AS "chain", "r"."token"::text AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value" FROM old_rows AS r) AS o JOIN (SELECT "r"."chain"::text AS "chain", "r"."token"::text AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value" FROM new_rows AS r) AS n USING (chain, entity)
                WHERE o.chain <> '' AND o.entity <> '' AND octet_length(o.chain) + octet_length(o.entity) <= 1000
                ON CONFLICT DO NOTHING;

                -- Rows whose key changed: the entity of the old key is gone.
                WITH gone AS (
            DELETE FROM rtp.baseline AS b
            WHERE b.watch = 1 AND (b.chain, b.entity) IN (SELECT o.chain, o.entity FROM (SELECT "r"."chain"::text AS "chain", "r"."token"::text AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value" FROM old_rows AS r) AS o) AND (b.chain, b.entity) NOT IN (SELECT n.chain, n.entity FROM (SELECT "r"."chain"::text AS "chain", "r"."token"::text AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value" FROM new_rows AS r) AS n WHERE n.chain IS NOT NULL AND n.entity IS NOT NULL)
            RETURNING b.chain, b.entity, b.value
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, previous, reason, confidence, provenance, changed_at)
            SELECT 1, chain, entity, value, 'deleted', 1, NULL::text, statement_timestamp()
            FROM gone ORDER BY chain, entity
            RETURNING 1
        )
        SELECT reported + count(*) INTO reported FROM appended;

                WITH judged AS MATERIALIZED (
            SELECT n.*, b.value AS previous, b.entity IS NULL AS unseen,
                   rtp.verdict(b.value, n.value, 0.1::numeric, 0::numeric) AS reason
            FROM (SELECT "r"."chain"::text AS "chain", "r"."token"::text AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value" FROM new_rows AS r) AS n
            LEFT JOIN rtp.baseline AS b ON b.watch = 1 AND b.chain = n.chain AND b.entity = n.entity
            WHERE b.entity IS NULL OR rtp.verdict(b.value, n.value, 0.1::numeric, 0::numeric) IS NOT NULL
        ), moved AS (
            UPDATE rtp.baseline AS b
            SET value = j.value, reported_at = clock_timestamp()
            FROM judged AS j
            WHERE NOT j.unseen AND b.watch = 1 AND b.chain = j.chain AND b.entity = j.entity
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, previous, current, reason, confidence, provenance, changed_at)
            SELECT 1, chain, entity, previous, value, reason, confidence, provenance, changed_at
            FROM judged WHERE NOT unseen
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM appended), count(*) FILTER (WHERE judged.unseen) INTO again, unseen_rows FROM judged;
                reported := reported + again;
            END IF;

            -- Entities never seen before.
            WITH first AS (
                INSERT INTO rtp.baseline (watch, chain, entity, value)
                SELECT 1, n.chain, n.entity, n.value
                FROM (SELECT "r"."chain"::text AS "chain", "r"."token"::text AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value" FROM new_rows AS r) AS n
                WHERE n.chain <> '' AND n.entity <> '' AND octet_length(n.chain) + octet_length(n.entity) <= 1000
                ON CONFLICT DO NOTHING
                RETURNING chain, entity
            ), appended AS (
                INSERT INTO rtp.event (watch, chain, entity, current, reason, confidence, provenance, changed_at)
                SELECT 1, n.chain, n.entity, n.value, 'first_seen', n.confidence, n.provenance, n.changed_at
                FROM first JOIN (SELECT "r"."chain"::text AS "chain", "r"."token"::text AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value" FROM new_rows AS r) AS n USING (chain, entity)
                WHERE false
                ORDER BY n.chain, n.entity
                RETURNING 1
            )
            SELECT reported + count(*) INTO reported FROM appended;

            PERFORM rtp.note_error('prices', TG_OP, '22023', 'the chain or entity of ' || count(*) || ' rows is null, empty or longer than 1000 bytes')
            FROM (SELECT "r"."chain"::text AS "chain", "r"."token"::text AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value" FROM new_rows AS r) AS n
            WHERE (n.chain <> '' AND n.entity <> '' AND octet_length(n.chain) + octet_length(n.entity) <= 1000) IS NOT TRUE
            HAVING count(*) > 0;
        END IF;
    END IF;

    IF reported > 0 THEN
        PERFORM rtp.wake();
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    PERFORM rtp.note_error('prices', TG_OP, SQLSTATE, SQLERRM);
    RETURN NULL;
END
$rtp$;

CREATE OR REPLACE TRIGGER "rtp_prices_insert" AFTER INSERT ON "public"."prices" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_prices"();

CREATE OR REPLACE TRIGGER "rtp_prices_update" AFTER UPDATE ON "public"."prices" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_prices"();

CREATE OR REPLACE TRIGGER "rtp_prices_delete" AFTER DELETE ON "public"."prices" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_prices"();

CREATE OR REPLACE TRIGGER "rtp_prices_truncate" AFTER TRUNCATE ON "public"."prices"  FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_prices"();

-- What the table holds at installation is the first baseline: the first change after it is judged like any other.
INSERT INTO rtp.baseline (watch, chain, entity, value)
SELECT DISTINCT ON (chain, entity) 1, chain, entity, value
FROM (SELECT "r"."chain"::text AS "chain", "r"."token"::text AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value" FROM "public"."prices" AS r) AS sample
WHERE chain <> '' AND entity <> '' AND octet_length(chain) + octet_length(entity) <= 1000
ON CONFLICT DO NOTHING;
