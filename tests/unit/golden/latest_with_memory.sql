-- Watch latest_with_memory: samples judged one by one, for a table of history or for rules with a longer memory.
-- Fires after each statement, on its transition tables new_rows and old_rows. Returns null (ignored after a statement).
-- Writes what rtp.take_or_leave writes, in the writer's transaction; never aborts it: what fails is left in rtp.trigger_error.
-- Never waits: what cannot be judged at once, or is more than 100 samples in one statement, rtp run judges.
CREATE OR REPLACE FUNCTION "rtp"."watch_latest_with_memory"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $rtp$
DECLARE
    started       timestamptz := CASE WHEN random() < '0.01'::double precision THEN clock_timestamp() END;
    reported_rows bigint := 0;
    measured_rows bigint;
    is_left       boolean := false;
    made          integer;
    sample        rtp.sample;
    samples       rtp.sample[];
BEGIN
    -- A small statement's plan is kept. A large one gets a plan of its own, made for as many rows as it has.
    IF TG_OP = 'INSERT' THEN
        IF NOT EXISTS (SELECT FROM new_rows OFFSET 100) THEN
            samples := ARRAY(SELECT ROW(NULL, 1::smallint, n.chain, n.entity, 'sample', n.value, n.sampled_at, n.changed_at, n.confidence, n.provenance, NULL, NULL, NULL)::rtp.sample FROM (SELECT i.*, row_number() OVER () AS written FROM (SELECT n.* FROM (SELECT s.*, 0.25::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."symbol"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."trust"::double precision, 0.8) AS "confidence", coalesce("r"."feed"::text, 'desk') AS "provenance", rtp.sane_time("r"."at"::timestamptz) AS "changed_at", "r"."price"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C")) AS s) AS n LEFT JOIN LATERAL (
        -- By its whole key, for each row. A plain join would leave that to the planner, which knows nothing of a table that was
        -- filled a moment ago, and then reads all baselines of the watch for each row. OFFSET keeps it from making it one.
        SELECT b.ctid AS place, b.entity, b.value, b.lower, b.upper, b.rules
        FROM rtp.baseline AS b
        WHERE b.watch = 1::smallint AND b.chain = "n"."chain" AND b.entity = "n"."entity"
        OFFSET 0
    ) AS b ON true WHERE (n.value > b.lower AND n.value < b.upper AND b.rules = 1) IS NOT TRUE OR EXISTS (SELECT FROM rtp.sample AS s WHERE s.watch = 1::smallint)) AS i) AS n ORDER BY n.chain, n.entity, n.sampled_at, n.written);
        ELSE
            EXECUTE 'SELECT ARRAY(SELECT ROW(NULL, 1::smallint, n.chain, n.entity, ''sample'', n.value, n.sampled_at, n.changed_at, n.confidence, n.provenance, NULL, NULL, NULL)::rtp.sample FROM (SELECT i.*, row_number() OVER () AS written FROM (SELECT n.* FROM (SELECT s.*, 0.25::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."symbol"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."trust"::double precision, 0.8) AS "confidence", coalesce("r"."feed"::text, ''desk'') AS "provenance", rtp.sane_time("r"."at"::timestamptz) AS "changed_at", "r"."price"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C")) AS s) AS n LEFT JOIN (
        -- All of the watch, read once, to be hashed: OFFSET keeps the planner from a look-up per row.
        SELECT b.ctid AS place, b.chain, b.entity, b.value, b.lower, b.upper, b.rules
        FROM rtp.baseline AS b
        WHERE b.watch = 1::smallint
        OFFSET 0
    ) AS b ON b.chain = "n"."chain" AND b.entity = "n"."entity" WHERE (n.value > b.lower AND n.value < b.upper AND b.rules = 1) IS NOT TRUE OR EXISTS (SELECT FROM rtp.sample AS s WHERE s.watch = 1::smallint)) AS i) AS n ORDER BY n.chain, n.entity, n.sampled_at, n.written LIMIT 100 + 1)' INTO samples;
        END IF;
    ELSIF TG_OP = 'UPDATE' THEN
        IF NOT EXISTS (SELECT FROM new_rows OFFSET 100) THEN
            samples := ARRAY(SELECT u.row FROM ((SELECT ROW(NULL, 1::smallint, n.chain, n.entity, 'deleted', NULL::numeric, clock_timestamp(), clock_timestamp(), n.confidence, n.provenance, NULL, NULL, NULL)::rtp.sample FROM (SELECT i.*, row_number() OVER () AS written FROM (SELECT o.* FROM (SELECT s.*, 0.25::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."symbol"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."trust"::double precision, 0.8) AS "confidence", coalesce("r"."feed"::text, 'desk') AS "provenance", rtp.sane_time("r"."at"::timestamptz) AS "changed_at", "r"."price"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM old_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C")) AS s) AS o WHERE NOT EXISTS (SELECT FROM (SELECT s.*, 0.25::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."symbol"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."trust"::double precision, 0.8) AS "confidence", coalesce("r"."feed"::text, 'desk') AS "provenance", rtp.sane_time("r"."at"::timestamptz) AS "changed_at", "r"."price"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C")) AS s) AS n WHERE n.chain = o.chain AND n.entity = o.entity)) AS i) AS n ORDER BY n.chain, n.entity, n.sampled_at, n.written) UNION ALL (SELECT ROW(NULL, 1::smallint, n.chain, n.entity, 'sample', n.value, n.sampled_at, n.changed_at, n.confidence, n.provenance, NULL, NULL, NULL)::rtp.sample FROM (SELECT i.*, row_number() OVER () AS written FROM (SELECT n.* FROM (SELECT s.*, 0.25::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."symbol"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."trust"::double precision, 0.8) AS "confidence", coalesce("r"."feed"::text, 'desk') AS "provenance", rtp.sane_time("r"."at"::timestamptz) AS "changed_at", "r"."price"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C")) AS s) AS n LEFT JOIN LATERAL (
        -- By its whole key, for each row. A plain join would leave that to the planner, which knows nothing of a table that was
        -- filled a moment ago, and then reads all baselines of the watch for each row. OFFSET keeps it from making it one.
        SELECT b.ctid AS place, b.entity, b.value, b.lower, b.upper, b.rules
        FROM rtp.baseline AS b
        WHERE b.watch = 1::smallint AND b.chain = "n"."chain" AND b.entity = "n"."entity"
        OFFSET 0
    ) AS b ON true WHERE (n.value > b.lower AND n.value < b.upper AND b.rules = 1) IS NOT TRUE OR EXISTS (SELECT FROM rtp.sample AS s WHERE s.watch = 1::smallint)) AS i) AS n ORDER BY n.chain, n.entity, n.sampled_at, n.written)) AS u (row));
        ELSE
            EXECUTE 'SELECT ARRAY(SELECT u.row FROM ((SELECT ROW(NULL, 1::smallint, n.chain, n.entity, ''deleted'', NULL::numeric, clock_timestamp(), clock_timestamp(), n.confidence, n.provenance, NULL, NULL, NULL)::rtp.sample FROM (SELECT i.*, row_number() OVER () AS written FROM (SELECT o.* FROM (SELECT s.*, 0.25::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."symbol"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."trust"::double precision, 0.8) AS "confidence", coalesce("r"."feed"::text, ''desk'') AS "provenance", rtp.sane_time("r"."at"::timestamptz) AS "changed_at", "r"."price"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM old_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C")) AS s) AS o WHERE NOT EXISTS (SELECT FROM (SELECT s.*, 0.25::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."symbol"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."trust"::double precision, 0.8) AS "confidence", coalesce("r"."feed"::text, ''desk'') AS "provenance", rtp.sane_time("r"."at"::timestamptz) AS "changed_at", "r"."price"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C")) AS s) AS n WHERE n.chain = o.chain AND n.entity = o.entity)) AS i) AS n ORDER BY n.chain, n.entity, n.sampled_at, n.written) UNION ALL (SELECT ROW(NULL, 1::smallint, n.chain, n.entity, ''sample'', n.value, n.sampled_at, n.changed_at, n.confidence, n.provenance, NULL, NULL, NULL)::rtp.sample FROM (SELECT i.*, row_number() OVER () AS written FROM (SELECT n.* FROM (SELECT s.*, 0.25::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."symbol"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."trust"::double precision, 0.8) AS "confidence", coalesce("r"."feed"::text, ''desk'') AS "provenance", rtp.sane_time("r"."at"::timestamptz) AS "changed_at", "r"."price"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C")) AS s) AS n LEFT JOIN (
        -- All of the watch, read once, to be hashed: OFFSET keeps the planner from a look-up per row.
        SELECT b.ctid AS place, b.chain, b.entity, b.value, b.lower, b.upper, b.rules
        FROM rtp.baseline AS b
        WHERE b.watch = 1::smallint
        OFFSET 0
    ) AS b ON b.chain = "n"."chain" AND b.entity = "n"."entity" WHERE (n.value > b.lower AND n.value < b.upper AND b.rules = 1) IS NOT TRUE OR EXISTS (SELECT FROM rtp.sample AS s WHERE s.watch = 1::smallint)) AS i) AS n ORDER BY n.chain, n.entity, n.sampled_at, n.written)) AS u (row) LIMIT 100 + 1)' INTO samples;
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        EXECUTE 'SELECT ARRAY(SELECT ROW(NULL, 1::smallint, n.chain, n.entity, ''deleted'', NULL::numeric, clock_timestamp(), clock_timestamp(), n.confidence, n.provenance, NULL, NULL, NULL)::rtp.sample FROM (SELECT i.*, row_number() OVER () AS written FROM (SELECT s.*, 0.25::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."symbol"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."trust"::double precision, 0.8) AS "confidence", coalesce("r"."feed"::text, ''desk'') AS "provenance", rtp.sane_time("r"."at"::timestamptz) AS "changed_at", "r"."price"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM old_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C")) AS s) AS i) AS n ORDER BY n.chain, n.entity, n.sampled_at, n.written LIMIT 100 + 1)' INTO samples;
    ELSE
        EXECUTE 'SELECT ARRAY(SELECT ROW(NULL, 1::smallint, e.chain, e.entity, ''deleted'', NULL, clock_timestamp(), statement_timestamp(), 0.8::double precision, ''desk''::text, NULL, NULL, NULL)::rtp.sample FROM (SELECT b.chain, b.entity FROM rtp.baseline AS b WHERE b.watch = 1::smallint UNION SELECT s.chain, s.entity FROM rtp.sample AS s WHERE s.watch = 1::smallint) AS e WHERE NOT EXISTS (SELECT FROM "market"."prices" AS r WHERE "r"."chain"::text COLLATE "C" = "e"."chain" AND "r"."symbol"::text COLLATE "C" = "e"."entity") LIMIT 100 + 1)' INTO samples;
    END IF;

    IF cardinality(samples) <= 100 THEN
        FOREACH sample IN ARRAY samples LOOP
            made := rtp.take_or_leave(
                sample, ROW(0.25::numeric, 0::numeric, '1:00:00'::interval::interval, NULL::interval, false::boolean, 5::numeric, 20::numeric, NULL::numeric, NULL::integer, NULL::interval, NULL::numeric, NULL::numeric)::rtp.rule, 1, false, false
            );
            reported_rows := reported_rows + coalesce(made, 0);
            is_left := is_left OR made IS NULL;
        END LOOP;
    ELSIF TG_OP = 'INSERT' THEN
        EXECUTE 'INSERT INTO rtp.sample (watch, chain, entity, what, value, sampled_at, changed_at, confidence, provenance)
        SELECT (s.row).watch, (s.row).chain, (s.row).entity, (s.row).what, (s.row).value, (s.row).sampled_at,
               (s.row).changed_at, (s.row).confidence, (s.row).provenance
        FROM (SELECT ROW(NULL, 1::smallint, n.chain, n.entity, ''sample'', n.value, n.sampled_at, n.changed_at, n.confidence, n.provenance, NULL, NULL, NULL)::rtp.sample FROM (SELECT i.*, row_number() OVER () AS written FROM (SELECT n.* FROM (SELECT s.*, 0.25::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."symbol"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."trust"::double precision, 0.8) AS "confidence", coalesce("r"."feed"::text, ''desk'') AS "provenance", rtp.sane_time("r"."at"::timestamptz) AS "changed_at", "r"."price"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C")) AS s) AS n LEFT JOIN (
        -- All of the watch, read once, to be hashed: OFFSET keeps the planner from a look-up per row.
        SELECT b.ctid AS place, b.chain, b.entity, b.value, b.lower, b.upper, b.rules
        FROM rtp.baseline AS b
        WHERE b.watch = 1::smallint
        OFFSET 0
    ) AS b ON b.chain = "n"."chain" AND b.entity = "n"."entity" WHERE (n.value > b.lower AND n.value < b.upper AND b.rules = 1) IS NOT TRUE OR EXISTS (SELECT FROM rtp.sample AS s WHERE s.watch = 1::smallint)) AS i) AS n ORDER BY n.chain, n.entity, n.sampled_at, n.written) AS s (row)';
    ELSIF TG_OP = 'UPDATE' THEN
        EXECUTE 'INSERT INTO rtp.sample (watch, chain, entity, what, value, sampled_at, changed_at, confidence, provenance)
        SELECT (s.row).watch, (s.row).chain, (s.row).entity, (s.row).what, (s.row).value, (s.row).sampled_at,
               (s.row).changed_at, (s.row).confidence, (s.row).provenance
        FROM (SELECT u.row FROM ((SELECT ROW(NULL, 1::smallint, n.chain, n.entity, ''deleted'', NULL::numeric, clock_timestamp(), clock_timestamp(), n.confidence, n.provenance, NULL, NULL, NULL)::rtp.sample FROM (SELECT i.*, row_number() OVER () AS written FROM (SELECT o.* FROM (SELECT s.*, 0.25::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."symbol"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."trust"::double precision, 0.8) AS "confidence", coalesce("r"."feed"::text, ''desk'') AS "provenance", rtp.sane_time("r"."at"::timestamptz) AS "changed_at", "r"."price"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM old_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C")) AS s) AS o WHERE NOT EXISTS (SELECT FROM (SELECT s.*, 0.25::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."symbol"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."trust"::double precision, 0.8) AS "confidence", coalesce("r"."feed"::text, ''desk'') AS "provenance", rtp.sane_time("r"."at"::timestamptz) AS "changed_at", "r"."price"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C")) AS s) AS n WHERE n.chain = o.chain AND n.entity = o.entity)) AS i) AS n ORDER BY n.chain, n.entity, n.sampled_at, n.written) UNION ALL (SELECT ROW(NULL, 1::smallint, n.chain, n.entity, ''sample'', n.value, n.sampled_at, n.changed_at, n.confidence, n.provenance, NULL, NULL, NULL)::rtp.sample FROM (SELECT i.*, row_number() OVER () AS written FROM (SELECT n.* FROM (SELECT s.*, 0.25::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."symbol"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."trust"::double precision, 0.8) AS "confidence", coalesce("r"."feed"::text, ''desk'') AS "provenance", rtp.sane_time("r"."at"::timestamptz) AS "changed_at", "r"."price"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C")) AS s) AS n LEFT JOIN (
        -- All of the watch, read once, to be hashed: OFFSET keeps the planner from a look-up per row.
        SELECT b.ctid AS place, b.chain, b.entity, b.value, b.lower, b.upper, b.rules
        FROM rtp.baseline AS b
        WHERE b.watch = 1::smallint
        OFFSET 0
    ) AS b ON b.chain = "n"."chain" AND b.entity = "n"."entity" WHERE (n.value > b.lower AND n.value < b.upper AND b.rules = 1) IS NOT TRUE OR EXISTS (SELECT FROM rtp.sample AS s WHERE s.watch = 1::smallint)) AS i) AS n ORDER BY n.chain, n.entity, n.sampled_at, n.written)) AS u (row)) AS s (row)';
    ELSIF TG_OP = 'DELETE' THEN
        EXECUTE 'INSERT INTO rtp.sample (watch, chain, entity, what, value, sampled_at, changed_at, confidence, provenance)
        SELECT (s.row).watch, (s.row).chain, (s.row).entity, (s.row).what, (s.row).value, (s.row).sampled_at,
               (s.row).changed_at, (s.row).confidence, (s.row).provenance
        FROM (SELECT ROW(NULL, 1::smallint, n.chain, n.entity, ''deleted'', NULL::numeric, clock_timestamp(), clock_timestamp(), n.confidence, n.provenance, NULL, NULL, NULL)::rtp.sample FROM (SELECT i.*, row_number() OVER () AS written FROM (SELECT s.*, 0.25::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."symbol"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."trust"::double precision, 0.8) AS "confidence", coalesce("r"."feed"::text, ''desk'') AS "provenance", rtp.sane_time("r"."at"::timestamptz) AS "changed_at", "r"."price"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM old_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C")) AS s) AS i) AS n ORDER BY n.chain, n.entity, n.sampled_at, n.written) AS s (row)';
    ELSE
        EXECUTE 'INSERT INTO rtp.sample (watch, chain, entity, what, value, sampled_at, changed_at, confidence, provenance)
        SELECT (s.row).watch, (s.row).chain, (s.row).entity, (s.row).what, (s.row).value, (s.row).sampled_at,
               (s.row).changed_at, (s.row).confidence, (s.row).provenance
        FROM (SELECT ROW(NULL, 1::smallint, e.chain, e.entity, ''deleted'', NULL, clock_timestamp(), statement_timestamp(), 0.8::double precision, ''desk''::text, NULL, NULL, NULL)::rtp.sample FROM (SELECT b.chain, b.entity FROM rtp.baseline AS b WHERE b.watch = 1::smallint UNION SELECT s.chain, s.entity FROM rtp.sample AS s WHERE s.watch = 1::smallint) AS e WHERE NOT EXISTS (SELECT FROM "market"."prices" AS r WHERE "r"."chain"::text COLLATE "C" = "e"."chain" AND "r"."symbol"::text COLLATE "C" = "e"."entity")) AS s (row)';
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        PERFORM rtp.note_error('latest_with_memory', TG_OP, '22023', count(*) || ' rows have no usable chain, entity or value')
        FROM new_rows AS r WHERE (rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C")) IS NOT TRUE
        HAVING count(*) > 0;
    END IF;

    IF reported_rows > 0 OR is_left OR cardinality(samples) > 100 THEN
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
    PERFORM rtp.note_error('latest_with_memory', TG_OP, SQLSTATE, SQLERRM);
    RETURN NULL;
END
$rtp$;

-- What rtp run must know of watch latest_with_memory to judge a sample of one entity: its rule, and how the watch works.
CREATE OR REPLACE FUNCTION "rtp"."rule_latest_with_memory"(chain text, entity text)
RETURNS TABLE (rule rtp.rule, rules integer, is_history boolean, by_previous_row boolean)
LANGUAGE sql STABLE
AS $rtp$
    SELECT ROW(0.25::numeric, 0::numeric, '1:00:00'::interval::interval, NULL::interval, false::boolean, 5::numeric, 20::numeric, NULL::numeric, NULL::integer, NULL::interval, NULL::numeric, NULL::numeric)::rtp.rule, 1, false, false
    FROM (SELECT $1 AS chain, $2 AS entity) AS sample
$rtp$;

-- What the table of watch latest_with_memory holds for one entity now.
CREATE OR REPLACE FUNCTION "rtp"."now_latest_with_memory"(chain text, entity text)
RETURNS SETOF numeric
LANGUAGE sql STABLE
AS $rtp$
    SELECT n.value FROM (SELECT s.*, 0.25::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."symbol"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."trust"::double precision, 0.8) AS "confidence", coalesce("r"."feed"::text, 'desk') AS "provenance", rtp.sane_time("r"."at"::timestamptz) AS "changed_at", "r"."price"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM "market"."prices" AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C")) AS s) AS n
    WHERE n.chain = $1 AND n.entity = $2
    ORDER BY n.changed_at DESC LIMIT 1
$rtp$;

CREATE OR REPLACE TRIGGER "rtp_latest_with_memory_insert" AFTER INSERT ON "market"."prices" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_latest_with_memory"();

CREATE OR REPLACE TRIGGER "rtp_latest_with_memory_update" AFTER UPDATE ON "market"."prices" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_latest_with_memory"();

CREATE OR REPLACE TRIGGER "rtp_latest_with_memory_delete" AFTER DELETE ON "market"."prices" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_latest_with_memory"();

CREATE OR REPLACE TRIGGER "rtp_latest_with_memory_truncate" AFTER TRUNCATE ON "market"."prices"  FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_latest_with_memory"();

-- What the table holds at installation is the first baseline: the first change after it is judged like any other.
INSERT INTO rtp.baseline
    (watch, chain, entity, value, reported_at, rules, lower, upper, last_value, sampled_at, is_held, suspect_value,
     suspect_since, suspect_count, off_peg_since, due_at)
SELECT b.watch, b.chain, b.entity, b.value, b.reported_at, b.rules, b.lower, b.upper, b.last_value, b.sampled_at, b.is_held,
       b.suspect_value, b.suspect_since, b.suspect_count, b.off_peg_since, b.due_at
FROM (
    SELECT DISTINCT ON (n.chain, n.entity) n.*
    FROM (SELECT s.*, 0.25::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."symbol"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."trust"::double precision, 0.8) AS "confidence", coalesce("r"."feed"::text, 'desk') AS "provenance", rtp.sane_time("r"."at"::timestamptz) AS "changed_at", "r"."price"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM "market"."prices" AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C")) AS s) AS n
    ORDER BY n.chain, n.entity, n.sampled_at DESC
) AS sample
CROSS JOIN LATERAL rtp.first_baseline(
    ROW(NULL, 1::smallint, sample.chain, sample.entity, 'sample', sample.value, sample.sampled_at, sample.changed_at,
        sample.confidence, sample.provenance, NULL, NULL, NULL)::rtp.sample,
    ROW(0.25::numeric, 0::numeric, '1:00:00'::interval::interval, NULL::interval, false::boolean, 5::numeric, 20::numeric, NULL::numeric, NULL::integer, NULL::interval, NULL::numeric, NULL::numeric)::rtp.rule, 1, false
) AS b
ON CONFLICT DO NOTHING;
