-- Watch sources: every row is a sample, appended to rtp.sample, where rtp run judges it.
-- Fires after each statement, on its transition tables new_rows and old_rows. Returns null (ignored after a statement).
-- Writes rtp.sample, in the writer's transaction, and waits for nobody. What fails is left in rtp.trigger_error.
--
-- Every block that catches errors is a subtransaction, and one that writes takes a transaction id (watch_latest.sql says what that
-- costs). So the usual statement asks in a block whether appending can fail, and appends outside of it. It cannot while the
-- table's columns have the types that this was compiled for, from which every cast below succeeds whatever they hold; and while
-- rtp's table is as rtp made it (rtp.takes_samples). Both are asked when the answer is planned, and anew when a table has changed.
-- Columns of other types are cast in a block, where those types are the catalog's own (rtp.of_type says why).
CREATE OR REPLACE FUNCTION "rtp"."watch_sources"() RETURNS trigger
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
        is_safe := rtp.is_of_type((NULL::"public"."venue_prices")."symbol", 'text') AND rtp.is_of_type((NULL::"public"."venue_prices")."chain", 'text') AND rtp.is_of_type((NULL::"public"."venue_prices")."at", 'timestamp with time zone') AND rtp.is_of_type((NULL::"public"."venue_prices")."price", 'numeric') AND rtp.is_of_type((NULL::"public"."venue_prices")."venue", 'text')
            -- Another table may have the name by now.
            AND (TG_RELID = '"public"."venue_prices"'::regclass OR pg_partition_root(TG_RELID) = '"public"."venue_prices"'::regclass)
            AND 'rtp.sample'::regclass IS NOT NULL AND rtp.takes_samples()
            AND current_setting('lock_timeout') = '0' AND (current_setting('rtp.traceparent', true) <> '') IS NOT TRUE;
    EXCEPTION WHEN OTHERS THEN
        is_safe := false;
    END;
    IF is_safe THEN
        INSERT INTO rtp.sample ("watch", "what", "chain", "entity", "confidence", "provenance", "value", "sampled_at", "source", "traceparent", "tracestate")
            SELECT 1::smallint, 'sample', rtp.of_type("r"."chain", NULL::text)::text COLLATE "C", rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C", 1.0::double precision, NULL::text, rtp.of_type("r"."price", NULL::numeric)::numeric, rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz), left(rtp.of_type("r"."venue", NULL::text)::text, 200), NULL, NULL FROM new_rows AS r WHERE (rtp.is_name(rtp.of_type("r"."chain", NULL::text)::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C") OR rtp.skip('sources', ARRAY['chain', 'symbol', 'price']::text[], ARRAY[left(rtp.of_type("r"."chain", NULL::text)::text, 2001), left(rtp.of_type("r"."symbol", NULL::text)::text, 2001), left(rtp.of_type("r"."price", NULL::numeric)::text, 2001)]::text[]));
    ELSE
        BEGIN
            PERFORM rtp.refuse_own_types(TG_RELID, '{symbol,chain,at,price,venue}');
            EXECUTE 'INSERT INTO rtp.sample ("watch", "what", "chain", "entity", "confidence", "provenance", "value", "sampled_at", "source")
            SELECT 1::smallint, ''sample'', "r"."chain"::text COLLATE "C", "r"."symbol"::text COLLATE "C", 1.0::double precision, NULL::text, "r"."price"::numeric, rtp.sane_time("r"."at"::timestamptz), left("r"."venue"::text, 200) FROM new_rows AS r WHERE (rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."symbol"::text COLLATE "C") OR rtp.skip(''sources'', ARRAY[''chain'', ''symbol'', ''price'']::text[], ARRAY[left("r"."chain"::text, 2001), left("r"."symbol"::text, 2001), left("r"."price"::text, 2001)]::text[]))';
        EXCEPTION
        WHEN disk_full OR io_error OR serialization_failure THEN
            RAISE;  -- the sample cannot be kept: the writer's transaction fails, rather than commit without it
        WHEN OTHERS THEN
            PERFORM rtp.note_error('sources', TG_OP, SQLSTATE, SQLERRM);
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

-- What the table of watch sources holds for one entity now.
CREATE OR REPLACE FUNCTION "rtp"."now_sources"(chain text, entity text)
RETURNS SETOF numeric
LANGUAGE sql STABLE
AS $rtp$
    SELECT n.value FROM (SELECT s.*, 0.1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AS "chain", rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."price", NULL::numeric)::numeric AS "value", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "sampled_at" FROM "public"."venue_prices" AS r WHERE rtp.is_name(rtp.of_type("r"."chain", NULL::text)::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C")) AS s) AS n
    WHERE n.chain = $1 AND n.entity = $2
    ORDER BY n.changed_at DESC LIMIT 1
$rtp$;

CREATE OR REPLACE TRIGGER "rtp_sources_insert" AFTER INSERT ON "public"."venue_prices" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_sources"();

CREATE OR REPLACE TRIGGER "rtp_sources_update" AFTER UPDATE ON "public"."venue_prices" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_sources"();

-- What the table holds at installation is the first baseline: the first sample after it is judged like any other. An entity with
-- samples in the log is left to those. No rule is 0: the judge makes the appointments by its own.
INSERT INTO rtp.baseline
    (watch, chain, entity, value, reported_at, rules, last_value, sampled_at, last_changed_at, last_confidence, last_provenance)
SELECT DISTINCT ON (n.chain, n.entity) 1::smallint, n.chain, n.entity, NULL::numeric, n.sampled_at, 0, NULL::numeric, n.sampled_at, n.changed_at,
       n.confidence, n.provenance
FROM (SELECT s.*, 0.1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AS "chain", rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."price", NULL::numeric)::numeric AS "value", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "sampled_at" FROM "public"."venue_prices" AS r WHERE rtp.is_name(rtp.of_type("r"."chain", NULL::text)::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C") AND NOT (rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) > clock_timestamp() + make_interval(secs => 300.0))) AS s) AS n
WHERE NOT EXISTS (SELECT FROM rtp.sample AS s WHERE s.watch = 1::smallint AND s.chain = n.chain AND s.entity = n.entity)
ORDER BY n.chain, n.entity, n.sampled_at DESC
ON CONFLICT DO NOTHING;

INSERT INTO rtp.set_aside (watch, why, chain, entity, value, at, weight)
SELECT 1::smallint, 'future', n.chain, n.entity, n.value, n.changed_at, n.rows * line.weight
FROM (
    SELECT DISTINCT ON (n.chain, n.entity) n.*, count(*) OVER (PARTITION BY n.chain, n.entity) AS rows
    FROM (SELECT s.*, 0.1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AS "chain", rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."price", NULL::numeric)::numeric AS "value" FROM "public"."venue_prices" AS r WHERE rtp.is_name(rtp.of_type("r"."chain", NULL::text)::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C") AND (rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) > clock_timestamp() + make_interval(secs => 300.0))) AS s) AS n
    ORDER BY n.chain, n.entity, n.changed_at DESC
) AS n
CROSS JOIN rtp.set_aside_line() AS line (weight);

-- Rows that were written unseen: all that are newer than the newest sample of their entity, judged or not.
INSERT INTO rtp.sample ("watch", "what", "chain", "entity", "confidence", "provenance", "value", "sampled_at", "source")
SELECT 1::smallint, 'sample', rtp.of_type("r"."chain", NULL::text)::text COLLATE "C", rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C", 1.0::double precision, NULL::text, rtp.of_type("r"."price", NULL::numeric)::numeric, rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz), left(rtp.of_type("r"."venue", NULL::text)::text, 200)
FROM "public"."venue_prices" AS r
LEFT JOIN rtp.baseline AS b ON b.watch = 1::smallint AND b.chain = rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AND b.entity = rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C"
LEFT JOIN (
    SELECT chain, entity, max(sampled_at) AS sampled_at FROM rtp.sample WHERE watch = 1::smallint GROUP BY chain, entity
) AS s ON s.chain = rtp.of_type("r"."chain", NULL::text)::text COLLATE "C" AND s.entity = rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C"
WHERE rtp.is_name(rtp.of_type("r"."chain", NULL::text)::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."symbol", NULL::text)::text COLLATE "C") AND rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) > coalesce(greatest(s.sampled_at, b.sampled_at, b.reported_at), '-infinity')
ORDER BY rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz);

UPDATE rtp.watch
SET table_oid = '"public"."venue_prices"'::regclass, noted_in = tableoid, triggers = '{rtp_sources_insert,rtp_sources_update}'::text[], column_types = '{"at": "timestamp with time zone", "chain": "text", "price": "numeric", "symbol": "text", "venue": "text"}'::jsonb,
    installed_at = clock_timestamp(), source_md5 = (SELECT md5(prosrc) FROM pg_proc WHERE oid = '"rtp"."watch_sources"()'::regprocedure)
WHERE id = 1;

UPDATE rtp.baseline SET lower = NULL, upper = NULL WHERE watch = 1::smallint;
