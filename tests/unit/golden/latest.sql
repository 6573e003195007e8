-- Watch latest: a table with one row per entity, updated in place, and rules that need no memory but the baseline.
-- Fires after each statement, on its transition tables new_rows and old_rows. Returns null (ignored after a statement).
-- Writes rtp.event and rtp.baseline, in the writer's transaction. What fails is left in rtp.trigger_error, but for what is said below.
-- Plans are made when the tables are small and kept when they are large: hence no sequential scans, and look-ups by key.
-- The writer's own row locks serialise an entity here: whoever comes second sees the baseline that the first one left, and
-- nobody waits for a lock that the writer had not waited for, but for a look of rtp run's at the same entity.
--
-- A row that has got another key takes its baseline along, before it is judged. That is looked for where the statement may have
-- done so: where an entity of it is not known, or its rules are older, as a deletion leaves them.
--
-- It judges what it can judge, which is a row that is there, under READ COMMITTED. A row that is gone may come back within the
-- transaction; and above READ COMMITTED the baselines in sight may be older than the row. Both are appended to rtp.sample, and
-- left to rtp run, which asks the table once the transaction has ended (core/judging/looks.py).
--
-- Every block that catches errors is a subtransaction. One that writes takes a transaction id; a transaction with more than 64
-- of them slows every snapshot on the server. So the usual statement reads in a block, for a user's row and table may hold
-- anything, and writes outside of it; where several rows matter it reads them once more there, by columns whose types cannot
-- fail. What it writes then cannot fail for its data (two numbers of a sane size, names that were
-- a baseline's before) nor for how rtp's tables are made (rtp.takes_events). What remains fails the writer: a server out of
-- disk, memory or locks, a lost race against whoever changes rtp's tables by hand (docs/reference/detection.md). All other statements are
-- judged in the block at the end.
CREATE OR REPLACE FUNCTION "rtp"."watch_latest"() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
AS $rtp$
DECLARE
    started       timestamptz := CASE WHEN random() < '0.01'::double precision THEN clock_timestamp() END;
    is_safe       boolean;
    one           record;
    reported_rows bigint;
    plain_rows    bigint := 0;  -- of several rows, those that have been reported outside of the block
    measured_rows bigint;
    unseen_rows   bigint;
    older_rows    bigint;
    left_rows     bigint := 0;
    made          bigint;
    is_large      boolean;
    is_overtaken  boolean;
    is_renaming   boolean := false;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' OR TG_OP = 'DELETE' OR TG_OP = 'TRUNCATE' THEN
    BEGIN
        -- All else goes the long way: what has a trace context to carry, and whoever is not to wait long for a lock, as an upgrade may
        -- have locked rtp's tables.
        is_safe := rtp.is_of_type((NULL::"public"."tvl")."protocol", 'text') AND rtp.is_of_type((NULL::"public"."tvl")."at", 'timestamp with time zone') AND rtp.is_of_type((NULL::"public"."tvl")."usd", 'numeric')
            -- Another table may have the name by now.
            AND (TG_RELID = '"public"."tvl"'::regclass OR pg_partition_root(TG_RELID) = '"public"."tvl"'::regclass)
            AND 'rtp.sample'::regclass IS NOT NULL AND rtp.takes_samples()
            AND current_setting('lock_timeout') = '0' AND (current_setting('rtp.traceparent', true) <> '') IS NOT TRUE;
    EXCEPTION WHEN OTHERS THEN
        is_safe := false;
    END;
    IF TG_OP IN ('DELETE', 'TRUNCATE') THEN
        is_safe := false;
    ELSIF TG_OP = 'UPDATE' AND is_safe THEN
        -- The entity of a row that has got another key is renamed.
        is_safe := NOT EXISTS (SELECT 'ethereum'::text COLLATE "C", rtp.of_type("o"."protocol", NULL::text)::text COLLATE "C" FROM old_rows AS o EXCEPT SELECT 'ethereum'::text COLLATE "C", rtp.of_type("n"."protocol", NULL::text)::text COLLATE "C" FROM new_rows AS n);
    END IF;    IF is_safe THEN
        INSERT INTO rtp.sample ("watch", "what", "chain", "entity", "confidence", "provenance", "changed_at", "value", "sampled_at", "traceparent", "tracestate")
            SELECT 1::smallint, 'sample', 'ethereum'::text COLLATE "C", rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C", 1.0::double precision, NULL::text, rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz), rtp.of_type("r"."usd", NULL::numeric)::numeric, clock_timestamp(), NULL, NULL FROM new_rows AS r WHERE (rtp.is_name('ethereum'::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C") OR rtp.skip('latest', ARRAY[NULL, 'protocol', 'usd']::text[], ARRAY[NULL, left(rtp.of_type("r"."protocol", NULL::text)::text, 2001), left(rtp.of_type("r"."usd", NULL::numeric)::text, 2001)]::text[]));
    ELSE
        BEGIN
            PERFORM rtp.refuse_own_types(TG_RELID, '{protocol,at,usd}');
            -- Whoever writes such an entity again is judged by a closer look, and so waits for none that rtp run takes at it meanwhile to
            -- be over. Above READ COMMITTED no baseline is touched, as its newest version may be one that the snapshot does not see.
            IF current_setting('transaction_isolation') = 'read committed' AND TG_OP IN ('DELETE', 'TRUNCATE') THEN
                EXECUTE CASE TG_OP WHEN 'TRUNCATE' THEN rtp.rows_before_truncate(TG_RELID, '"public"."tvl"') ELSE '' END || "rtp"."rare_latest"('mark gone');
            END IF;
            EXECUTE CASE TG_OP WHEN 'TRUNCATE' THEN rtp.rows_before_truncate(TG_RELID, '"public"."tvl"') ELSE '' END || "rtp"."rare_latest"('append ' || TG_OP);
        EXCEPTION
        WHEN disk_full OR io_error OR serialization_failure THEN
            RAISE;  -- the sample cannot be kept: the writer's transaction fails, rather than commit without it
        WHEN OTHERS THEN
            PERFORM rtp.note_error('latest', TG_OP, SQLSTATE, SQLERRM);
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
        PERFORM rtp.note_timing(1::smallint, 100, measured_rows, coalesce(reported_rows, 0), started);
    END IF;
    RETURN NULL;
    END IF;

    -- Most statements change nothing that matters, and one look at them is all that they cost: the first row outside its band.
    BEGIN
        SELECT 'ethereum'::text COLLATE "C" AS "chain", rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C" AS "entity", rtp.of_type("r"."usd", NULL::numeric)::numeric AS "value", rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz AS "changed_at", b.value AS previous, b.place, b.rules = 1 AS is_current
            INTO one
            FROM new_rows AS r
            LEFT JOIN LATERAL (
        -- By its whole key, for each row. A plain join would leave that to the planner, which knows nothing of a table that was
        -- filled a moment ago, and then reads all baselines of the watch for each row. OFFSET keeps it from making it one.
        SELECT b.ctid AS place, b.entity, b.value, b.lower, b.upper, b.rules
        FROM rtp.baseline AS b
        WHERE b.watch = 1::smallint AND b.chain = 'ethereum'::text COLLATE "C" AND b.entity = rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C"
        OFFSET 0
    ) AS b ON true
            WHERE (rtp.of_type("r"."usd", NULL::numeric)::numeric > b.lower AND rtp.of_type("r"."usd", NULL::numeric)::numeric < b.upper AND b.rules = 1) IS NOT TRUE;
    EXCEPTION
    WHEN disk_full OR io_error OR serialization_failure THEN
        RAISE;
    WHEN OTHERS THEN
        PERFORM rtp.note_error('latest', TG_OP, SQLSTATE, SQLERRM);
        RETURN NULL;
    END;
    IF NOT FOUND AND started IS NULL THEN
        RETURN NULL;
    ELSIF NOT FOUND THEN
        reported_rows := 0;
    END IF;
    -- One positive number has become another, outside the band of today's rule, and neither is so large that reckoning with it
        -- could fail: a deviation. All else goes the long way: what has a trace context to carry, and whoever is not to wait long
        -- for a lock, as an upgrade may have locked rtp's tables.
        IF one.is_current AND NOT (rtp.sane_time("one"."changed_at") > clock_timestamp() + make_interval(secs => 300.0)) AND (current_setting('rtp.traceparent', true) <> '') IS NOT TRUE
           AND current_setting('lock_timeout') = '0'
           -- PostgreSQL looks at rights before a statement begins, whatever its conditions come to.
           AND has_table_privilege(to_regclass('rtp.event'), 'INSERT')
           AND has_table_privilege(to_regclass('rtp.baseline'), 'UPDATE') THEN
            WITH moved AS (
                -- By place, not by key, which would be looked up a second time; where it still is what was read.
                UPDATE rtp.baseline AS b
                SET value = one.value, reported_at = clock_timestamp(), came_xid = NULL,
                    lower = greatest(one.value - band.reach, 0), upper = one.value + band.reach
                FROM (SELECT greatest(one.value * CASE WHEN "one"."entity" LIKE 'li%' ESCAPE '!' THEN 5::numeric ELSE 1::numeric END * 0.01, 0::numeric) AS reach) AS band
                WHERE b.ctid = one.place AND b.value = one.previous
                  AND one.value > 0 AND one.value < 1e1000 AND one.value <> one.previous
                  AND one.previous > 0 AND one.previous < 1e1000
                  AND NOT EXISTS (SELECT FROM new_rows OFFSET 1) AND rtp.takes_events()
                RETURNING 1
            )
            INSERT INTO rtp.event
                (watch, chain, entity, previous, current, reason, severity, confidence, provenance, changed_at,
                 traceparent, tracestate)
            SELECT 1::smallint, one.chain, one.entity, one.previous, one.value, 'deviation', CASE
                       WHEN abs(one.value - one.previous) * 100 >= 20::numeric * one.previous THEN 'critical'
                       WHEN abs(one.value - one.previous) * 100 >= 5::numeric * one.previous THEN 'warning'
                       ELSE 'info'
                   END, 1.0::double precision, NULL::text, rtp.sane_time("one"."changed_at"), NULL, NULL
            FROM moved;
            IF FOUND THEN
                reported_rows := 1;
            ELSIF EXISTS (SELECT FROM new_rows OFFSET 1) AND NOT EXISTS (SELECT FROM new_rows OFFSET 100) THEN
                -- Several rows, of which each that matters is such a deviation. Here reading comes after the block, and must not fail, either.
                BEGIN
                    is_safe := rtp.is_of_type((NULL::"public"."tvl")."protocol", 'text') AND rtp.is_of_type((NULL::"public"."tvl")."at", 'timestamp with time zone') AND rtp.is_of_type((NULL::"public"."tvl")."usd", 'numeric')
            -- Another table may have the name by now.
            AND (TG_RELID = '"public"."tvl"'::regclass OR pg_partition_root(TG_RELID) = '"public"."tvl"'::regclass);
                    IF TG_OP = 'UPDATE' AND is_safe THEN
                        is_safe := NOT EXISTS (SELECT 'ethereum'::text COLLATE "C", rtp.of_type("o"."protocol", NULL::text)::text COLLATE "C" FROM old_rows AS o EXCEPT SELECT 'ethereum'::text COLLATE "C", rtp.of_type("n"."protocol", NULL::text)::text COLLATE "C" FROM new_rows AS n);
                    END IF;
                EXCEPTION WHEN OTHERS THEN
                    is_safe := false;
                END;
                IF is_safe THEN
                    WITH touched AS MATERIALIZED (
                        SELECT n.*, b.place, b.value AS previous,
                               (b.rules = 1 AND n.value > 0 AND n.value < 1e1000 AND n.value <> b.value
                                AND b.value > 0 AND b.value < 1e1000 AND NOT ("n"."changed_at" > clock_timestamp() + make_interval(secs => 300.0))) IS TRUE AS is_plain
                        FROM (SELECT 'ethereum'::text COLLATE "C" AS "chain", rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."usd", NULL::numeric)::numeric AS "value" FROM new_rows AS r) AS n
                        LEFT JOIN LATERAL (
        -- By its whole key, for each row. A plain join would leave that to the planner, which knows nothing of a table that was
        -- filled a moment ago, and then reads all baselines of the watch for each row. OFFSET keeps it from making it one.
        SELECT b.ctid AS place, b.entity, b.value, b.lower, b.upper, b.rules
        FROM rtp.baseline AS b
        WHERE b.watch = 1::smallint AND b.chain = "n"."chain" AND b.entity = "n"."entity"
        OFFSET 0
    ) AS b ON true
                        WHERE (n.value > b.lower AND n.value < b.upper AND b.rules = 1) IS NOT TRUE
                    ), moved AS (
                        -- Two rows of one entity go the long way, as they have one baseline.
                        UPDATE rtp.baseline AS b
                        SET value = t.value, reported_at = clock_timestamp(), came_xid = NULL,
                            lower = greatest(t.value - greatest(t.value * CASE WHEN "t"."entity" LIKE 'li%' ESCAPE '!' THEN 5::numeric ELSE 1::numeric END * 0.01, 0::numeric), 0),
                            upper = t.value + greatest(t.value * CASE WHEN "t"."entity" LIKE 'li%' ESCAPE '!' THEN 5::numeric ELSE 1::numeric END * 0.01, 0::numeric)
                        FROM touched AS t
                        WHERE b.ctid = t.place AND b.value = t.previous AND t.is_plain AND rtp.takes_events()
                          AND (SELECT bool_and(o.is_plain) AND count(*) = count(DISTINCT o.place) FROM touched AS o)
                        RETURNING t.*
                    ), appended AS (
                        INSERT INTO rtp.event
                            (watch, chain, entity, previous, current, reason, severity, confidence, provenance, changed_at,
                             traceparent, tracestate)
                        SELECT 1::smallint, t.chain, t.entity, t.previous, t.value, 'deviation', CASE
                                   WHEN abs(t.value - t.previous) * 100 >= 20::numeric * t.previous THEN 'critical'
                                   WHEN abs(t.value - t.previous) * 100 >= 5::numeric * t.previous THEN 'warning'
                                   ELSE 'info'
                               END, t.confidence, t.provenance, t.changed_at, NULL, NULL
                        FROM moved AS t
                        RETURNING 1
                    )
                    SELECT (SELECT count(*) FROM appended), count(*) INTO plain_rows, made FROM touched;
                    IF plain_rows = made THEN
                        reported_rows := made;
                    END IF;
                END IF;
            END IF;
        END IF;

    FOR attempt IN 1..3 LOOP
        EXIT WHEN reported_rows IS NOT NULL;
        BEGIN
            reported_rows := plain_rows;
            left_rows := 0;
            -- A small statement's plan is kept, an index look-up per row. A large one is worth plans of its own, made for
            -- as many rows as it has: they read the baselines once, and hash.
            is_large := EXISTS (SELECT FROM new_rows OFFSET 100);
            IF TG_OP = 'UPDATE' AND (one.place IS NULL OR NOT one.is_current OR EXISTS (SELECT FROM new_rows OFFSET 1)) THEN
                is_renaming := EXISTS (SELECT 'ethereum'::text COLLATE "C", rtp.of_type("o"."protocol", NULL::text)::text COLLATE "C" FROM old_rows AS o EXCEPT SELECT 'ethereum'::text COLLATE "C", rtp.of_type("n"."protocol", NULL::text)::text COLLATE "C" FROM new_rows AS n);
            END IF;
            IF is_renaming THEN
                EXECUTE "rtp"."rare_latest"('rename') INTO made;
                reported_rows := reported_rows + made;
                EXECUTE "rtp"."rare_latest"('leave lost');
                GET DIAGNOSTICS left_rows = ROW_COUNT;
            END IF;
            FOR pass IN 1..2 LOOP
                IF is_large THEN
                    EXECUTE "rtp"."rare_latest"('judge') INTO made, unseen_rows, older_rows, is_overtaken;
                ELSE
                    WITH touched AS MATERIALIZED (
    SELECT n.*, b.place, b.value AS previous, b.entity IS NULL AS is_unseen, b.rules <> 1 AS is_older,
           -- One positive number has become another, outside the band of today's rule: a deviation. That is nearly every event, and
           -- to know it early spares each two thirds of the arithmetic.
           (b.rules = 1 AND n.value > 0 AND n.value < 'Infinity' AND n.value <> b.value
            AND b.value > 0 AND b.value < 'Infinity') IS TRUE AS is_plain
    FROM (SELECT s.*, CASE WHEN "s"."entity" LIKE 'li%' ESCAPE '!' THEN 5::numeric ELSE 1::numeric END AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", CASE WHEN "s"."entity" LIKE 'new%' ESCAPE '!' THEN true::boolean ELSE false::boolean END AS "emit_first" FROM (SELECT 'ethereum'::text COLLATE "C" AS "chain", rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."usd", NULL::numeric)::numeric AS "value" FROM new_rows AS r WHERE rtp.is_name('ethereum'::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C") AND NOT (rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) > clock_timestamp() + make_interval(secs => 300.0))) AS s) AS n
    LEFT JOIN LATERAL (
        -- By its whole key, for each row. A plain join would leave that to the planner, which knows nothing of a table that was
        -- filled a moment ago, and then reads all baselines of the watch for each row. OFFSET keeps it from making it one.
        SELECT b.ctid AS place, b.entity, b.value, b.lower, b.upper, b.rules
        FROM rtp.baseline AS b
        WHERE b.watch = 1::smallint AND b.chain = "n"."chain" AND b.entity = "n"."entity"
        OFFSET 0
    ) AS b ON true
    WHERE (n.value > b.lower AND n.value < b.upper AND b.rules = 1) IS NOT TRUE
), judged AS MATERIALIZED (
    SELECT t.*, v.reason, CASE WHEN v.reason IS NULL THEN t.previous ELSE t.value END AS reported,
           abs(t.value - t.previous) * 100 AS size, greatest(t.value * t.percent * 0.01, t.min_change) AS reach
    FROM touched AS t
    CROSS JOIN LATERAL (
        SELECT CASE WHEN t.is_plain THEN 'deviation' ELSE rtp.verdict(t.previous, t.value, t.percent, t.min_change) END AS reason
    ) AS v
    WHERE NOT t.is_unseen
), moved AS (
    -- By place, not by key, which would be looked up a second time. Where rtp run has taken a look at an entity meanwhile, that has
    -- left another version of its baseline, elsewhere: then all of the statement is to be judged again.
    UPDATE rtp.baseline AS b
    SET value = j.reported, rules = 1, came_xid = CASE WHEN j.reason IS NULL THEN b.came_xid END,
        reported_at = CASE WHEN j.reason IS NULL THEN b.reported_at ELSE clock_timestamp() END,
        lower = CASE WHEN j.is_plain THEN greatest(j.value - j.reach, 0)
                     ELSE rtp.lower_bound(j.reported, j.percent, j.min_change) END,
        upper = CASE WHEN j.is_plain THEN j.value + j.reach ELSE rtp.upper_bound(j.reported, j.percent, j.min_change) END
    FROM judged AS j
    WHERE b.ctid = j.place AND (j.reason IS NOT NULL OR j.is_older)
    RETURNING 1
), appended AS (
    INSERT INTO rtp.event
        (watch, chain, entity, previous, current, reason, severity, confidence, provenance, changed_at, traceparent, tracestate)
    SELECT 1::smallint, chain, entity, previous, value, reason,
           CASE WHEN NOT is_plain THEN rtp.severity(previous, value, reason, warning, critical)
                WHEN size >= critical * previous THEN 'critical'
                WHEN size >= warning * previous THEN 'warning'
                ELSE 'info' END,
           confidence, provenance, changed_at, (SELECT rtp.traceparent()), (SELECT rtp.tracestate())
    FROM judged WHERE reason IS NOT NULL
    RETURNING 1
)
SELECT (SELECT count(*) FROM appended), count(*) FILTER (WHERE t.is_unseen), count(*) FILTER (WHERE t.is_older),
       (SELECT count(*) FROM (SELECT DISTINCT place FROM judged WHERE reason IS NOT NULL OR is_older) AS to_move)
           > (SELECT count(*) FROM moved)
INTO made, unseen_rows, older_rows, is_overtaken
FROM touched AS t;
                END IF;
                IF is_overtaken THEN
                    RAISE 'somebody else moves baselines' USING ERRCODE = 'RTP01';
                END IF;
                reported_rows := reported_rows + made;
                EXIT WHEN unseen_rows = 0 OR TG_OP = 'INSERT' OR pass = 2;

                -- Rows from before the installation: what they held before this statement is their baseline. Then, again.
                EXECUTE "rtp"."rare_latest"('baselines before');
            END LOOP;
            IF unseen_rows > 0 THEN
                EXECUTE "rtp"."rare_latest"('first sightings') INTO made;
                reported_rows := reported_rows + made;
            END IF;
            PERFORM rtp.note_unusable('latest', TG_OP, unusable.rows, ARRAY[NULL, 'protocol', 'usd']::text[], unusable.held)
        FROM (SELECT count(*) OVER () AS rows, ARRAY[NULL, left(rtp.of_type("r"."protocol", NULL::text)::text, 2001), left(rtp.of_type("r"."usd", NULL::numeric)::text, 2001)]::text[] AS held FROM new_rows AS r WHERE (rtp.is_name('ethereum'::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C")) IS NOT TRUE LIMIT 1) AS unusable;
            IF EXISTS (SELECT FROM new_rows AS r WHERE (rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) > clock_timestamp() + make_interval(secs => 300.0))) THEN
                EXECUTE "rtp"."rare_latest"('note ahead');
            END IF;
        EXCEPTION
        WHEN disk_full OR io_error OR serialization_failure THEN
            RAISE;  -- the event cannot be kept: the writer's transaction fails, rather than commit without it
        WHEN OTHERS THEN
            IF SQLSTATE = 'RTP01' AND attempt < 3 THEN
                reported_rows := NULL;  -- judged again, by what the look has left
            ELSE
                PERFORM rtp.note_error('latest', TG_OP, SQLSTATE, SQLERRM);
                reported_rows := plain_rows;
                left_rows := 0;
            END IF;
        END;
    END LOOP;

    IF reported_rows + left_rows > 0 THEN
        -- What rtp.wake asks first, asked here, spares the call while rtp is awake.
        IF pg_catalog.pg_try_advisory_lock_shared(7500912, 1) THEN
            PERFORM pg_catalog.pg_advisory_unlock_shared(7500912, 1), rtp.wake();
        END IF;
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
END
$rtp$;

-- What the trigger of watch latest seldom runs, by name: texts of their own, as every session must read the whole of a function
-- before it can call it. They are planned anew each time, for as many rows as there are.
CREATE OR REPLACE FUNCTION "rtp"."rare_latest"(what text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $rtp$
BEGIN
    RETURN CASE what
WHEN 'judge' THEN
'WITH touched AS MATERIALIZED (
    SELECT n.*, b.place, b.value AS previous, b.entity IS NULL AS is_unseen, b.rules <> 1 AS is_older,
           -- One positive number has become another, outside the band of today''s rule: a deviation. That is nearly every event, and
           -- to know it early spares each two thirds of the arithmetic.
           (b.rules = 1 AND n.value > 0 AND n.value < ''Infinity'' AND n.value <> b.value
            AND b.value > 0 AND b.value < ''Infinity'') IS TRUE AS is_plain
    FROM (SELECT s.*, CASE WHEN "s"."entity" LIKE ''li%'' ESCAPE ''!'' THEN 5::numeric ELSE 1::numeric END AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", CASE WHEN "s"."entity" LIKE ''new%'' ESCAPE ''!'' THEN true::boolean ELSE false::boolean END AS "emit_first" FROM (SELECT ''ethereum''::text COLLATE "C" AS "chain", rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."usd", NULL::numeric)::numeric AS "value" FROM new_rows AS r WHERE rtp.is_name(''ethereum''::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C") AND NOT (rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) > clock_timestamp() + make_interval(secs => 300.0))) AS s) AS n
    LEFT JOIN (
        -- All of the watch, read once, to be hashed: OFFSET keeps the planner from a look-up per row.
        SELECT b.ctid AS place, b.chain, b.entity, b.value, b.lower, b.upper, b.rules
        FROM rtp.baseline AS b
        WHERE b.watch = 1::smallint
        OFFSET 0
    ) AS b ON b.chain = "n"."chain" AND b.entity = "n"."entity"
    WHERE (n.value > b.lower AND n.value < b.upper AND b.rules = 1) IS NOT TRUE
), judged AS MATERIALIZED (
    SELECT t.*, v.reason, CASE WHEN v.reason IS NULL THEN t.previous ELSE t.value END AS reported,
           abs(t.value - t.previous) * 100 AS size, greatest(t.value * t.percent * 0.01, t.min_change) AS reach
    FROM touched AS t
    CROSS JOIN LATERAL (
        SELECT CASE WHEN t.is_plain THEN ''deviation'' ELSE rtp.verdict(t.previous, t.value, t.percent, t.min_change) END AS reason
    ) AS v
    WHERE NOT t.is_unseen
), moved AS (
    -- By place, not by key, which would be looked up a second time. Where rtp run has taken a look at an entity meanwhile, that has
    -- left another version of its baseline, elsewhere: then all of the statement is to be judged again.
    UPDATE rtp.baseline AS b
    SET value = j.reported, rules = 1, came_xid = CASE WHEN j.reason IS NULL THEN b.came_xid END,
        reported_at = CASE WHEN j.reason IS NULL THEN b.reported_at ELSE clock_timestamp() END,
        lower = CASE WHEN j.is_plain THEN greatest(j.value - j.reach, 0)
                     ELSE rtp.lower_bound(j.reported, j.percent, j.min_change) END,
        upper = CASE WHEN j.is_plain THEN j.value + j.reach ELSE rtp.upper_bound(j.reported, j.percent, j.min_change) END
    FROM judged AS j
    WHERE b.ctid = j.place AND (j.reason IS NOT NULL OR j.is_older)
    RETURNING 1
), appended AS (
    INSERT INTO rtp.event
        (watch, chain, entity, previous, current, reason, severity, confidence, provenance, changed_at, traceparent, tracestate)
    SELECT 1::smallint, chain, entity, previous, value, reason,
           CASE WHEN NOT is_plain THEN rtp.severity(previous, value, reason, warning, critical)
                WHEN size >= critical * previous THEN ''critical''
                WHEN size >= warning * previous THEN ''warning''
                ELSE ''info'' END,
           confidence, provenance, changed_at, (SELECT rtp.traceparent()), (SELECT rtp.tracestate())
    FROM judged WHERE reason IS NOT NULL
    RETURNING 1
)
SELECT (SELECT count(*) FROM appended), count(*) FILTER (WHERE t.is_unseen), count(*) FILTER (WHERE t.is_older),
       (SELECT count(*) FROM (SELECT DISTINCT place FROM judged WHERE reason IS NOT NULL OR is_older) AS to_move)
           > (SELECT count(*) FROM moved)

FROM touched AS t'
WHEN 'baselines before' THEN
'INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, lower, upper)
SELECT 1::smallint, o.chain, o.entity, o.value, clock_timestamp(), 1,
       rtp.lower_bound(o.value, o.percent, o.min_change), rtp.upper_bound(o.value, o.percent, o.min_change)
FROM (SELECT s.*, CASE WHEN "s"."entity" LIKE ''li%'' ESCAPE ''!'' THEN 5::numeric ELSE 1::numeric END AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", CASE WHEN "s"."entity" LIKE ''new%'' ESCAPE ''!'' THEN true::boolean ELSE false::boolean END AS "emit_first" FROM (SELECT ''ethereum''::text COLLATE "C" AS "chain", rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."usd", NULL::numeric)::numeric AS "value" FROM old_rows AS r WHERE rtp.is_name(''ethereum''::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C") AND NOT (rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) > clock_timestamp() + make_interval(secs => 300.0))) AS s) AS o JOIN (SELECT s.*, CASE WHEN "s"."entity" LIKE ''li%'' ESCAPE ''!'' THEN 5::numeric ELSE 1::numeric END AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", CASE WHEN "s"."entity" LIKE ''new%'' ESCAPE ''!'' THEN true::boolean ELSE false::boolean END AS "emit_first" FROM (SELECT ''ethereum''::text COLLATE "C" AS "chain", rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."usd", NULL::numeric)::numeric AS "value" FROM new_rows AS r WHERE rtp.is_name(''ethereum''::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C") AND NOT (rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) > clock_timestamp() + make_interval(secs => 300.0))) AS s) AS n USING (chain, entity)
-- What was written above READ COMMITTED, and waits for rtp run, was never seen: then the row is a first sighting.
WHERE NOT (n.emit_first AND (
    -- Those that wait are read once, and hashed.
    (n.chain, n.entity) IN (
        SELECT s.chain, s.entity FROM rtp.sample AS s
        WHERE s.watch = 1::smallint
          AND s.xid >= (SELECT pg_snapshot_xmin(c.snapshot) FROM rtp.judge_cursor AS c ORDER BY 1 LIMIT 1)
    )
    OR EXISTS (SELECT FROM rtp.look AS l WHERE l.watch = 1::smallint AND l.chain = n.chain AND l.entity = n.entity OFFSET 0)
))
ON CONFLICT DO NOTHING'
WHEN 'rename' THEN
'SELECT rtp.rename(1::smallint, 1 - 1, pg_current_xact_id(), array_agg(former_chain), array_agg(former_entity), array_agg(chain),
                  array_agg(entity), array_agg(confidence), array_agg(provenance), array_agg(changed_at))
FROM (
    SELECT ''ethereum''::text COLLATE "C" AS "former_chain", rtp.of_type("o"."protocol", NULL::text)::text COLLATE "C" AS "former_entity", ''ethereum''::text COLLATE "C" AS "chain", rtp.of_type("n"."protocol", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", rtp.sane_time(rtp.of_type("n"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at"
    FROM (SELECT row_number() OVER () AS "rtp place", t.* FROM old_rows AS t) AS o JOIN (SELECT row_number() OVER () AS "rtp place", t.* FROM new_rows AS t) AS n USING ("rtp place")
    WHERE rtp.is_name(''ethereum''::text COLLATE "C") AND rtp.is_name(rtp.of_type("o"."protocol", NULL::text)::text COLLATE "C") AND rtp.is_name(''ethereum''::text COLLATE "C") AND rtp.is_name(rtp.of_type("n"."protocol", NULL::text)::text COLLATE "C")
      AND (''ethereum''::text COLLATE "C", rtp.of_type("o"."protocol", NULL::text)::text COLLATE "C") IS DISTINCT FROM (''ethereum''::text COLLATE "C", rtp.of_type("n"."protocol", NULL::text)::text COLLATE "C")
      AND (SELECT count(*) FROM old_rows) = (SELECT count(*) FROM new_rows)
) AS pair'
WHEN 'leave lost' THEN
'WITH pair AS MATERIALIZED (
    SELECT ''ethereum''::text COLLATE "C" AS "former_chain", rtp.of_type("o"."protocol", NULL::text)::text COLLATE "C" AS "former_entity", ''ethereum''::text COLLATE "C" AS "chain", rtp.of_type("n"."protocol", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", rtp.sane_time(rtp.of_type("n"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at"
    FROM (SELECT row_number() OVER () AS "rtp place", t.* FROM old_rows AS t) AS o JOIN (SELECT row_number() OVER () AS "rtp place", t.* FROM new_rows AS t) AS n USING ("rtp place")
    WHERE rtp.is_name(''ethereum''::text COLLATE "C") AND rtp.is_name(rtp.of_type("o"."protocol", NULL::text)::text COLLATE "C") AND rtp.is_name(''ethereum''::text COLLATE "C") AND rtp.is_name(rtp.of_type("n"."protocol", NULL::text)::text COLLATE "C")
      AND (''ethereum''::text COLLATE "C", rtp.of_type("o"."protocol", NULL::text)::text COLLATE "C") IS DISTINCT FROM (''ethereum''::text COLLATE "C", rtp.of_type("n"."protocol", NULL::text)::text COLLATE "C")
      AND (SELECT count(*) FROM old_rows) = (SELECT count(*) FROM new_rows)
), marked AS (
UPDATE rtp.baseline AS b SET rules = 1 - 1
FROM (SELECT ''ethereum''::text COLLATE "C", rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C" FROM old_rows AS r WHERE rtp.is_name(''ethereum''::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C") AND NOT EXISTS (SELECT FROM (SELECT ''ethereum''::text COLLATE "C", rtp.of_type("n"."protocol", NULL::text)::text COLLATE "C" FROM new_rows AS n UNION ALL SELECT former_chain, former_entity FROM pair) AS k (chain, entity) WHERE k.chain = ''ethereum''::text COLLATE "C" AND k.entity = rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C")) AS o (chain, entity)
CROSS JOIN LATERAL (
    -- By its whole key, whatever the planner knows of the table, as in lookup.sql.
    SELECT k.ctid FROM rtp.baseline AS k
    WHERE k.watch = 1::smallint AND k.chain = o.chain AND k.entity = o.entity LIMIT 1
) AS known (place)
WHERE b.ctid = known.place AND b.rules = 1
)
INSERT INTO rtp.sample ("watch", "what", "chain", "entity", "confidence", "provenance", "changed_at", "value", "sampled_at")
            SELECT 1::smallint, ''deleted'', ''ethereum''::text COLLATE "C", rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C", 1.0::double precision, NULL::text, NULL::timestamptz, NULL::numeric, clock_timestamp() FROM old_rows AS r WHERE rtp.is_name(''ethereum''::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C") AND NOT EXISTS (SELECT FROM (SELECT ''ethereum''::text COLLATE "C", rtp.of_type("n"."protocol", NULL::text)::text COLLATE "C" FROM new_rows AS n UNION ALL SELECT former_chain, former_entity FROM pair) AS k (chain, entity) WHERE k.chain = ''ethereum''::text COLLATE "C" AND k.entity = rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C")'
WHEN 'mark gone' THEN
'UPDATE rtp.baseline AS b SET rules = 1 - 1
FROM (SELECT ''ethereum''::text COLLATE "C", "r"."protocol"::text COLLATE "C" FROM old_rows AS r WHERE rtp.is_name(''ethereum''::text COLLATE "C") AND rtp.is_name("r"."protocol"::text COLLATE "C")) AS o (chain, entity)
CROSS JOIN LATERAL (
    -- By its whole key, whatever the planner knows of the table, as in lookup.sql.
    SELECT k.ctid FROM rtp.baseline AS k
    WHERE k.watch = 1::smallint AND k.chain = o.chain AND k.entity = o.entity LIMIT 1
) AS known (place)
WHERE b.ctid = known.place AND b.rules = 1'
WHEN 'append INSERT' THEN
'INSERT INTO rtp.sample ("watch", "what", "chain", "entity", "confidence", "provenance", "changed_at", "value", "sampled_at")
            SELECT 1::smallint, ''sample'', ''ethereum''::text COLLATE "C", "r"."protocol"::text COLLATE "C", 1.0::double precision, NULL::text, rtp.sane_time("r"."at"::timestamptz), "r"."usd"::numeric, clock_timestamp() FROM new_rows AS r WHERE (rtp.is_name(''ethereum''::text COLLATE "C") AND rtp.is_name("r"."protocol"::text COLLATE "C") OR rtp.skip(''latest'', ARRAY[NULL, ''protocol'', ''usd'']::text[], ARRAY[NULL, left("r"."protocol"::text, 2001), left("r"."usd"::text, 2001)]::text[]))'
WHEN 'append UPDATE' THEN
'-- Where a name that the statement gives was another of its rows'', whoever had it steps aside first.
WITH pair AS MATERIALIZED (
    SELECT ''ethereum''::text COLLATE "C" AS "former_chain", "o"."protocol"::text COLLATE "C" AS "former_entity", ''ethereum''::text COLLATE "C" AS "chain", "n"."protocol"::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", rtp.sane_time("n"."at"::timestamptz) AS "changed_at"
    FROM (SELECT row_number() OVER () AS "rtp place", t.* FROM old_rows AS t) AS o JOIN (SELECT row_number() OVER () AS "rtp place", t.* FROM new_rows AS t) AS n USING ("rtp place")
    WHERE rtp.is_name(''ethereum''::text COLLATE "C") AND rtp.is_name("o"."protocol"::text COLLATE "C") AND rtp.is_name(''ethereum''::text COLLATE "C") AND rtp.is_name("n"."protocol"::text COLLATE "C")
      AND (''ethereum''::text COLLATE "C", "o"."protocol"::text COLLATE "C") IS DISTINCT FROM (''ethereum''::text COLLATE "C", "n"."protocol"::text COLLATE "C")
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
SELECT 1::smallint, ''sample'', ''ethereum''::text COLLATE "C", "r"."protocol"::text COLLATE "C", 1.0::double precision, NULL::text, rtp.sane_time("r"."at"::timestamptz), "r"."usd"::numeric, clock_timestamp(), NULL::text, NULL::text FROM new_rows AS r WHERE (rtp.is_name(''ethereum''::text COLLATE "C") AND rtp.is_name("r"."protocol"::text COLLATE "C") OR rtp.skip(''latest'', ARRAY[NULL, ''protocol'', ''usd'']::text[], ARRAY[NULL, left("r"."protocol"::text, 2001), left("r"."usd"::text, 2001)]::text[]))
UNION ALL
SELECT 1::smallint, ''deleted'', ''ethereum''::text COLLATE "C", "r"."protocol"::text COLLATE "C", 1.0::double precision, NULL::text, NULL::timestamptz, NULL::numeric, clock_timestamp(), NULL::text, NULL::text FROM old_rows AS r WHERE rtp.is_name(''ethereum''::text COLLATE "C") AND rtp.is_name("r"."protocol"::text COLLATE "C") AND NOT EXISTS (SELECT FROM (SELECT ''ethereum''::text COLLATE "C", "n"."protocol"::text COLLATE "C" FROM new_rows AS n UNION ALL SELECT former_chain, former_entity FROM pair) AS k (chain, entity) WHERE k.chain = ''ethereum''::text COLLATE "C" AND k.entity = "r"."protocol"::text COLLATE "C")'
WHEN 'append DELETE' THEN
'INSERT INTO rtp.sample ("watch", "what", "chain", "entity", "confidence", "provenance", "changed_at", "value", "sampled_at")
            SELECT 1::smallint, ''deleted'', ''ethereum''::text COLLATE "C", "r"."protocol"::text COLLATE "C", 1.0::double precision, NULL::text, NULL::timestamptz, NULL::numeric, clock_timestamp() FROM old_rows AS r WHERE rtp.is_name(''ethereum''::text COLLATE "C") AND rtp.is_name("r"."protocol"::text COLLATE "C")'
WHEN 'append TRUNCATE' THEN
'INSERT INTO rtp.sample ("watch", "what", "chain", "entity", "confidence", "provenance", "changed_at", "value", "sampled_at")
            SELECT 1::smallint, ''deleted'', ''ethereum''::text COLLATE "C", "r"."protocol"::text COLLATE "C", 1.0::double precision, NULL::text, NULL::timestamptz, NULL::numeric, clock_timestamp() FROM old_rows AS r WHERE rtp.is_name(''ethereum''::text COLLATE "C") AND rtp.is_name("r"."protocol"::text COLLATE "C")'
WHEN 'first sightings' THEN
'WITH first AS (
    INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, lower, upper, came_xid)
    SELECT 1::smallint, n.chain, n.entity, n.value, clock_timestamp(), 1,
           rtp.lower_bound(n.value, n.percent, n.min_change), rtp.upper_bound(n.value, n.percent, n.min_change),
           CASE WHEN NOT n.emit_first THEN pg_current_xact_id() END
    FROM (SELECT s.*, CASE WHEN "s"."entity" LIKE ''li%'' ESCAPE ''!'' THEN 5::numeric ELSE 1::numeric END AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", CASE WHEN "s"."entity" LIKE ''new%'' ESCAPE ''!'' THEN true::boolean ELSE false::boolean END AS "emit_first" FROM (SELECT ''ethereum''::text COLLATE "C" AS "chain", rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."usd", NULL::numeric)::numeric AS "value" FROM new_rows AS r WHERE rtp.is_name(''ethereum''::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C") AND NOT (rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) > clock_timestamp() + make_interval(secs => 300.0))) AS s) AS n
    ON CONFLICT DO NOTHING
    RETURNING chain, entity
), appended AS (
    INSERT INTO rtp.event (watch, chain, entity, current, reason, confidence, provenance, changed_at)
    SELECT 1::smallint, n.chain, n.entity, n.value, ''first_seen'', n.confidence, n.provenance, n.changed_at
    FROM first JOIN (SELECT s.*, CASE WHEN "s"."entity" LIKE ''li%'' ESCAPE ''!'' THEN 5::numeric ELSE 1::numeric END AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", CASE WHEN "s"."entity" LIKE ''new%'' ESCAPE ''!'' THEN true::boolean ELSE false::boolean END AS "emit_first" FROM (SELECT ''ethereum''::text COLLATE "C" AS "chain", rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."usd", NULL::numeric)::numeric AS "value" FROM new_rows AS r WHERE rtp.is_name(''ethereum''::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C") AND NOT (rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) > clock_timestamp() + make_interval(secs => 300.0))) AS s) AS n USING (chain, entity)
    WHERE n.emit_first
    RETURNING 1
)
SELECT count(*) FROM appended'
WHEN 'note ahead' THEN
'INSERT INTO rtp.set_aside (watch, why, chain, entity, value, at, weight)
SELECT 1::smallint, ''future'', n.chain, n.entity, n.value, n.changed_at, n.rows * line.weight
FROM (
    SELECT DISTINCT ON (n.chain, n.entity) n.*, count(*) OVER (PARTITION BY n.chain, n.entity) AS rows
    FROM (SELECT s.*, CASE WHEN "s"."entity" LIKE ''li%'' ESCAPE ''!'' THEN 5::numeric ELSE 1::numeric END AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", CASE WHEN "s"."entity" LIKE ''new%'' ESCAPE ''!'' THEN true::boolean ELSE false::boolean END AS "emit_first" FROM (SELECT ''ethereum''::text COLLATE "C" AS "chain", rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."usd", NULL::numeric)::numeric AS "value" FROM new_rows AS r WHERE rtp.is_name(''ethereum''::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C") AND (rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) > clock_timestamp() + make_interval(secs => 300.0))) AS s) AS n
    ORDER BY n.chain, n.entity, n.changed_at DESC
) AS n
CROSS JOIN rtp.set_aside_line() AS line (weight)'
    END;
END
$rtp$;

-- What the table of watch latest holds for these entities now; nothing for those that have no row.
CREATE OR REPLACE FUNCTION "rtp"."now_latest"(chains text[], entities text[])
RETURNS TABLE (chain text, entity text, value numeric, is_usable boolean, confidence double precision, provenance text, changed_at timestamptz)
LANGUAGE sql STABLE
AS $rtp$
    SELECT e.chain, e.entity, rtp.of_type("r"."usd", NULL::numeric)::numeric, rtp.is_name('ethereum'::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C") AND NOT (rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) > clock_timestamp() + make_interval(secs => 300.0)), 1.0::double precision, NULL::text, rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz)
    FROM unnest($1, $2) AS e (chain, entity) JOIN "public"."tvl" AS r ON 'ethereum'::text COLLATE "C" = "e"."chain" AND rtp.of_type("r"."protocol", NULL::text) = "e"."entity" AND rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C" = "e"."entity"
$rtp$;

-- What the table of watch latest holds for one entity now.
CREATE OR REPLACE FUNCTION "rtp"."now_latest"(chain text, entity text)
RETURNS SETOF numeric
LANGUAGE sql STABLE
AS $rtp$
    SELECT n.value FROM (SELECT s.*, CASE WHEN "s"."entity" LIKE 'li%' ESCAPE '!' THEN 5::numeric ELSE 1::numeric END AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", CASE WHEN "s"."entity" LIKE 'new%' ESCAPE '!' THEN true::boolean ELSE false::boolean END AS "emit_first" FROM (SELECT 'ethereum'::text COLLATE "C" AS "chain", rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."usd", NULL::numeric)::numeric AS "value", clock_timestamp() AS "sampled_at" FROM "public"."tvl" AS r WHERE rtp.is_name('ethereum'::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C")) AS s) AS n
    WHERE n.chain = $1 AND n.entity = $2
    ORDER BY n.changed_at DESC LIMIT 1
$rtp$;

CREATE OR REPLACE TRIGGER "rtp_latest_insert" AFTER INSERT ON "public"."tvl" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_latest"();

CREATE OR REPLACE TRIGGER "rtp_latest_update" AFTER UPDATE ON "public"."tvl" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_latest"();

CREATE OR REPLACE TRIGGER "rtp_latest_delete" AFTER DELETE ON "public"."tvl" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_latest"();

CREATE OR REPLACE TRIGGER "rtp_latest_before_truncate" BEFORE TRUNCATE ON "public"."tvl"  FOR EACH STATEMENT EXECUTE FUNCTION "rtp"."watch_latest"();

-- What the table holds at installation is the first baseline: the first change after it is judged like any other.
INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, lower, upper)
SELECT 1::smallint, n.chain, n.entity, n.value, clock_timestamp(), 1,
       rtp.lower_bound(n.value, n.percent, n.min_change), rtp.upper_bound(n.value, n.percent, n.min_change)
FROM (SELECT s.*, CASE WHEN "s"."entity" LIKE 'li%' ESCAPE '!' THEN 5::numeric ELSE 1::numeric END AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", CASE WHEN "s"."entity" LIKE 'new%' ESCAPE '!' THEN true::boolean ELSE false::boolean END AS "emit_first" FROM (SELECT 'ethereum'::text COLLATE "C" AS "chain", rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."usd", NULL::numeric)::numeric AS "value", clock_timestamp() AS "sampled_at" FROM "public"."tvl" AS r WHERE rtp.is_name('ethereum'::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C") AND NOT (rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) > clock_timestamp() + make_interval(secs => 300.0))) AS s) AS n
ON CONFLICT DO NOTHING;

INSERT INTO rtp.set_aside (watch, why, chain, entity, value, at, weight)
SELECT 1::smallint, 'future', n.chain, n.entity, n.value, n.changed_at, n.rows * line.weight
FROM (
    SELECT DISTINCT ON (n.chain, n.entity) n.*, count(*) OVER (PARTITION BY n.chain, n.entity) AS rows
    FROM (SELECT s.*, CASE WHEN "s"."entity" LIKE 'li%' ESCAPE '!' THEN 5::numeric ELSE 1::numeric END AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", CASE WHEN "s"."entity" LIKE 'new%' ESCAPE '!' THEN true::boolean ELSE false::boolean END AS "emit_first" FROM (SELECT 'ethereum'::text COLLATE "C" AS "chain", rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."usd", NULL::numeric)::numeric AS "value" FROM "public"."tvl" AS r WHERE rtp.is_name('ethereum'::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C") AND (rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) > clock_timestamp() + make_interval(secs => 300.0))) AS s) AS n
    ORDER BY n.chain, n.entity, n.changed_at DESC
) AS n
CROSS JOIN rtp.set_aside_line() AS line (weight);

-- rtp run is to look at these entities. Of those that the table has not, no sample tells when they went: they are gone as of now.
INSERT INTO rtp.look (watch, chain, entity, waits_for, gone_at)
SELECT DISTINCT 1::smallint, e.chain, e.entity, '{}'::xid8[], now() FROM (SELECT b.chain, b.entity FROM rtp.baseline AS b WHERE b.watch = 1::smallint AND NOT EXISTS (SELECT FROM "public"."tvl" AS r WHERE 'ethereum'::text COLLATE "C" = "b"."chain" AND rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C" = "b"."entity")) AS e (chain, entity)
ON CONFLICT DO NOTHING;

WITH touched AS MATERIALIZED (
    SELECT n.*, b.place, b.value AS previous, b.entity IS NULL AS is_unseen, b.rules <> 1 AS is_older,
           -- One positive number has become another, outside the band of today's rule: a deviation. That is nearly every event, and
           -- to know it early spares each two thirds of the arithmetic.
           (b.rules = 1 AND n.value > 0 AND n.value < 'Infinity' AND n.value <> b.value
            AND b.value > 0 AND b.value < 'Infinity') IS TRUE AS is_plain
    FROM (SELECT s.*, CASE WHEN "s"."entity" LIKE 'li%' ESCAPE '!' THEN 5::numeric ELSE 1::numeric END AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", CASE WHEN "s"."entity" LIKE 'new%' ESCAPE '!' THEN true::boolean ELSE false::boolean END AS "emit_first" FROM (SELECT 'ethereum'::text COLLATE "C" AS "chain", rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."usd", NULL::numeric)::numeric AS "value" FROM "public"."tvl" AS r WHERE rtp.is_name('ethereum'::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C") AND NOT (rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) > clock_timestamp() + make_interval(secs => 300.0))) AS s) AS n
    LEFT JOIN (
        -- All of the watch, read once, to be hashed: OFFSET keeps the planner from a look-up per row.
        SELECT b.ctid AS place, b.chain, b.entity, b.value, b.lower, b.upper, b.rules
        FROM rtp.baseline AS b
        WHERE b.watch = 1::smallint
        OFFSET 0
    ) AS b ON b.chain = "n"."chain" AND b.entity = "n"."entity"
    WHERE (n.value > b.lower AND n.value < b.upper AND b.rules = 1) IS NOT TRUE
), judged AS MATERIALIZED (
    SELECT t.*, v.reason, CASE WHEN v.reason IS NULL THEN t.previous ELSE t.value END AS reported,
           abs(t.value - t.previous) * 100 AS size, greatest(t.value * t.percent * 0.01, t.min_change) AS reach
    FROM touched AS t
    CROSS JOIN LATERAL (
        SELECT CASE WHEN t.is_plain THEN 'deviation' ELSE rtp.verdict(t.previous, t.value, t.percent, t.min_change) END AS reason
    ) AS v
    WHERE NOT t.is_unseen
), moved AS (
    -- By place, not by key, which would be looked up a second time. Where rtp run has taken a look at an entity meanwhile, that has
    -- left another version of its baseline, elsewhere: then all of the statement is to be judged again.
    UPDATE rtp.baseline AS b
    SET value = j.reported, rules = 1, came_xid = CASE WHEN j.reason IS NULL THEN b.came_xid END,
        reported_at = CASE WHEN j.reason IS NULL THEN b.reported_at ELSE clock_timestamp() END,
        lower = CASE WHEN j.is_plain THEN greatest(j.value - j.reach, 0)
                     ELSE rtp.lower_bound(j.reported, j.percent, j.min_change) END,
        upper = CASE WHEN j.is_plain THEN j.value + j.reach ELSE rtp.upper_bound(j.reported, j.percent, j.min_change) END
    FROM judged AS j
    WHERE b.ctid = j.place AND (j.reason IS NOT NULL OR j.is_older)
    RETURNING 1
), appended AS (
    INSERT INTO rtp.event
        (watch, chain, entity, previous, current, reason, severity, confidence, provenance, changed_at, traceparent, tracestate)
    SELECT 1::smallint, chain, entity, previous, value, reason,
           CASE WHEN NOT is_plain THEN rtp.severity(previous, value, reason, warning, critical)
                WHEN size >= critical * previous THEN 'critical'
                WHEN size >= warning * previous THEN 'warning'
                ELSE 'info' END,
           confidence, provenance, changed_at, (SELECT rtp.traceparent()), (SELECT rtp.tracestate())
    FROM judged WHERE reason IS NOT NULL
    RETURNING 1
)
SELECT (SELECT count(*) FROM appended), count(*) FILTER (WHERE t.is_unseen), count(*) FILTER (WHERE t.is_older),
       (SELECT count(*) FROM (SELECT DISTINCT place FROM judged WHERE reason IS NOT NULL OR is_older) AS to_move)
           > (SELECT count(*) FROM moved)

FROM touched AS t;

WITH first AS (
    INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, lower, upper, came_xid)
    SELECT 1::smallint, n.chain, n.entity, n.value, clock_timestamp(), 1,
           rtp.lower_bound(n.value, n.percent, n.min_change), rtp.upper_bound(n.value, n.percent, n.min_change),
           CASE WHEN NOT n.emit_first THEN pg_current_xact_id() END
    FROM (SELECT s.*, CASE WHEN "s"."entity" LIKE 'li%' ESCAPE '!' THEN 5::numeric ELSE 1::numeric END AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", CASE WHEN "s"."entity" LIKE 'new%' ESCAPE '!' THEN true::boolean ELSE false::boolean END AS "emit_first" FROM (SELECT 'ethereum'::text COLLATE "C" AS "chain", rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."usd", NULL::numeric)::numeric AS "value" FROM "public"."tvl" AS r WHERE rtp.is_name('ethereum'::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C") AND NOT (rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) > clock_timestamp() + make_interval(secs => 300.0))) AS s) AS n
    ON CONFLICT DO NOTHING
    RETURNING chain, entity
), appended AS (
    INSERT INTO rtp.event (watch, chain, entity, current, reason, confidence, provenance, changed_at)
    SELECT 1::smallint, n.chain, n.entity, n.value, 'first_seen', n.confidence, n.provenance, n.changed_at
    FROM first JOIN (SELECT s.*, CASE WHEN "s"."entity" LIKE 'li%' ESCAPE '!' THEN 5::numeric ELSE 1::numeric END AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", CASE WHEN "s"."entity" LIKE 'new%' ESCAPE '!' THEN true::boolean ELSE false::boolean END AS "emit_first" FROM (SELECT 'ethereum'::text COLLATE "C" AS "chain", rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."usd", NULL::numeric)::numeric AS "value" FROM "public"."tvl" AS r WHERE rtp.is_name('ethereum'::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C") AND NOT (rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) > clock_timestamp() + make_interval(secs => 300.0))) AS s) AS n USING (chain, entity)
    WHERE n.emit_first
    RETURNING 1
)
SELECT count(*) FROM appended;

INSERT INTO rtp.set_aside (watch, why, chain, entity, value, at, weight)
SELECT 1::smallint, 'future', n.chain, n.entity, n.value, n.changed_at, n.rows * line.weight
FROM (
    SELECT DISTINCT ON (n.chain, n.entity) n.*, count(*) OVER (PARTITION BY n.chain, n.entity) AS rows
    FROM (SELECT s.*, CASE WHEN "s"."entity" LIKE 'li%' ESCAPE '!' THEN 5::numeric ELSE 1::numeric END AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", CASE WHEN "s"."entity" LIKE 'new%' ESCAPE '!' THEN true::boolean ELSE false::boolean END AS "emit_first" FROM (SELECT 'ethereum'::text COLLATE "C" AS "chain", rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C" AS "entity", 1.0::double precision AS "confidence", NULL::text AS "provenance", rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) AS "changed_at", rtp.of_type("r"."usd", NULL::numeric)::numeric AS "value" FROM "public"."tvl" AS r WHERE rtp.is_name('ethereum'::text COLLATE "C") AND rtp.is_name(rtp.of_type("r"."protocol", NULL::text)::text COLLATE "C") AND (rtp.sane_time(rtp.of_type("r"."at", NULL::timestamp with time zone)::timestamptz) > clock_timestamp() + make_interval(secs => 300.0))) AS s) AS n
    ORDER BY n.chain, n.entity, n.changed_at DESC
) AS n
CROSS JOIN rtp.set_aside_line() AS line (weight);

UPDATE rtp.watch
SET table_oid = '"public"."tvl"'::regclass, noted_in = tableoid, triggers = '{rtp_latest_insert,rtp_latest_update,rtp_latest_delete,rtp_latest_before_truncate}'::text[], column_types = '{"at": "timestamp with time zone", "protocol": "text", "usd": "numeric"}'::jsonb,
    installed_at = clock_timestamp(), source_md5 = (SELECT md5(prosrc) FROM pg_proc WHERE oid = '"rtp"."watch_latest"()'::regprocedure)
WHERE id = 1;
