-- Watch latest_with_memory: every row is a sample, appended to rtp.sample, where rtp run judges it.
-- Fires after each statement, on its transition tables new_rows and old_rows. Returns null (ignored after a statement).
-- Writes rtp.sample, in the writer's transaction, and waits for nobody. What fails is left in rtp.trigger_error.
--
-- Every block that catches errors is a subtransaction, and one that writes takes a transaction id (watch_latest.sql says what that
-- costs). So the usual statement asks in a block whether appending can fail, and appends outside of it. It cannot while the
-- table's columns have the types that this was compiled for, from which every cast below succeeds whatever they hold; and while
-- rtp's table is as rtp made it (rtp.takes_samples). Both are asked when the answer is planned, and anew when a table has changed.
-- Columns of other types are cast in a block, where those types are the catalog's own (rtp.of_type says why).
CREATE OR REPLACE FUNCTION "rtp"."watch_latest_with_memory"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $rtp$
DECLARE
    started       timestamptz := CASE WHEN random() < '0.001'::double precision THEN clock_timestamp() END;
    is_safe       boolean;
    reported_rows bigint;
    measured_rows bigint;
BEGIN
    BEGIN
        -- All else goes the long way: what has a trace context to carry, and whoever is not to wait long for a lock, as an upgrade may
        -- have locked rtp's tables.
        is_safe := rtp.is_of_type((NULL::"market"."prices")."symbol", 'text') AND rtp.is_of_type((NULL::"market"."prices")."chain", 'text') AND rtp.is_of_type((NULL::"market"."prices")."at", 'timestamp with time zone') AND rtp.is_of_type((NULL::"market"."prices")."trust", 'double precision') AND rtp.is_of_type((NULL::"market"."prices")."feed", 'text') AND rtp.is_of_type((NULL::"market"."prices")."price", 'numeric')
            -- Another table may have the name by now.
            AND (TG_RELID = '"market"."prices"'::regclass OR pg_partition_root(TG_RELID) = '"market"."prices"'::regclass)
            AND 'rtp.sample'::regclass IS NOT NULL AND rtp.takes_samples()
            AND current_setting('lock_timeout') = '0' AND (current_setting('rtp.traceparent', true) <> '') IS NOT TRUE;
    EXCEPTION WHEN OTHERS THEN
        is_safe := false;
    END;
    IF TG_OP IN ('TRUNCATE') THEN
        is_safe := false;
    ELSIF TG_OP = 'UPDATE' AND is_safe THEN
        -- The entity of a row that has got another key is renamed.
        is_safe := NOT EXISTS (SELECT rtp.of_type("o"."chain", NULL::text)::text COLLATE "C", rtp.of_type("o"."symbol", NULL::text)::text COLLATE "C" FROM old_rows AS o EXCEPT SELECT rtp.of_type("n"."chain", NULL::text)::text COLLATE "C", rtp.of_type("n"."symbol", NULL::text)::text COLLATE "C" FROM new_rows AS n);
    END IF;    IF is_safe THEN
        IF TG_OP = 'DELETE' THEN
            INSERT INTO rtp.sample ("watch", "what", "chain", "entity", "confidence", "provenance", "changed_at", "value", "sampled_at", "traceparent", "tracestate")
            SELECT 1::smallint, 'deleted', rtp.of_type("r"."chain", NULL::text)::text COLLATE "C", rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C", rtp.sane_confidence(rtp.of_type("r"."trust", NULL::double precision)::double precision, 0.8), coalesce(rtp.of_type("r"."feed", NULL::text)::text, 'desk'), NULL::timestamptz, NULL::numeric, clock_timestamp(), NULL, NULL FROM old_rows AS r WHERE rtp.is_name(rtp.of_type("r"."chain", NULL::text)::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C");
        ELSE
            INSERT INTO rtp.sample ("watch", "what", "chain", "entity", "confidence", "provenance", "changed_at", "value", "sampled_at", "traceparent", "tracestate")
            SELECT 1::smallint, 'sample', rtp.of_type("r"."chain", NULL::text)::text COLLATE "C", rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C", rtp.sane_confidence(rtp.of_type("r"."trust", NULL::double precision)::double precision, 0.8), coalesce(rtp.of_type("r"."feed", NULL::text)::text, 'desk'), rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz), rtp.of_type("r"."price", NULL::numeric)::numeric, clock_timestamp(), NULL, NULL FROM new_rows AS r WHERE (rtp.is_name(rtp.of_type("r"."chain", NULL::text)::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C") OR rtp.skip('latest_with_memory', ARRAY['chain', 'symbol', 'price']::text[], ARRAY[left(rtp.of_type("r"."chain", NULL::text)::text, 2001), left(rtp.of_type("r"."symbol", NULL::text)::text, 2001), left(rtp.of_type("r"."price", NULL::numeric)::text, 2001)]::text[]));
        END IF;
    ELSE
        BEGIN
            PERFORM rtp.refuse_own_types(TG_RELID, '{symbol,chain,at,trust,feed,price}');
            EXECUTE CASE TG_OP
WHEN 'INSERT' THEN
'INSERT INTO rtp.sample ("watch", "what", "chain", "entity", "confidence", "provenance", "changed_at", "value", "sampled_at")
            SELECT 1::smallint, ''sample'', "r"."chain"::text COLLATE "C", "r"."symbol"::text COLLATE "C", rtp.sane_confidence("r"."trust"::double precision, 0.8), coalesce("r"."feed"::text, ''desk''), rtp.sane_time("r"."at"::timestamptz), "r"."price"::numeric, clock_timestamp() FROM new_rows AS r WHERE (rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C") OR rtp.skip(''latest_with_memory'', ARRAY[''chain'', ''symbol'', ''price'']::text[], ARRAY[left("r"."chain"::text, 2001), left("r"."symbol"::text, 2001), left("r"."price"::text, 2001)]::text[]))'
WHEN 'UPDATE' THEN
'-- Where a name that the statement gives was another of its rows'', whoever had it steps aside first.
WITH pair AS MATERIALIZED (
    SELECT "o"."chain"::text COLLATE "C" AS "former_chain", "o"."symbol"::text COLLATE "C" AS "former_entity", "n"."chain"::text COLLATE "C" AS "chain", "n"."symbol"::text COLLATE "C" AS "entity", rtp.sane_confidence("n"."trust"::double precision, 0.8) AS "confidence", coalesce("n"."feed"::text, ''desk'') AS "provenance", rtp.sane_time("n"."at"::timestamptz) AS "changed_at"
    FROM (SELECT row_number() OVER () AS "rtp place", t.* FROM old_rows AS t) AS o JOIN (SELECT row_number() OVER () AS "rtp place", t.* FROM new_rows AS t) AS n USING ("rtp place")
    WHERE rtp.is_name("o"."chain"::text COLLATE "C") AND rtp.is_name("o"."symbol"::text COLLATE "C") AND rtp.is_name("n"."chain"::text COLLATE "C") AND rtp.is_name("n"."symbol"::text COLLATE "C")
      AND ("o"."chain"::text COLLATE "C", "o"."symbol"::text COLLATE "C") IS DISTINCT FROM ("n"."chain"::text COLLATE "C", "n"."symbol"::text COLLATE "C")
      AND (SELECT count(*) FROM old_rows) = (SELECT count(*) FROM new_rows)
), step AS MATERIALIZED (
    SELECT p.*, EXISTS (SELECT FROM pair AS q WHERE q.chain = p.former_chain AND q.entity = p.former_entity) AS steps_aside
    FROM pair AS p
)
INSERT INTO rtp.sample ("watch", "what", "chain", "entity", "confidence", "provenance", "changed_at", "value", "sampled_at", former_chain, former_entity)
SELECT 1::smallint, ''renamed'', '''', jsonb_build_array(former_chain, former_entity)::text, "confidence", "provenance", "changed_at", NULL::numeric, clock_timestamp(), former_chain, former_entity FROM step AS r WHERE steps_aside
UNION ALL
SELECT 1::smallint, ''renamed'', "chain", "entity", "confidence", "provenance", "changed_at", NULL::numeric, clock_timestamp(), CASE WHEN steps_aside THEN '''' ELSE former_chain END,
       CASE WHEN steps_aside THEN jsonb_build_array(former_chain, former_entity)::text ELSE former_entity END
FROM step AS r
UNION ALL
SELECT 1::smallint, ''sample'', "r"."chain"::text COLLATE "C", "r"."symbol"::text COLLATE "C", rtp.sane_confidence("r"."trust"::double precision, 0.8), coalesce("r"."feed"::text, ''desk''), rtp.sane_time("r"."at"::timestamptz), "r"."price"::numeric, clock_timestamp(), NULL::text, NULL::text FROM new_rows AS r WHERE (rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C") OR rtp.skip(''latest_with_memory'', ARRAY[''chain'', ''symbol'', ''price'']::text[], ARRAY[left("r"."chain"::text, 2001), left("r"."symbol"::text, 2001), left("r"."price"::text, 2001)]::text[]))
UNION ALL
SELECT 1::smallint, ''deleted'', "r"."chain"::text COLLATE "C", "r"."symbol"::text COLLATE "C", rtp.sane_confidence("r"."trust"::double precision, 0.8), coalesce("r"."feed"::text, ''desk''), NULL::timestamptz, NULL::numeric, clock_timestamp(), NULL::text, NULL::text FROM old_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C") AND NOT EXISTS (SELECT FROM (SELECT "n"."chain"::text COLLATE "C", "n"."symbol"::text COLLATE "C" FROM new_rows AS n UNION ALL SELECT former_chain, former_entity FROM pair) AS k (chain, entity) WHERE k.chain = "r"."chain"::text COLLATE "C" AND k.entity = "r"."symbol"::text COLLATE "C")'
WHEN 'DELETE' THEN
'INSERT INTO rtp.sample ("watch", "what", "chain", "entity", "confidence", "provenance", "changed_at", "value", "sampled_at")
            SELECT 1::smallint, ''deleted'', "r"."chain"::text COLLATE "C", "r"."symbol"::text COLLATE "C", rtp.sane_confidence("r"."trust"::double precision, 0.8), coalesce("r"."feed"::text, ''desk''), NULL::timestamptz, NULL::numeric, clock_timestamp() FROM old_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C")'
ELSE rtp.rows_before_truncate(TG_RELID, '"market"."prices"') ||
'INSERT INTO rtp.sample ("watch", "what", "chain", "entity", "confidence", "provenance", "changed_at", "value", "sampled_at")
            SELECT 1::smallint, ''deleted'', "r"."chain"::text COLLATE "C", "r"."symbol"::text COLLATE "C", rtp.sane_confidence("r"."trust"::double precision, 0.8), coalesce("r"."feed"::text, ''desk''), NULL::timestamptz, NULL::numeric, clock_timestamp() FROM old_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C")'
            END;
        EXCEPTION
        WHEN disk_full OR io_error OR serialization_failure THEN
            RAISE;  -- the sample cannot be kept: the writer's transaction fails, rather than commit without it
        WHEN OTHERS THEN
            PERFORM rtp.note_error('latest_with_memory', TG_OP, SQLSTATE, SQLERRM);
            RETURN NULL;
        END;
    END IF;

    -- What rtp.wake asks first, asked here, spares the call while rtp is awake.
    IF (FOUND OR NOT is_safe) AND pg_catalog.pg_try_advisory_lock_shared(7500912, 1) THEN
        PERFORM pg_catalog.pg_advisory_unlock_shared(7500912, 1), rtp.wake();
    END IF;
    IF started IS NOT NULL THEN
        IF TG_OP IN ('INSERT', 'UPDATE') THEN
            SELECT count(*) INTO measured_rows FROM new_rows;
        ELSIF TG_OP = 'DELETE' THEN
            SELECT count(*) INTO measured_rows FROM old_rows;
        END IF;
        PERFORM rtp.note_timing(1::smallint, 1000, measured_rows, coalesce(reported_rows, 0), started);
    END IF;
    RETURN NULL;
END
$rtp$;

-- What the table of watch latest_with_memory holds for one entity now.
CREATE OR REPLACE FUNCTION "rtp"."now_latest_with_memory"(chain text, entity text)
RETURNS SETOF numeric
LANGUAGE sql STABLE
AS $rtp$
    SELECT n.value FROM (SELECT s.*, 0.25::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AS "chain", rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C" AS "entity", rtp.sane_confidence(rtp.of_type("r"."trust", NULL::double precision)::double precision, 0.8) AS "confidence", coalesce(rtp.of_type("r"."feed", NULL::text)::text, 'desk') AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."price", NULL::numeric)::numeric AS "value", clock_timestamp() AS "sampled_at" FROM "market"."prices" AS r WHERE rtp.is_name(rtp.of_type("r"."chain", NULL::text)::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C")) AS s) AS n
    WHERE n.chain = $1 AND n.entity = $2
    ORDER BY n.changed_at DESC LIMIT 1
$rtp$;

CREATE OR REPLACE TRIGGER "rtp_latest_with_memory_insert" AFTER INSERT ON "market"."prices" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_latest_with_memory"();

CREATE OR REPLACE TRIGGER "rtp_latest_with_memory_update" AFTER UPDATE ON "market"."prices" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_latest_with_memory"();

CREATE OR REPLACE TRIGGER "rtp_latest_with_memory_delete" AFTER DELETE ON "market"."prices" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_latest_with_memory"();

CREATE OR REPLACE TRIGGER "rtp_latest_with_memory_before_truncate" BEFORE TRUNCATE ON "market"."prices"  FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_latest_with_memory"();

-- What the table holds at installation is the first baseline: the first sample after it is judged like any other. An entity with
-- samples in the log is left to those. No rule is 0: the judge makes the appointments by its own.
INSERT INTO rtp.baseline
    (watch, chain, entity, value, reported_at, rules, last_value, sampled_at, last_changed_at, last_confidence, last_provenance)
SELECT DISTINCT ON (n.chain, n.entity) 1::smallint, n.chain, n.entity, n.value, n.sampled_at, 0, n.value, n.sampled_at, n.changed_at,
       n.confidence, n.provenance
FROM (SELECT s.*, 0.25::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AS "chain", rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C" AS "entity", rtp.sane_confidence(rtp.of_type("r"."trust", NULL::double precision)::double precision, 0.8) AS "confidence", coalesce(rtp.of_type("r"."feed", NULL::text)::text, 'desk') AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."price", NULL::numeric)::numeric AS "value", clock_timestamp() AS "sampled_at" FROM "market"."prices" AS r WHERE rtp.is_name(rtp.of_type("r"."chain", NULL::text)::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C") AND NOT (rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) > clock_timestamp() + make_interval(secs => 300.0))) AS s) AS n
WHERE NOT EXISTS (SELECT FROM rtp.sample AS s WHERE s.watch = 1::smallint AND s.chain = n.chain AND s.entity = n.entity)
ORDER BY n.chain, n.entity, n.sampled_at DESC
ON CONFLICT DO NOTHING;

INSERT INTO rtp.set_aside (watch, why, chain, entity, value, at, weight)
SELECT 1::smallint, 'future', n.chain, n.entity, n.value, n.changed_at, n.rows * line.weight
FROM (
    SELECT DISTINCT ON (n.chain, n.entity) n.*, count(*) OVER (PARTITION BY n.chain, n.entity) AS rows
    FROM (SELECT s.*, 0.25::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AS "chain", rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C" AS "entity", rtp.sane_confidence(rtp.of_type("r"."trust", NULL::double precision)::double precision, 0.8) AS "confidence", coalesce(rtp.of_type("r"."feed", NULL::text)::text, 'desk') AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."price", NULL::numeric)::numeric AS "value" FROM "market"."prices" AS r WHERE rtp.is_name(rtp.of_type("r"."chain", NULL::text)::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C") AND (rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) > clock_timestamp() + make_interval(secs => 300.0))) AS s) AS n
    ORDER BY n.chain, n.entity, n.changed_at DESC
) AS n
CROSS JOIN rtp.set_aside_line() AS line (weight);

INSERT INTO rtp.sample (watch, what, chain, entity, sampled_at)
            SELECT 1::smallint, 'deleted', e.chain, e.entity, clock_timestamp()
            FROM (
                SELECT b.chain, b.entity FROM rtp.baseline AS b WHERE b.watch = 1::smallint
                UNION
                -- Those that were seen and not judged so far; a look at some more does no harm.
                SELECT s.chain, s.entity FROM rtp.sample AS s
                WHERE s.watch = 1::smallint
                  AND s.xid >= (SELECT pg_snapshot_xmin(c.snapshot) FROM rtp.judge_cursor AS c ORDER BY 1 LIMIT 1)
            ) AS e
            WHERE NOT EXISTS (SELECT FROM "market"."prices" AS r WHERE rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" = "e"."chain" AND rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C" = "e"."entity");

-- Rows that were written unseen: all that differ from what was last known of their entity. Where one of its samples is still in the
-- log, that may be newer than what is known.
INSERT INTO rtp.sample ("watch", "what", "chain", "entity", "confidence", "provenance", "changed_at", "value", "sampled_at")
SELECT 1::smallint, 'sample', rtp.of_type("r"."chain", NULL::text)::text COLLATE "C", rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C", rtp.sane_confidence(rtp.of_type("r"."trust", NULL::double precision)::double precision, 0.8), coalesce(rtp.of_type("r"."feed", NULL::text)::text, 'desk'), rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz), rtp.of_type("r"."price", NULL::numeric)::numeric, clock_timestamp()
FROM "market"."prices" AS r
LEFT JOIN rtp.baseline AS b ON b.watch = 1::smallint AND b.chain = rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AND b.entity = rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C"
WHERE rtp.is_name(rtp.of_type("r"."chain", NULL::text)::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C") AND (
    b.last_value IS NULL OR b.last_value IS DISTINCT FROM rtp.of_type("r"."price", NULL::numeric)::numeric
    OR EXISTS (SELECT FROM rtp.sample AS s WHERE s.watch = 1::smallint AND s.chain = rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AND s.entity = rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C")
);

UPDATE rtp.watch
SET table_oid = '"market"."prices"'::regclass, noted_in = tableoid, triggers = '{rtp_latest_with_memory_insert,rtp_latest_with_memory_update,rtp_latest_with_memory_delete,rtp_latest_with_memory_before_truncate}'::text[], column_types = '{"at": "timestamp with time zone", "chain": "text", "feed": "text", "price": "numeric", "symbol": "text", "trust": "double precision"}'::jsonb,
    installed_at = clock_timestamp(), source_md5 = (SELECT md5(prosrc) FROM pg_proc WHERE oid = '"rtp"."watch_latest_with_memory"()'::regprocedure)
WHERE id = 1;

UPDATE rtp.baseline SET lower = NULL, upper = NULL WHERE watch = 1::smallint;

-- A trigger that judged by itself passed over what was within the band: what the table holds is the newest value seen, unless that
-- is in quarantine.
UPDATE rtp.baseline AS b
SET last_value = n.value, last_changed_at = n.changed_at, last_confidence = n.confidence, last_provenance = n.provenance
FROM (SELECT s.*, 0.25::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AS "chain", rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C" AS "entity", rtp.sane_confidence(rtp.of_type("r"."trust", NULL::double precision)::double precision, 0.8) AS "confidence", coalesce(rtp.of_type("r"."feed", NULL::text)::text, 'desk') AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."price", NULL::numeric)::numeric AS "value", clock_timestamp() AS "sampled_at" FROM "market"."prices" AS r WHERE rtp.is_name(rtp.of_type("r"."chain", NULL::text)::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C") AND NOT (rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) > clock_timestamp() + make_interval(secs => 300.0))) AS s) AS n
WHERE b.watch = 1::smallint AND b.chain = n.chain AND b.entity = n.entity AND b.suspect_since IS NULL;

INSERT INTO rtp.sample (watch, what, chain, entity, sampled_at)
            SELECT 1::smallint, 'deleted', e.chain, e.entity, clock_timestamp()
            FROM (
                SELECT b.chain, b.entity FROM rtp.baseline AS b WHERE b.watch = 1::smallint
                UNION
                -- Those that were seen and not judged so far; a look at some more does no harm.
                SELECT s.chain, s.entity FROM rtp.sample AS s
                WHERE s.watch = 1::smallint
                  AND s.xid >= (SELECT pg_snapshot_xmin(c.snapshot) FROM rtp.judge_cursor AS c ORDER BY 1 LIMIT 1)
            ) AS e
            WHERE NOT EXISTS (SELECT FROM "market"."prices" AS r WHERE rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" = "e"."chain" AND rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C" = "e"."entity");

DELETE FROM rtp.look WHERE watch = 1::smallint;

DELETE FROM rtp.waiting_rename WHERE watch = 1::smallint;
