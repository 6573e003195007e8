-- The demo's tables and rtp's schema as version 1 had installed them: a dump, to upgrade from. Not to be changed.

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

CREATE SCHEMA rtp;

COMMENT ON SCHEMA rtp IS 'rtp: log, baselines and cursors of the real-time event processor';

CREATE TYPE rtp.rule AS (
	percent numeric,
	min_change numeric,
	heartbeat interval,
	cooldown interval,
	emit_first boolean,
	warning numeric,
	critical numeric,
	glitch_factor numeric,
	glitch_confirmations integer,
	glitch_release interval,
	peg numeric,
	peg_bps numeric
);

SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE TABLE rtp.sample (
    id bigint NOT NULL,
    watch smallint NOT NULL,
    chain text NOT NULL COLLATE pg_catalog."C",
    entity text NOT NULL COLLATE pg_catalog."C",
    what text DEFAULT 'sample'::text NOT NULL,
    value numeric,
    sampled_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    confidence double precision NOT NULL,
    provenance text,
    recheck_after xid8
);

CREATE FUNCTION rtp.append(sample rtp.sample, previous numeric, current numeric, reason text, severity text, duration interval) RETURNS void
    LANGUAGE sql
    AS $$
    INSERT INTO rtp.event (watch, chain, entity, previous, current, reason, severity, duration, confidence, provenance, changed_at)
    VALUES (sample.watch, sample.chain, sample.entity, previous, current, reason, severity, duration,
            sample.confidence, sample.provenance, sample.changed_at)
$$;

CREATE TABLE rtp.baseline (
    watch smallint NOT NULL,
    chain text NOT NULL COLLATE pg_catalog."C",
    entity text NOT NULL COLLATE pg_catalog."C",
    value numeric,
    reported_at timestamp with time zone NOT NULL,
    rules integer NOT NULL,
    lower numeric,
    upper numeric,
    last_value numeric,
    sampled_at timestamp with time zone,
    is_held boolean DEFAULT false NOT NULL,
    suspect_value numeric,
    suspect_since timestamp with time zone,
    suspect_count integer DEFAULT 0 NOT NULL,
    off_peg_since timestamp with time zone,
    due_at timestamp with time zone
)
WITH (fillfactor='70');

CREATE FUNCTION rtp.first_baseline(sample rtp.sample, rule rtp.rule, rules integer, by_previous_row boolean) RETURNS rtp.baseline
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
    state rtp.baseline;
BEGIN
    state.watch := sample.watch;
    state.chain := sample.chain;
    state.entity := sample.entity;
    state.value := sample.value;
    state.reported_at := sample.sampled_at;
    state.last_value := sample.value;
    state.sampled_at := sample.sampled_at;
    state.is_held := false;
    state.suspect_count := 0;
    RETURN rtp.with_band(state, rule, rules, by_previous_row);
END
$$;

CREATE FUNCTION rtp.forget(of_watch smallint, chains text[], entities text[], with_confidence double precision, with_provenance text) RETURNS bigint
    LANGUAGE sql
    AS $$
    WITH gone AS (
        DELETE FROM rtp.baseline AS b
        USING unnest(chains, entities) AS e (chain, entity)
        WHERE b.watch = of_watch AND b.chain = e.chain AND b.entity = e.entity
        RETURNING b.chain, b.entity, b.value
    ), appended AS (
        INSERT INTO rtp.event (watch, chain, entity, previous, reason, severity, confidence, provenance, changed_at)
        SELECT of_watch, chain, entity, value, 'deleted', 'warning', with_confidence, with_provenance, statement_timestamp()
        FROM gone ORDER BY chain, entity
        RETURNING 1
    )
    SELECT count(*) FROM appended
$$;

CREATE FUNCTION rtp.forget_all(of_watch smallint, with_confidence double precision, with_provenance text) RETURNS bigint
    LANGUAGE sql
    AS $$
    SELECT rtp.forget(of_watch, array_agg(b.chain), array_agg(b.entity), with_confidence, with_provenance)
    FROM rtp.baseline AS b WHERE b.watch = of_watch
$$;

CREATE FUNCTION rtp.is_name(name text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT name <> '' AND octet_length(name) <= 500
$$;

CREATE FUNCTION rtp.is_number(value text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $_$
    SELECT value IS NULL
        OR value ~* '^\s*[-+]?((\d{1,1000}(\.\d{0,1000})?|\.\d{1,1000})(e[-+]?\d{1,3})?|nan|inf(inity)?)\s*$'
$_$;

CREATE FUNCTION rtp.is_only_judge() RETURNS boolean
    LANGUAGE sql
    AS $$
    SELECT pg_try_advisory_xact_lock(7500912, 4)
$$;

CREATE FUNCTION rtp.judge(before rtp.baseline, what text, value numeric, at timestamp with time zone, rule rtp.rule, rules integer, by_previous_row boolean, OUT after rtp.baseline, OUT reason text, OUT severity text, OUT duration interval, OUT guard text) RETURNS record
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
    is_off  boolean;
    is_jump boolean;
    silence interval := at - before.reported_at;
BEGIN
    after := before;

    -- 3. Glitch guard.
    IF what = 'sample' AND (rule.glitch_factor IS NOT NULL OR before.suspect_since IS NOT NULL) THEN
        is_jump := coalesce(
            abs(value) < 'Infinity' AND abs(before.value) < 'Infinity' AND before.value <> 0
            AND abs(value) > rule.glitch_factor * abs(before.value), false);
        IF NOT is_jump THEN
            guard := CASE WHEN before.suspect_since IS NOT NULL THEN 'dismissed' END;
        ELSE
            after.suspect_count := CASE WHEN before.suspect_since IS NULL THEN 0 ELSE before.suspect_count + 1 END;
            IF after.suspect_count >= rule.glitch_confirmations OR at - before.suspect_since >= rule.glitch_release THEN
                guard := 'confirmed';
            ELSE
                guard := 'quarantined';
                after.suspect_value := value;
                after.suspect_since := coalesce(before.suspect_since, at);
                after := rtp.with_band(after, rule, rules, by_previous_row);
                RETURN;
            END IF;
        END IF;
    ELSIF what = 'released' THEN
        guard := 'released';
    END IF;
    IF what <> 'tick' THEN
        after.suspect_value := NULL;
        after.suspect_since := NULL;
        after.suspect_count := 0;
    END IF;
    after.last_value := value;

    -- 4. Peg.
    IF what <> 'tick' AND rule.peg IS NOT NULL AND abs(value) < 'Infinity' THEN
        is_off := abs(value - rule.peg) * 10000 >= rule.peg_bps * rule.peg;
        IF is_off AND before.off_peg_since IS NULL THEN
            reason := 'depeg';
            after.off_peg_since := at;
        ELSIF NOT is_off AND before.off_peg_since IS NOT NULL THEN
            reason := 'repeg';
            duration := greatest(at - before.off_peg_since, interval '0');
            after.off_peg_since := NULL;
        END IF;
    END IF;

    -- 5. Verdict, 6. heartbeat, 7. cooldown.
    IF reason IS NULL THEN
        reason := rtp.verdict(before.value, value, rule.percent, rule.min_change);
        IF reason IS NULL AND silence >= rule.heartbeat THEN
            reason := 'heartbeat';
        END IF;
        after.is_held := coalesce(reason IN ('deviation', 'heartbeat') AND silence < rule.cooldown, false);
        IF after.is_held THEN
            reason := NULL;
            after := rtp.with_band(after, rule, rules, by_previous_row);
            RETURN;
        END IF;
    END IF;
    after.is_held := false;
    IF reason IS NOT NULL THEN
        severity := rtp.severity(before.value, value, reason, rule.warning, rule.critical);
        after.reported_at := at;
    END IF;
    IF reason IS NOT NULL OR by_previous_row THEN
        after.value := value;
    END IF;
    after := rtp.with_band(after, rule, rules, by_previous_row);
END
$$;

CREATE FUNCTION rtp.judge_entities(max_samples integer, max_samples_per_entity integer, is_careful boolean, OUT judged integer, OUT events integer, OUT has_more boolean) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE
    all_ended_below xid8 := pg_snapshot_xmin(pg_current_snapshot());
    locked_watches  smallint[] := '{}';
    waiting         record;
    made            record;
BEGIN
    judged := 0;
    events := 0;
    has_more := false;
    FOR waiting IN
        -- Every entity once, by hopping along the index: one with very many samples must not be read to its end.
        WITH RECURSIVE entity AS (
            (SELECT s.watch, s.chain, s.entity FROM rtp.sample AS s ORDER BY s.watch, s.chain, s.entity LIMIT 1)
            UNION ALL
            SELECT further.* FROM entity AS e CROSS JOIN LATERAL (
                SELECT s.watch, s.chain, s.entity FROM rtp.sample AS s
                WHERE (s.watch, s.chain, s.entity) > (e.watch, e.chain, e.entity)
                ORDER BY s.watch, s.chain, s.entity LIMIT 1
            ) AS further
        )
        SELECT e.watch, e.chain, e.entity, w.name
        FROM entity AS e JOIN rtp.watch AS w ON w.id = e.watch AND w.removed_at IS NULL
        WHERE EXISTS (
            SELECT FROM rtp.sample AS s
            WHERE s.watch = e.watch AND s.chain = e.chain AND s.entity = e.entity
              AND (s.recheck_after IS NULL OR s.recheck_after < all_ended_below)
        )
    LOOP
        EXIT WHEN judged >= max_samples;
        CONTINUE WHEN waiting.watch = ANY (locked_watches);
        IF is_careful THEN
            BEGIN
                made := rtp.judge_entity(
                    waiting.watch, waiting.chain, waiting.entity, waiting.name, max_samples_per_entity, is_careful);
            EXCEPTION
                WHEN lock_not_available THEN
                    locked_watches := locked_watches || waiting.watch;
                    CONTINUE;
                WHEN OTHERS THEN
                    -- Something is broken, not the data: the samples stay until it is mended.
                    PERFORM rtp.note_stuck(waiting.name, SQLSTATE, SQLERRM);
                    CONTINUE;
            END;
        ELSE
            made := rtp.judge_entity(
                waiting.watch, waiting.chain, waiting.entity, waiting.name, max_samples_per_entity, is_careful);
        END IF;
        judged := judged + made.judged;
        events := events + made.events;
        has_more := has_more OR made.judged >= max_samples_per_entity;
    END LOOP;
    has_more := has_more OR judged >= max_samples;
END
$$;

CREATE FUNCTION rtp.judge_entity(of_watch smallint, of_chain text, of_entity text, watch_name text, max_samples integer, is_careful boolean, OUT judged integer, OUT events integer) RETURNS record
    LANGUAGE plpgsql
    AS $_$
DECLARE
    sample rtp.sample;
    terms  record;
BEGIN
    judged := 0;
    events := 0;
    PERFORM FROM rtp.baseline AS b
    WHERE b.watch = of_watch AND b.chain = of_chain AND b.entity = of_entity
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND AND EXISTS (
        SELECT FROM rtp.baseline AS b WHERE b.watch = of_watch AND b.chain = of_chain AND b.entity = of_entity
    ) THEN
        RETURN;
    END IF;

    -- The watch's compiled half: its rule for this entity, and its shape.
    EXECUTE format('SELECT * FROM rtp.%I($1, $2)', 'terms_' || watch_name) INTO terms USING of_chain, of_entity;
    FOR sample IN
        SELECT s.* FROM rtp.sample AS s
        WHERE s.watch = of_watch AND s.chain = of_chain AND s.entity = of_entity AND (s.what <> 'tick' OR terms.is_history)
        ORDER BY s.sampled_at, s.id LIMIT max_samples
    LOOP
        events := events + rtp.judge_one(sample, watch_name, terms.rule, terms.rules, terms.is_history,
                                         terms.by_previous_row, is_careful);
        judged := judged + 1;
    END LOOP;
    IF terms.is_history OR judged >= max_samples THEN
        RETURN;
    END IF;
    FOR sample IN
        SELECT s.* FROM rtp.sample AS s
        WHERE s.watch = of_watch AND s.chain = of_chain AND s.entity = of_entity AND s.what = 'tick'
          AND (s.recheck_after IS NULL OR s.recheck_after < pg_snapshot_xmin(pg_current_snapshot()))
        ORDER BY s.id
    LOOP
        events := events + rtp.judge_one(sample, watch_name, terms.rule, terms.rules, terms.is_history,
                                         terms.by_previous_row, is_careful);
        judged := judged + 1;
    END LOOP;
END
$_$;

CREATE FUNCTION rtp.judge_one(sample rtp.sample, watch_name text, rule rtp.rule, rules integer, is_history boolean, by_previous_row boolean, is_careful boolean) RETURNS integer
    LANGUAGE plpgsql
    AS $$
DECLARE
    state rtp.baseline;
BEGIN
    IF is_careful THEN
        BEGIN
            RETURN rtp.judge_one(sample, watch_name, rule, rules, is_history, by_previous_row, false);
        EXCEPTION
            WHEN lock_not_available THEN
                RAISE;
            WHEN OTHERS THEN
                IF sample.what = 'tick' THEN
                    PERFORM rtp.postpone_tick(sample);
                ELSIF SQLSTATE LIKE '22%' THEN
                    DELETE FROM rtp.sample AS s WHERE s.id = sample.id;
                ELSE
                    RAISE;
                END IF;
                PERFORM rtp.note_error(watch_name, 'JUDGE', SQLSTATE, SQLERRM);
                RETURN 0;
        END;
    END IF;
    SELECT b.* INTO state FROM rtp.baseline AS b
    WHERE b.watch = sample.watch AND b.chain = sample.chain AND b.entity = sample.entity;
    IF sample.what = 'tick' THEN
        RETURN rtp.take_tick(sample, state, watch_name, rule, rules, is_history, by_previous_row);
    END IF;
    DELETE FROM rtp.sample AS s WHERE s.id = sample.id;
    RETURN rtp.take(sample, state, sample.what, rule, rules, is_history, by_previous_row);
END
$$;

CREATE FUNCTION rtp.judge_waiting(max_samples integer, max_samples_per_entity integer, OUT judged integer, OUT events integer, OUT has_more boolean) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '50ms'
    AS $$
BEGIN
    IF NOT rtp.is_only_judge() THEN
        judged := 0;
        events := 0;
        has_more := false;
        RETURN;
    END IF;
    BEGIN
        SELECT j.* INTO judged, events, has_more FROM rtp.judge_entities(max_samples, max_samples_per_entity, false) AS j;
    EXCEPTION WHEN OTHERS THEN
        -- Once more, with a savepoint around each entity and sample, so that one that fails holds up no other. Not at once like
        -- this: each savepoint takes a transaction id, and more than 64 of them slow every snapshot in the database.
        SELECT j.* INTO judged, events, has_more FROM rtp.judge_entities(max_samples, max_samples_per_entity, true) AS j;
    END;
END
$$;

CREATE FUNCTION rtp.later(moment timestamp with time zone, pause interval) RETURNS timestamp with time zone
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT moment + make_interval(secs => extract(epoch FROM pause)::double precision)
$$;

CREATE FUNCTION rtp.leave(sample rtp.sample) RETURNS void
    LANGUAGE sql
    AS $$
    INSERT INTO rtp.sample (watch, chain, entity, what, value, sampled_at, changed_at, confidence, provenance)
    VALUES (sample.watch, sample.chain, sample.entity, sample.what, sample.value, sample.sampled_at,
             sample.changed_at, sample.confidence, sample.provenance)
$$;

CREATE FUNCTION rtp.lower_bound(value numeric, percent numeric, min_change numeric) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT CASE
        WHEN abs(value) < 'Infinity' AND value > 0 THEN greatest(value - greatest(value * percent * 0.01, min_change), 0)
        WHEN abs(value) < 'Infinity' THEN value - greatest(-value * percent * 0.01, min_change)
    END
$$;

CREATE FUNCTION rtp.note_error(watch text, operation text, sqlstate text, message text) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO rtp.trigger_error (watch, operation, sqlstate, message, weight)
    SELECT note_error.watch, note_error.operation, note_error.sqlstate, left(note_error.message, 1000),
           CASE WHEN kept.count < 10000 THEN 1 ELSE 1000 END
    FROM (SELECT coalesce((SELECT max(id) FROM rtp.trigger_error) - (SELECT min(id) FROM rtp.trigger_error), 0) AS count) AS kept
    WHERE kept.count < 10000 OR random() < 0.001;
EXCEPTION WHEN OTHERS THEN
    RAISE LOG 'rtp: watch % could not judge an % (% %), nor note it: %',
        note_error.watch, note_error.operation, note_error.sqlstate, note_error.message, SQLERRM;
END
$$;

CREATE FUNCTION rtp.note_stuck(watch_name text, sqlstate text, message text) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM rtp.trigger_error AS e
        WHERE e.watch = watch_name AND e.operation = 'JUDGE' AND e.occurred_at > clock_timestamp() - interval '1 minute'
    ) THEN
        PERFORM rtp.note_error(watch_name, 'JUDGE', sqlstate, message);
    END IF;
END
$$;

CREATE FUNCTION rtp.now_prices(chain text, entity text) RETURNS SETOF numeric
    LANGUAGE sql STABLE
    AS $_$
    SELECT n.value FROM (SELECT s.*, 0.1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."token"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM "public"."prices" AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."token"::text COLLATE "C")) AS s) AS n
    WHERE n.chain = $1 AND n.entity = $2
    ORDER BY n.changed_at DESC LIMIT 1
$_$;

CREATE FUNCTION rtp.now_tvl(chain text, entity text) RETURNS SETOF numeric
    LANGUAGE sql STABLE
    AS $_$
    SELECT n.value FROM (SELECT s.*, 1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."protocol"::text COLLATE "C" AS "entity", 1::double precision AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."tvl_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM "public"."tvl" AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."protocol"::text COLLATE "C")) AS s) AS n
    WHERE n.chain = $1 AND n.entity = $2
    ORDER BY n.changed_at DESC LIMIT 1
$_$;

CREATE FUNCTION rtp.postpone_tick(tick rtp.sample) RETURNS void
    LANGUAGE sql
    AS $$
    DELETE FROM rtp.sample AS s WHERE s.id = tick.id;
    UPDATE rtp.baseline AS b SET due_at = clock_timestamp() + interval '1 minute'
    WHERE b.watch = tick.watch AND b.chain = tick.chain AND b.entity = tick.entity
$$;

CREATE FUNCTION rtp.put_ticks(max_ticks integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    due    record;
    put    integer := 0;
BEGIN
    IF NOT rtp.is_only_judge() THEN
        RETURN 0;
    END IF;
    FOR due IN
        SELECT b.watch, b.chain, b.entity FROM rtp.baseline AS b
        WHERE b.due_at <= moment ORDER BY b.due_at LIMIT max_ticks
        FOR UPDATE SKIP LOCKED
    LOOP
        UPDATE rtp.baseline AS b SET due_at = NULL, lower = NULL
        WHERE b.watch = due.watch AND b.chain = due.chain AND b.entity = due.entity;
        UPDATE rtp.sample AS s SET recheck_after = NULL
        WHERE s.watch = due.watch AND s.chain = due.chain AND s.entity = due.entity AND s.what = 'tick';
        IF NOT FOUND THEN
            INSERT INTO rtp.sample (watch, chain, entity, what, sampled_at, changed_at, confidence, provenance)
            SELECT due.watch, due.chain, due.entity, 'tick', moment, moment,
                   coalesce((w.settings ->> 'confidence')::double precision, 1), w.settings ->> 'provenance'
            FROM rtp.watch AS w WHERE w.id = due.watch;
        END IF;
        put := put + 1;
    END LOOP;
    RETURN put;
END
$$;

CREATE FUNCTION rtp.sane_confidence(confidence double precision, otherwise double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN confidence BETWEEN 0 AND 1 THEN confidence ELSE otherwise END
$$;

CREATE FUNCTION rtp.sane_time(moment timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT CASE
        WHEN moment >= '0001-01-02 00:00:00+00' AND moment < '9999-12-31 00:00:00+00' THEN moment
        ELSE statement_timestamp()
    END
$$;

CREATE FUNCTION rtp.severity(previous numeric, current numeric, reason text, warning numeric, critical numeric) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT CASE
        WHEN reason IN ('to_null', 'not_finite', 'deleted', 'from_zero') THEN 'warning'
        WHEN abs(current) < 'Infinity' AND abs(previous) < 'Infinity' AND previous <> 0
             AND abs(current - previous) * 100 >= critical * abs(previous) THEN 'critical'
        WHEN reason = 'depeg' THEN 'warning'
        WHEN abs(current) < 'Infinity' AND abs(previous) < 'Infinity' AND previous <> 0
             AND abs(current - previous) * 100 >= warning * abs(previous) THEN 'warning'
        ELSE 'info'
    END
$$;

CREATE FUNCTION rtp.take(sample rtp.sample, state rtp.baseline, what text, rule rtp.rule, rules integer, is_history boolean, by_previous_row boolean) RETURNS integer
    LANGUAGE plpgsql
    AS $$
DECLARE
    verdict record;
BEGIN
    IF what = 'deleted' THEN
        DELETE FROM rtp.baseline AS b
        WHERE b.watch = sample.watch AND b.chain = sample.chain AND b.entity = sample.entity;
        IF NOT FOUND THEN
            RETURN 0;
        END IF;
        PERFORM rtp.append(sample, state.value, NULL, 'deleted', 'warning', NULL);
        RETURN 1;
    END IF;

    IF state.entity IS NULL THEN
        -- 2. First sighting.
        state := rtp.first_baseline(sample, rule, rules, by_previous_row);
        INSERT INTO rtp.baseline SELECT state.*;
        IF rule.emit_first THEN
            PERFORM rtp.append(sample, NULL, sample.value, 'first_seen', 'info', NULL);
        END IF;
        RETURN rule.emit_first::integer;
    END IF;

    IF is_history AND what = 'sample' THEN
        -- 1. Late, or the same again.
        IF sample.sampled_at < state.sampled_at
           OR sample.sampled_at = state.sampled_at AND sample.value IS NOT DISTINCT FROM
              (CASE WHEN state.suspect_since IS NULL THEN state.last_value ELSE state.suspect_value END) THEN
            RETURN 0;
        END IF;
        state.sampled_at := sample.sampled_at;
    END IF;

    verdict := rtp.judge(state, what, sample.value, sample.sampled_at, rule, rules, by_previous_row);
    IF verdict.guard IS NOT NULL THEN
        INSERT INTO rtp.quarantine (watch, chain, entity, what, baseline, value)
        VALUES (sample.watch, sample.chain, sample.entity, verdict.guard, state.value,
                CASE WHEN verdict.guard = 'dismissed' THEN state.suspect_value ELSE sample.value END);
    END IF;
    IF verdict.reason IS NOT NULL THEN
        PERFORM rtp.append(sample, state.value, sample.value, verdict.reason, verdict.severity, verdict.duration);
    END IF;
    state := verdict.after;
    UPDATE rtp.baseline AS b
    SET value = state.value, reported_at = state.reported_at, rules = state.rules, lower = state.lower, upper = state.upper,
        last_value = state.last_value, sampled_at = state.sampled_at, is_held = state.is_held,
        suspect_value = state.suspect_value, suspect_since = state.suspect_since, suspect_count = state.suspect_count,
        off_peg_since = state.off_peg_since, due_at = state.due_at
    WHERE b.watch = state.watch AND b.chain = state.chain AND b.entity = state.entity;
    RETURN (verdict.reason IS NOT NULL)::integer;
END
$$;

CREATE FUNCTION rtp.take_or_leave(sample rtp.sample, rule rtp.rule, rules integer, is_history boolean, by_previous_row boolean) RETURNS integer
    LANGUAGE plpgsql
    AS $$
DECLARE
    state rtp.baseline;
BEGIN
    IF current_setting('transaction_isolation') = 'read committed' THEN
        SELECT b.* INTO state FROM rtp.baseline AS b
        WHERE b.watch = sample.watch AND b.chain = sample.chain AND b.entity = sample.entity
        FOR UPDATE SKIP LOCKED;
        -- Only under the lock can this be asked: whoever leaves a sample from now on comes after this one.
        IF FOUND AND NOT EXISTS (
            SELECT FROM rtp.sample AS s
            WHERE s.watch = sample.watch AND s.chain = sample.chain AND s.entity = sample.entity
        ) THEN
            RETURN rtp.take(sample, state, sample.what, rule, rules, is_history, by_previous_row);
        END IF;
    END IF;
    PERFORM rtp.leave(sample);
    RETURN NULL;
END
$$;

CREATE FUNCTION rtp.take_tick(tick rtp.sample, state rtp.baseline, watch_name text, rule rtp.rule, rules integer, is_history boolean, by_previous_row boolean) RETURNS integer
    LANGUAGE plpgsql
    AS $$
DECLARE
    is_released boolean;
    is_early    boolean := false;
BEGIN
    tick.sampled_at := clock_timestamp();
    tick.changed_at := tick.sampled_at;
    is_released := coalesce(tick.sampled_at - state.suspect_since >= rule.glitch_release, false);
    IF is_released THEN
        tick.value := state.suspect_value;
    ELSIF is_history OR state.suspect_since IS NOT NULL THEN
        tick.value := state.last_value;
    ELSIF state.entity IS NOT NULL THEN
        -- In one snapshot: the value of now, and whether samples wait that came before it. Those first.
        SELECT rtp.value_now(watch_name, tick.chain, tick.entity, state.last_value), EXISTS (
            SELECT FROM rtp.sample AS s
            WHERE s.watch = tick.watch AND s.chain = tick.chain AND s.entity = tick.entity AND s.what <> 'tick'
        ) INTO tick.value, is_early;
        IF is_early THEN
            RETURN 0;
        END IF;
    END IF;

    IF is_history OR tick.recheck_after IS NOT NULL OR state.entity IS NULL THEN
        DELETE FROM rtp.sample AS s WHERE s.id = tick.id;
    ELSE
        UPDATE rtp.sample AS s SET recheck_after = pg_current_xact_id() WHERE s.id = tick.id;
    END IF;
    IF state.entity IS NULL THEN
        RETURN 0;
    END IF;
    RETURN rtp.take(
        tick, state, CASE WHEN is_released THEN 'released' ELSE 'tick' END, rule, rules, is_history, by_previous_row
    );
END
$$;

CREATE FUNCTION rtp.terms_prices(chain text, entity text) RETURNS TABLE(rule rtp.rule, rules integer, is_history boolean, by_previous_row boolean)
    LANGUAGE sql STABLE
    AS $_$
    SELECT ROW(0.1::numeric, 0::numeric, NULL::interval, NULL::interval, false::boolean, 5::numeric, 20::numeric, NULL::numeric, NULL::integer, NULL::interval, NULL::numeric, NULL::numeric)::rtp.rule, 1, false, false
    FROM (SELECT $1 AS chain, $2 AS entity) AS sample
$_$;

CREATE FUNCTION rtp.terms_tvl(chain text, entity text) RETURNS TABLE(rule rtp.rule, rules integer, is_history boolean, by_previous_row boolean)
    LANGUAGE sql STABLE
    AS $_$
    SELECT ROW(1::numeric, 0::numeric, NULL::interval, NULL::interval, false::boolean, 5::numeric, 20::numeric, NULL::numeric, NULL::integer, NULL::interval, NULL::numeric, NULL::numeric)::rtp.rule, 1, false, false
    FROM (SELECT $1 AS chain, $2 AS entity) AS sample
$_$;

CREATE FUNCTION rtp.to_number(value text) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN rtp.is_number(value) THEN value::numeric END
$$;

CREATE FUNCTION rtp.upper_bound(value numeric, percent numeric, min_change numeric) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT CASE
        WHEN abs(value) < 'Infinity' AND value < 0 THEN least(value + greatest(-value * percent * 0.01, min_change), 0)
        WHEN abs(value) < 'Infinity' THEN value + greatest(value * percent * 0.01, min_change)
    END
$$;

CREATE FUNCTION rtp.value_now(watch_name text, of_chain text, of_entity text, otherwise numeric) RETURNS numeric
    LANGUAGE plpgsql STABLE
    AS $_$
DECLARE
    found_value numeric;
    found_rows  bigint;
BEGIN
    EXECUTE format('SELECT * FROM rtp.%I($1, $2)', 'now_' || watch_name) INTO found_value USING of_chain, of_entity;
    GET DIAGNOSTICS found_rows = ROW_COUNT;
    RETURN CASE WHEN found_rows > 0 THEN found_value ELSE otherwise END;
END
$_$;

CREATE FUNCTION rtp.verdict(previous numeric, current numeric, percent numeric, min_change numeric) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT CASE
        WHEN previous = current THEN NULL
        WHEN previous IS NULL AND current IS NULL THEN NULL
        WHEN previous IS NULL THEN 'from_null'
        WHEN current IS NULL THEN 'to_null'
        WHEN abs(current) >= 'Infinity' THEN 'not_finite'
        WHEN abs(previous) >= 'Infinity' THEN 'finite_again'
        WHEN abs(current - previous) < min_change THEN NULL
        WHEN previous = 0 THEN 'from_zero'
        WHEN current = 0 THEN 'to_zero'
        WHEN abs(current - previous) * 100 >= percent * abs(previous) THEN 'deviation'
    END
$$;

CREATE FUNCTION rtp.wake() RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF pg_catalog.pg_try_advisory_lock_shared(7500912, 1) THEN
        PERFORM pg_catalog.pg_advisory_unlock_shared(7500912, 1);
        PERFORM pg_catalog.pg_notify('rtp_wake', '');
    END IF;
END
$$;

CREATE FUNCTION rtp.watch_prices() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    started       timestamptz := clock_timestamp();
    reported_rows bigint := 0;
    measured_rows bigint;
    unseen_rows   bigint := 0;
    made          bigint;
    size          text;
    is_done       boolean := false;
    one           record;
BEGIN
    IF TG_OP = 'DELETE' THEN
        is_done := true;
        SELECT rtp.forget(2::smallint, array_agg(o.chain), array_agg(o.entity), 1::double precision, NULL::text)
        INTO reported_rows FROM (SELECT s.*, 0.1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."token"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM old_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."token"::text COLLATE "C")) AS s) AS o;
    ELSIF TG_OP = 'TRUNCATE' THEN
        is_done := true;
        reported_rows := rtp.forget_all(2::smallint, 1::double precision, NULL::text);
    ELSE
        -- Most statements change nothing that matters, and one look at them is all that they cost.
        size := CASE
            WHEN EXISTS (SELECT FROM new_rows OFFSET 100) THEN 'many'
            WHEN NOT EXISTS (SELECT FROM new_rows AS r
            LEFT JOIN rtp.baseline AS b ON b.watch = 2::smallint AND b.chain = "r"."chain"::text COLLATE "C" AND b.entity = "r"."token"::text COLLATE "C"
            WHERE ("r"."price_usd"::numeric > b.lower AND "r"."price_usd"::numeric < b.upper AND b.rules = 1) IS NOT TRUE) THEN 'quiet'
            WHEN EXISTS (SELECT FROM new_rows OFFSET 1) THEN 'some'
            ELSE 'one'
        END;
        IF size = 'quiet' THEN
            IF random() * 100 < 1 THEN
        IF TG_OP IN ('INSERT', 'UPDATE') THEN
            SELECT count(*) INTO measured_rows FROM new_rows;
        ELSIF TG_OP = 'DELETE' THEN
            SELECT count(*) INTO measured_rows FROM old_rows;
        END IF;
        INSERT INTO rtp.trigger_timing (watch, weight, rows, events, microseconds)
        VALUES (2, 100, measured_rows, reported_rows, extract(microseconds FROM clock_timestamp() - started));
    END IF;
            RETURN NULL;
        END IF;

        -- One row is the usual case, and three plain statements take half the time of one with everything in it.
        IF size = 'one' THEN
            SELECT n.*, b.value AS previous, rtp.verdict(b.value, n.value, n.percent, n.min_change) AS reason
            INTO one
            FROM (SELECT s.*, 0.1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."token"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."token"::text COLLATE "C")) AS s) AS n
            JOIN rtp.baseline AS b ON b.watch = 2::smallint AND b.chain = n.chain AND b.entity = n.entity;
            IF one.reason IS NOT NULL THEN
                INSERT INTO rtp.event
                    (watch, chain, entity, previous, current, reason, severity, confidence, provenance, changed_at)
                VALUES (2::smallint, one.chain, one.entity, one.previous, one.value, one.reason,
                        rtp.severity(one.previous, one.value, one.reason, one.warning, one.critical), one.confidence,
                        one.provenance, one.changed_at);
                UPDATE rtp.baseline AS b
                SET value = one.value, reported_at = clock_timestamp(), rules = 1,
                    lower = rtp.lower_bound(one.value, one.percent, one.min_change),
                    upper = rtp.upper_bound(one.value, one.percent, one.min_change)
                WHERE b.watch = 2::smallint AND b.chain = one.chain AND b.entity = one.entity;
                reported_rows := 1;
            ELSE
                UPDATE rtp.baseline AS b
                SET rules = 1, lower = rtp.lower_bound(b.value, one.percent, one.min_change),
                    upper = rtp.upper_bound(b.value, one.percent, one.min_change)
                WHERE b.watch = 2::smallint AND b.chain = one.chain AND b.entity = one.entity AND b.rules <> 1;
            END IF;
            is_done := one.entity IS NOT NULL;
        END IF;
    END IF;

    IF NOT is_done THEN
        FOR pass IN 1..2 LOOP
            -- A small statement's plan is kept: an index look-up per row. A large one is worth a plan of its own: PostgreSQL
            -- then reads the baselines once, and hashes.
            IF size = 'many' THEN
                EXECUTE 'WITH touched AS MATERIALIZED (
    SELECT n.*, b.value AS previous, b.entity IS NULL AS is_unseen
    FROM (SELECT s.*, 0.1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."token"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."token"::text COLLATE "C")) AS s) AS n
    LEFT JOIN rtp.baseline AS b ON b.watch = 2::smallint AND b.chain = n.chain AND b.entity = n.entity
    WHERE (n.value > b.lower AND n.value < b.upper AND b.rules = 1) IS NOT TRUE
), judged AS MATERIALIZED (
    SELECT t.*, v.reason, CASE WHEN v.reason IS NULL THEN t.previous ELSE t.value END AS reported
    FROM touched AS t
    CROSS JOIN LATERAL (SELECT rtp.verdict(t.previous, t.value, t.percent, t.min_change) AS reason) AS v
    WHERE NOT t.is_unseen
), moved AS (
    UPDATE rtp.baseline AS b
    SET value = j.reported, rules = 1,
        reported_at = CASE WHEN j.reason IS NULL THEN b.reported_at ELSE clock_timestamp() END,
        lower = rtp.lower_bound(j.reported, j.percent, j.min_change),
        upper = rtp.upper_bound(j.reported, j.percent, j.min_change)
    FROM judged AS j
    WHERE b.watch = 2::smallint AND b.chain = j.chain AND b.entity = j.entity
      AND (j.reason IS NOT NULL OR b.rules <> 1)
), appended AS (
    INSERT INTO rtp.event
        (watch, chain, entity, previous, current, reason, severity, confidence, provenance, changed_at)
    SELECT 2::smallint, chain, entity, previous, value, reason,
           rtp.severity(previous, value, reason, warning, critical), confidence, provenance, changed_at
    FROM judged WHERE reason IS NOT NULL
    RETURNING 1
)
SELECT (SELECT count(*) FROM appended), count(*) FILTER (WHERE t.is_unseen)

FROM touched AS t' INTO made, unseen_rows;
            ELSE
                WITH touched AS MATERIALIZED (
    SELECT n.*, b.value AS previous, b.entity IS NULL AS is_unseen
    FROM (SELECT s.*, 0.1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."token"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."token"::text COLLATE "C")) AS s) AS n
    LEFT JOIN rtp.baseline AS b ON b.watch = 2::smallint AND b.chain = n.chain AND b.entity = n.entity
    WHERE (n.value > b.lower AND n.value < b.upper AND b.rules = 1) IS NOT TRUE
), judged AS MATERIALIZED (
    SELECT t.*, v.reason, CASE WHEN v.reason IS NULL THEN t.previous ELSE t.value END AS reported
    FROM touched AS t
    CROSS JOIN LATERAL (SELECT rtp.verdict(t.previous, t.value, t.percent, t.min_change) AS reason) AS v
    WHERE NOT t.is_unseen
), moved AS (
    UPDATE rtp.baseline AS b
    SET value = j.reported, rules = 1,
        reported_at = CASE WHEN j.reason IS NULL THEN b.reported_at ELSE clock_timestamp() END,
        lower = rtp.lower_bound(j.reported, j.percent, j.min_change),
        upper = rtp.upper_bound(j.reported, j.percent, j.min_change)
    FROM judged AS j
    WHERE b.watch = 2::smallint AND b.chain = j.chain AND b.entity = j.entity
      AND (j.reason IS NOT NULL OR b.rules <> 1)
), appended AS (
    INSERT INTO rtp.event
        (watch, chain, entity, previous, current, reason, severity, confidence, provenance, changed_at)
    SELECT 2::smallint, chain, entity, previous, value, reason,
           rtp.severity(previous, value, reason, warning, critical), confidence, provenance, changed_at
    FROM judged WHERE reason IS NOT NULL
    RETURNING 1
)
SELECT (SELECT count(*) FROM appended), count(*) FILTER (WHERE t.is_unseen)
INTO made, unseen_rows
FROM touched AS t;
            END IF;
            reported_rows := reported_rows + made;
            EXIT WHEN unseen_rows = 0 OR TG_OP = 'INSERT' OR pass = 2;

            -- Rows from before the installation: what they held before this statement is their baseline. Then, again.
            INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, lower, upper)
            SELECT 2::smallint, o.chain, o.entity, o.value, clock_timestamp(), 1,
                   rtp.lower_bound(o.value, o.percent, o.min_change), rtp.upper_bound(o.value, o.percent, o.min_change)
            FROM (SELECT s.*, 0.1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."token"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM old_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."token"::text COLLATE "C")) AS s) AS o JOIN (SELECT s.*, 0.1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."token"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."token"::text COLLATE "C")) AS s) AS n USING (chain, entity)
            ON CONFLICT DO NOTHING;

            -- Rows whose key has changed: the entity of the old key is gone.
            SELECT reported_rows
                   + rtp.forget(2::smallint, array_agg(o.chain), array_agg(o.entity), 1::double precision, NULL::text)
            INTO reported_rows
            FROM (SELECT s.*, 0.1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."token"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM old_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."token"::text COLLATE "C")) AS s) AS o LEFT JOIN (SELECT s.*, 0.1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."token"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."token"::text COLLATE "C")) AS s) AS n USING (chain, entity)
            WHERE n.entity IS NULL;
        END LOOP;

        IF unseen_rows > 0 THEN
            WITH first AS (
                INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, lower, upper)
                SELECT 2::smallint, n.chain, n.entity, n.value, clock_timestamp(), 1,
                       rtp.lower_bound(n.value, n.percent, n.min_change), rtp.upper_bound(n.value, n.percent, n.min_change)
                FROM (SELECT s.*, 0.1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."token"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."token"::text COLLATE "C")) AS s) AS n
                ON CONFLICT DO NOTHING
                RETURNING chain, entity
            ), appended AS (
                INSERT INTO rtp.event (watch, chain, entity, current, reason, confidence, provenance, changed_at)
                SELECT 2::smallint, n.chain, n.entity, n.value, 'first_seen', n.confidence, n.provenance, n.changed_at
                FROM first JOIN (SELECT s.*, 0.1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."token"::text COLLATE "C" AS "entity", rtp.sane_confidence("r"."confidence"::double precision, 1) AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."price_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."token"::text COLLATE "C")) AS s) AS n USING (chain, entity)
                WHERE n.emit_first
                RETURNING 1
            )
            SELECT reported_rows + count(*) INTO reported_rows FROM appended;
        END IF;
        PERFORM rtp.note_error('prices', TG_OP, '22023', count(*) || ' rows have no usable chain, entity or value')
        FROM new_rows AS r WHERE (rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."token"::text COLLATE "C")) IS NOT TRUE
        HAVING count(*) > 0;
    END IF;

    IF reported_rows > 0 THEN
        PERFORM rtp.wake();
    END IF;
    IF random() * 100 < 1 THEN
        IF TG_OP IN ('INSERT', 'UPDATE') THEN
            SELECT count(*) INTO measured_rows FROM new_rows;
        ELSIF TG_OP = 'DELETE' THEN
            SELECT count(*) INTO measured_rows FROM old_rows;
        END IF;
        INSERT INTO rtp.trigger_timing (watch, weight, rows, events, microseconds)
        VALUES (2, 100, measured_rows, reported_rows, extract(microseconds FROM clock_timestamp() - started));
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    PERFORM rtp.note_error('prices', TG_OP, SQLSTATE, SQLERRM);
    RETURN NULL;
END
$$;

CREATE FUNCTION rtp.watch_protocols() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    started       timestamptz := clock_timestamp();
    reported_rows bigint := 0;
    measured_rows bigint;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        WITH step AS (
            SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."protocol"::text COLLATE "C" AS "entity", 1::double precision AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", 'changed'::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', to_jsonb("o"."name"), to_jsonb("r"."name")), ('category', to_jsonb("o"."category"), to_jsonb("r"."category")), ('url', to_jsonb("o"."url"), to_jsonb("r"."url")), ('audits', to_jsonb("o"."audits"), to_jsonb("r"."audits")), ('parent', to_jsonb("o"."parent"), to_jsonb("r"."parent"))) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM new_rows AS r
            JOIN old_rows AS o ON "o"."chain"::text COLLATE "C" = "r"."chain"::text COLLATE "C" AND "o"."protocol"::text COLLATE "C" = "r"."protocol"::text COLLATE "C"
            WHERE "o"."name" IS DISTINCT FROM "r"."name" OR "o"."category" IS DISTINCT FROM "r"."category" OR "o"."url" IS DISTINCT FROM "r"."url" OR "o"."audits" IS DISTINCT FROM "r"."audits" OR "o"."parent" IS DISTINCT FROM "r"."parent"
            UNION ALL
            SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."protocol"::text COLLATE "C" AS "entity", 1::double precision AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", 'added'::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', NULL::jsonb, to_jsonb("r"."name")), ('category', NULL::jsonb, to_jsonb("r"."category")), ('url', NULL::jsonb, to_jsonb("r"."url")), ('audits', NULL::jsonb, to_jsonb("r"."audits")), ('parent', NULL::jsonb, to_jsonb("r"."parent"))) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM new_rows AS r
            WHERE NOT EXISTS (SELECT FROM old_rows AS o WHERE "o"."chain"::text COLLATE "C" = "r"."chain"::text COLLATE "C" AND "o"."protocol"::text COLLATE "C" = "r"."protocol"::text COLLATE "C")
            UNION ALL
            SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."protocol"::text COLLATE "C" AS "entity", 1::double precision AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", 'removed'::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', to_jsonb("r"."name"), NULL::jsonb), ('category', to_jsonb("r"."category"), NULL::jsonb), ('url', to_jsonb("r"."url"), NULL::jsonb), ('audits', to_jsonb("r"."audits"), NULL::jsonb), ('parent', to_jsonb("r"."parent"), NULL::jsonb)) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM old_rows AS r
            WHERE NOT EXISTS (SELECT FROM new_rows AS o WHERE "o"."chain"::text COLLATE "C" = "r"."chain"::text COLLATE "C" AND "o"."protocol"::text COLLATE "C" = "r"."protocol"::text COLLATE "C")
        ), named AS MATERIALIZED (
            SELECT * FROM step WHERE rtp.is_name(chain) AND rtp.is_name(entity)
        ), known AS (
            INSERT INTO rtp.baseline (watch, chain, entity, reported_at, rules)
            SELECT 3::smallint, chain, entity, clock_timestamp(), 0 FROM named WHERE reason = 'added'
            ON CONFLICT DO NOTHING
        ), forgotten AS (
            DELETE FROM rtp.baseline AS b USING named
            WHERE named.reason = 'removed' AND b.watch = 3::smallint AND b.chain = named.chain AND b.entity = named.entity
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT 3::smallint, chain, entity, fields, reason, confidence, provenance, changed_at
            FROM named ORDER BY chain, entity
            RETURNING 1
        )
        SELECT count(*) INTO reported_rows FROM appended;
    ELSIF TG_OP = 'INSERT' THEN
        WITH step AS (
            SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."protocol"::text COLLATE "C" AS "entity", 1::double precision AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", 'added'::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', NULL::jsonb, to_jsonb("r"."name")), ('category', NULL::jsonb, to_jsonb("r"."category")), ('url', NULL::jsonb, to_jsonb("r"."url")), ('audits', NULL::jsonb, to_jsonb("r"."audits")), ('parent', NULL::jsonb, to_jsonb("r"."parent"))) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM new_rows AS r
        ), named AS MATERIALIZED (
            SELECT * FROM step WHERE rtp.is_name(chain) AND rtp.is_name(entity)
        ), known AS (
            INSERT INTO rtp.baseline (watch, chain, entity, reported_at, rules)
            SELECT 3::smallint, chain, entity, clock_timestamp(), 0 FROM named WHERE reason = 'added'
            ON CONFLICT DO NOTHING
        ), forgotten AS (
            DELETE FROM rtp.baseline AS b USING named
            WHERE named.reason = 'removed' AND b.watch = 3::smallint AND b.chain = named.chain AND b.entity = named.entity
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT 3::smallint, chain, entity, fields, reason, confidence, provenance, changed_at
            FROM named ORDER BY chain, entity
            RETURNING 1
        )
        SELECT count(*) INTO reported_rows FROM appended;
    ELSIF TG_OP = 'DELETE' THEN
        WITH step AS (
            SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."protocol"::text COLLATE "C" AS "entity", 1::double precision AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", 'removed'::text AS "reason", (SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) FROM (VALUES ('name', to_jsonb("r"."name"), NULL::jsonb), ('category', to_jsonb("r"."category"), NULL::jsonb), ('url', to_jsonb("r"."url"), NULL::jsonb), ('audits', to_jsonb("r"."audits"), NULL::jsonb), ('parent', to_jsonb("r"."parent"), NULL::jsonb)) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current) AS "fields" FROM old_rows AS r
        ), named AS MATERIALIZED (
            SELECT * FROM step WHERE rtp.is_name(chain) AND rtp.is_name(entity)
        ), known AS (
            INSERT INTO rtp.baseline (watch, chain, entity, reported_at, rules)
            SELECT 3::smallint, chain, entity, clock_timestamp(), 0 FROM named WHERE reason = 'added'
            ON CONFLICT DO NOTHING
        ), forgotten AS (
            DELETE FROM rtp.baseline AS b USING named
            WHERE named.reason = 'removed' AND b.watch = 3::smallint AND b.chain = named.chain AND b.entity = named.entity
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT 3::smallint, chain, entity, fields, reason, confidence, provenance, changed_at
            FROM named ORDER BY chain, entity
            RETURNING 1
        )
        SELECT count(*) INTO reported_rows FROM appended;
    ELSE
        WITH step AS (
            SELECT b.chain, b.entity, 'removed' AS reason, NULL::jsonb AS fields, 1::double precision AS confidence,
                   NULL::text AS provenance, statement_timestamp() AS changed_at
            FROM rtp.baseline AS b WHERE b.watch = 3::smallint
        ), named AS MATERIALIZED (
            SELECT * FROM step WHERE rtp.is_name(chain) AND rtp.is_name(entity)
        ), known AS (
            INSERT INTO rtp.baseline (watch, chain, entity, reported_at, rules)
            SELECT 3::smallint, chain, entity, clock_timestamp(), 0 FROM named WHERE reason = 'added'
            ON CONFLICT DO NOTHING
        ), forgotten AS (
            DELETE FROM rtp.baseline AS b USING named
            WHERE named.reason = 'removed' AND b.watch = 3::smallint AND b.chain = named.chain AND b.entity = named.entity
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT 3::smallint, chain, entity, fields, reason, confidence, provenance, changed_at
            FROM named ORDER BY chain, entity
            RETURNING 1
        )
        SELECT count(*) INTO reported_rows FROM appended;
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        PERFORM rtp.note_error('protocols', TG_OP, '22023', count(*) || ' rows have no usable chain, entity or value')
        FROM new_rows AS r WHERE (rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."protocol"::text COLLATE "C")) IS NOT TRUE
        HAVING count(*) > 0;
    END IF;

    IF reported_rows > 0 THEN
        PERFORM rtp.wake();
    END IF;
    IF random() * 100 < 1 THEN
        IF TG_OP IN ('INSERT', 'UPDATE') THEN
            SELECT count(*) INTO measured_rows FROM new_rows;
        ELSIF TG_OP = 'DELETE' THEN
            SELECT count(*) INTO measured_rows FROM old_rows;
        END IF;
        INSERT INTO rtp.trigger_timing (watch, weight, rows, events, microseconds)
        VALUES (3, 100, measured_rows, reported_rows, extract(microseconds FROM clock_timestamp() - started));
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    PERFORM rtp.note_error('protocols', TG_OP, SQLSTATE, SQLERRM);
    RETURN NULL;
END
$$;

CREATE FUNCTION rtp.watch_tvl() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    started       timestamptz := clock_timestamp();
    reported_rows bigint := 0;
    measured_rows bigint;
    unseen_rows   bigint := 0;
    made          bigint;
    size          text;
    is_done       boolean := false;
    one           record;
BEGIN
    IF TG_OP = 'DELETE' THEN
        is_done := true;
        SELECT rtp.forget(1::smallint, array_agg(o.chain), array_agg(o.entity), 1::double precision, NULL::text)
        INTO reported_rows FROM (SELECT s.*, 1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."protocol"::text COLLATE "C" AS "entity", 1::double precision AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."tvl_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM old_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."protocol"::text COLLATE "C")) AS s) AS o;
    ELSIF TG_OP = 'TRUNCATE' THEN
        is_done := true;
        reported_rows := rtp.forget_all(1::smallint, 1::double precision, NULL::text);
    ELSE
        -- Most statements change nothing that matters, and one look at them is all that they cost.
        size := CASE
            WHEN EXISTS (SELECT FROM new_rows OFFSET 100) THEN 'many'
            WHEN NOT EXISTS (SELECT FROM new_rows AS r
            LEFT JOIN rtp.baseline AS b ON b.watch = 1::smallint AND b.chain = "r"."chain"::text COLLATE "C" AND b.entity = "r"."protocol"::text COLLATE "C"
            WHERE ("r"."tvl_usd"::numeric > b.lower AND "r"."tvl_usd"::numeric < b.upper AND b.rules = 1) IS NOT TRUE) THEN 'quiet'
            WHEN EXISTS (SELECT FROM new_rows OFFSET 1) THEN 'some'
            ELSE 'one'
        END;
        IF size = 'quiet' THEN
            IF random() * 100 < 1 THEN
        IF TG_OP IN ('INSERT', 'UPDATE') THEN
            SELECT count(*) INTO measured_rows FROM new_rows;
        ELSIF TG_OP = 'DELETE' THEN
            SELECT count(*) INTO measured_rows FROM old_rows;
        END IF;
        INSERT INTO rtp.trigger_timing (watch, weight, rows, events, microseconds)
        VALUES (1, 100, measured_rows, reported_rows, extract(microseconds FROM clock_timestamp() - started));
    END IF;
            RETURN NULL;
        END IF;

        -- One row is the usual case, and three plain statements take half the time of one with everything in it.
        IF size = 'one' THEN
            SELECT n.*, b.value AS previous, rtp.verdict(b.value, n.value, n.percent, n.min_change) AS reason
            INTO one
            FROM (SELECT s.*, 1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."protocol"::text COLLATE "C" AS "entity", 1::double precision AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."tvl_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."protocol"::text COLLATE "C")) AS s) AS n
            JOIN rtp.baseline AS b ON b.watch = 1::smallint AND b.chain = n.chain AND b.entity = n.entity;
            IF one.reason IS NOT NULL THEN
                INSERT INTO rtp.event
                    (watch, chain, entity, previous, current, reason, severity, confidence, provenance, changed_at)
                VALUES (1::smallint, one.chain, one.entity, one.previous, one.value, one.reason,
                        rtp.severity(one.previous, one.value, one.reason, one.warning, one.critical), one.confidence,
                        one.provenance, one.changed_at);
                UPDATE rtp.baseline AS b
                SET value = one.value, reported_at = clock_timestamp(), rules = 1,
                    lower = rtp.lower_bound(one.value, one.percent, one.min_change),
                    upper = rtp.upper_bound(one.value, one.percent, one.min_change)
                WHERE b.watch = 1::smallint AND b.chain = one.chain AND b.entity = one.entity;
                reported_rows := 1;
            ELSE
                UPDATE rtp.baseline AS b
                SET rules = 1, lower = rtp.lower_bound(b.value, one.percent, one.min_change),
                    upper = rtp.upper_bound(b.value, one.percent, one.min_change)
                WHERE b.watch = 1::smallint AND b.chain = one.chain AND b.entity = one.entity AND b.rules <> 1;
            END IF;
            is_done := one.entity IS NOT NULL;
        END IF;
    END IF;

    IF NOT is_done THEN
        FOR pass IN 1..2 LOOP
            -- A small statement's plan is kept: an index look-up per row. A large one is worth a plan of its own: PostgreSQL
            -- then reads the baselines once, and hashes.
            IF size = 'many' THEN
                EXECUTE 'WITH touched AS MATERIALIZED (
    SELECT n.*, b.value AS previous, b.entity IS NULL AS is_unseen
    FROM (SELECT s.*, 1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."protocol"::text COLLATE "C" AS "entity", 1::double precision AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."tvl_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."protocol"::text COLLATE "C")) AS s) AS n
    LEFT JOIN rtp.baseline AS b ON b.watch = 1::smallint AND b.chain = n.chain AND b.entity = n.entity
    WHERE (n.value > b.lower AND n.value < b.upper AND b.rules = 1) IS NOT TRUE
), judged AS MATERIALIZED (
    SELECT t.*, v.reason, CASE WHEN v.reason IS NULL THEN t.previous ELSE t.value END AS reported
    FROM touched AS t
    CROSS JOIN LATERAL (SELECT rtp.verdict(t.previous, t.value, t.percent, t.min_change) AS reason) AS v
    WHERE NOT t.is_unseen
), moved AS (
    UPDATE rtp.baseline AS b
    SET value = j.reported, rules = 1,
        reported_at = CASE WHEN j.reason IS NULL THEN b.reported_at ELSE clock_timestamp() END,
        lower = rtp.lower_bound(j.reported, j.percent, j.min_change),
        upper = rtp.upper_bound(j.reported, j.percent, j.min_change)
    FROM judged AS j
    WHERE b.watch = 1::smallint AND b.chain = j.chain AND b.entity = j.entity
      AND (j.reason IS NOT NULL OR b.rules <> 1)
), appended AS (
    INSERT INTO rtp.event
        (watch, chain, entity, previous, current, reason, severity, confidence, provenance, changed_at)
    SELECT 1::smallint, chain, entity, previous, value, reason,
           rtp.severity(previous, value, reason, warning, critical), confidence, provenance, changed_at
    FROM judged WHERE reason IS NOT NULL
    RETURNING 1
)
SELECT (SELECT count(*) FROM appended), count(*) FILTER (WHERE t.is_unseen)

FROM touched AS t' INTO made, unseen_rows;
            ELSE
                WITH touched AS MATERIALIZED (
    SELECT n.*, b.value AS previous, b.entity IS NULL AS is_unseen
    FROM (SELECT s.*, 1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."protocol"::text COLLATE "C" AS "entity", 1::double precision AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."tvl_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."protocol"::text COLLATE "C")) AS s) AS n
    LEFT JOIN rtp.baseline AS b ON b.watch = 1::smallint AND b.chain = n.chain AND b.entity = n.entity
    WHERE (n.value > b.lower AND n.value < b.upper AND b.rules = 1) IS NOT TRUE
), judged AS MATERIALIZED (
    SELECT t.*, v.reason, CASE WHEN v.reason IS NULL THEN t.previous ELSE t.value END AS reported
    FROM touched AS t
    CROSS JOIN LATERAL (SELECT rtp.verdict(t.previous, t.value, t.percent, t.min_change) AS reason) AS v
    WHERE NOT t.is_unseen
), moved AS (
    UPDATE rtp.baseline AS b
    SET value = j.reported, rules = 1,
        reported_at = CASE WHEN j.reason IS NULL THEN b.reported_at ELSE clock_timestamp() END,
        lower = rtp.lower_bound(j.reported, j.percent, j.min_change),
        upper = rtp.upper_bound(j.reported, j.percent, j.min_change)
    FROM judged AS j
    WHERE b.watch = 1::smallint AND b.chain = j.chain AND b.entity = j.entity
      AND (j.reason IS NOT NULL OR b.rules <> 1)
), appended AS (
    INSERT INTO rtp.event
        (watch, chain, entity, previous, current, reason, severity, confidence, provenance, changed_at)
    SELECT 1::smallint, chain, entity, previous, value, reason,
           rtp.severity(previous, value, reason, warning, critical), confidence, provenance, changed_at
    FROM judged WHERE reason IS NOT NULL
    RETURNING 1
)
SELECT (SELECT count(*) FROM appended), count(*) FILTER (WHERE t.is_unseen)
INTO made, unseen_rows
FROM touched AS t;
            END IF;
            reported_rows := reported_rows + made;
            EXIT WHEN unseen_rows = 0 OR TG_OP = 'INSERT' OR pass = 2;

            -- Rows from before the installation: what they held before this statement is their baseline. Then, again.
            INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, lower, upper)
            SELECT 1::smallint, o.chain, o.entity, o.value, clock_timestamp(), 1,
                   rtp.lower_bound(o.value, o.percent, o.min_change), rtp.upper_bound(o.value, o.percent, o.min_change)
            FROM (SELECT s.*, 1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."protocol"::text COLLATE "C" AS "entity", 1::double precision AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."tvl_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM old_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."protocol"::text COLLATE "C")) AS s) AS o JOIN (SELECT s.*, 1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."protocol"::text COLLATE "C" AS "entity", 1::double precision AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."tvl_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."protocol"::text COLLATE "C")) AS s) AS n USING (chain, entity)
            ON CONFLICT DO NOTHING;

            -- Rows whose key has changed: the entity of the old key is gone.
            SELECT reported_rows
                   + rtp.forget(1::smallint, array_agg(o.chain), array_agg(o.entity), 1::double precision, NULL::text)
            INTO reported_rows
            FROM (SELECT s.*, 1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."protocol"::text COLLATE "C" AS "entity", 1::double precision AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."tvl_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM old_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."protocol"::text COLLATE "C")) AS s) AS o LEFT JOIN (SELECT s.*, 1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."protocol"::text COLLATE "C" AS "entity", 1::double precision AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."tvl_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."protocol"::text COLLATE "C")) AS s) AS n USING (chain, entity)
            WHERE n.entity IS NULL;
        END LOOP;

        IF unseen_rows > 0 THEN
            WITH first AS (
                INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, lower, upper)
                SELECT 1::smallint, n.chain, n.entity, n.value, clock_timestamp(), 1,
                       rtp.lower_bound(n.value, n.percent, n.min_change), rtp.upper_bound(n.value, n.percent, n.min_change)
                FROM (SELECT s.*, 1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."protocol"::text COLLATE "C" AS "entity", 1::double precision AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."tvl_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."protocol"::text COLLATE "C")) AS s) AS n
                ON CONFLICT DO NOTHING
                RETURNING chain, entity
            ), appended AS (
                INSERT INTO rtp.event (watch, chain, entity, current, reason, confidence, provenance, changed_at)
                SELECT 1::smallint, n.chain, n.entity, n.value, 'first_seen', n.confidence, n.provenance, n.changed_at
                FROM first JOIN (SELECT s.*, 1::numeric AS "percent", 0::numeric AS "min_change", 5::numeric AS "warning", 20::numeric AS "critical", false::boolean AS "emit_first" FROM (SELECT "r"."chain"::text COLLATE "C" AS "chain", "r"."protocol"::text COLLATE "C" AS "entity", 1::double precision AS "confidence", coalesce("r"."source"::text, NULL) AS "provenance", rtp.sane_time("r"."updated_at"::timestamptz) AS "changed_at", "r"."tvl_usd"::numeric AS "value", clock_timestamp() AS "sampled_at" FROM new_rows AS r WHERE rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."protocol"::text COLLATE "C")) AS s) AS n USING (chain, entity)
                WHERE n.emit_first
                RETURNING 1
            )
            SELECT reported_rows + count(*) INTO reported_rows FROM appended;
        END IF;
        PERFORM rtp.note_error('tvl', TG_OP, '22023', count(*) || ' rows have no usable chain, entity or value')
        FROM new_rows AS r WHERE (rtp.is_name("r"."chain"::text COLLATE "C") AND rtp.is_name("r"."protocol"::text COLLATE "C")) IS NOT TRUE
        HAVING count(*) > 0;
    END IF;

    IF reported_rows > 0 THEN
        PERFORM rtp.wake();
    END IF;
    IF random() * 100 < 1 THEN
        IF TG_OP IN ('INSERT', 'UPDATE') THEN
            SELECT count(*) INTO measured_rows FROM new_rows;
        ELSIF TG_OP = 'DELETE' THEN
            SELECT count(*) INTO measured_rows FROM old_rows;
        END IF;
        INSERT INTO rtp.trigger_timing (watch, weight, rows, events, microseconds)
        VALUES (1, 100, measured_rows, reported_rows, extract(microseconds FROM clock_timestamp() - started));
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    PERFORM rtp.note_error('tvl', TG_OP, SQLSTATE, SQLERRM);
    RETURN NULL;
END
$$;

CREATE FUNCTION rtp.with_band(state rtp.baseline, rule rtp.rule, rules integer, by_previous_row boolean) RETURNS rtp.baseline
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
    state.rules := rules;
    state.lower := NULL;
    state.upper := NULL;
    IF NOT (by_previous_row OR state.is_held OR state.suspect_since IS NOT NULL OR state.off_peg_since IS NOT NULL
            OR rule.glitch_factor IS NOT NULL AND rule.heartbeat IS NOT NULL) THEN
        state.lower := rtp.lower_bound(state.value, rule.percent, rule.min_change);
        state.upper := rtp.upper_bound(state.value, rule.percent, rule.min_change);
        IF rule.peg IS NOT NULL THEN
            state.lower := greatest(state.lower, rule.peg - rule.peg * rule.peg_bps * 0.0001);
            state.upper := least(state.upper, rule.peg + rule.peg * rule.peg_bps * 0.0001);
        END IF;
        IF rule.glitch_factor IS NOT NULL THEN
            state.lower := greatest(state.lower, -abs(state.value) * rule.glitch_factor);
            state.upper := least(state.upper, abs(state.value) * rule.glitch_factor);
        END IF;
    END IF;
    state.due_at := least(
        rtp.later(state.suspect_since, rule.glitch_release),
        rtp.later(state.reported_at, CASE
            WHEN state.is_held THEN coalesce(rule.cooldown, interval '0')
            WHEN rule.heartbeat IS NOT NULL THEN greatest(rule.heartbeat, rule.cooldown)
        END)
    );
    RETURN state;
END
$$;

CREATE TABLE public.prices (
    chain text NOT NULL,
    token text NOT NULL,
    price_usd numeric,
    confidence double precision,
    source text NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT prices_confidence_check CHECK (((confidence >= (0)::double precision) AND (confidence <= (1)::double precision)))
);

CREATE TABLE public.protocols (
    protocol text NOT NULL,
    name text NOT NULL,
    category text,
    chain text DEFAULT 'all'::text NOT NULL,
    url text,
    audits integer,
    parent text,
    source text NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.tvl (
    chain text NOT NULL,
    protocol text NOT NULL,
    tvl_usd numeric,
    source text NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE rtp.cursor (
    sink text NOT NULL,
    snapshot pg_snapshot NOT NULL,
    until pg_snapshot,
    after_id bigint DEFAULT 0 NOT NULL,
    floor_id bigint DEFAULT 0 NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
)
WITH (fillfactor='10');

CREATE TABLE rtp.dead_letter (
    id bigint NOT NULL,
    sink text NOT NULL,
    event_id bigint NOT NULL,
    event jsonb NOT NULL,
    error text NOT NULL,
    attempts integer NOT NULL,
    rejected_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE rtp.dead_letter ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME rtp.dead_letter_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE SEQUENCE rtp.event_id
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE rtp.event (
    id bigint DEFAULT nextval('rtp.event_id'::regclass) NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    watch smallint NOT NULL,
    chain text NOT NULL,
    entity text NOT NULL,
    previous numeric,
    current numeric,
    fields jsonb,
    reason text NOT NULL,
    severity text DEFAULT 'info'::text NOT NULL,
    duration interval,
    confidence double precision NOT NULL,
    provenance text,
    changed_at timestamp with time zone NOT NULL,
    detected_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
)
WITH (autovacuum_vacuum_insert_threshold='1000000');

CREATE TABLE rtp.installation (
    only_row boolean DEFAULT true NOT NULL,
    log_id text DEFAULT "left"(md5((gen_random_uuid())::text), 12) NOT NULL,
    schema_version integer NOT NULL,
    functions_md5 text DEFAULT ''::text NOT NULL,
    installed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT installation_only_row_check CHECK (only_row)
);

CREATE TABLE rtp.quarantine (
    id bigint NOT NULL,
    watch smallint NOT NULL,
    chain text NOT NULL,
    entity text NOT NULL,
    what text NOT NULL,
    baseline numeric,
    value numeric,
    noted_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE rtp.quarantine ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME rtp.quarantine_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE rtp.sample ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME rtp.sample_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE rtp.trigger_error (
    id bigint NOT NULL,
    watch text NOT NULL,
    operation text NOT NULL,
    sqlstate text NOT NULL,
    message text NOT NULL,
    weight integer DEFAULT 1 NOT NULL,
    occurred_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE rtp.trigger_error ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME rtp.trigger_error_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE UNLOGGED TABLE rtp.trigger_timing (
    watch smallint NOT NULL,
    weight integer NOT NULL,
    rows bigint,
    events bigint NOT NULL,
    microseconds bigint NOT NULL,
    measured_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE rtp.watch (
    id smallint NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    table_name text NOT NULL,
    settings jsonb NOT NULL,
    function_md5 text NOT NULL,
    rules integer NOT NULL,
    removed_at timestamp with time zone
);

INSERT INTO rtp.installation VALUES (true, '1ce4fa4878cc', 1, 'c1b8bd373ee42efa4e3c68816c1e8742', '2026-11-24 21:29:04.693477+00');

INSERT INTO rtp.watch VALUES (1, 'tvl', 'tvl', 'public.tvl', '{"kind": "tvl", "shape": "latest", "table": "public.tvl", "columns": {"chain": "chain", "value": "tvl_usd", "protocol": "protocol", "changed_at": "updated_at", "provenance": "source"}, "percent": "1", "severity": {"info": "0", "warning": "5", "critical": "20"}, "overrides": [], "confidence": 1.0, "emit_first": false, "min_change": "0", "compare_with": "last_event"}', '866983a3a962e28aa11bd6e27180bed2', 1, NULL);
INSERT INTO rtp.watch VALUES (2, 'prices', 'price', 'public.prices', '{"kind": "price", "shape": "latest", "table": "public.prices", "columns": {"chain": "chain", "token": "token", "value": "price_usd", "changed_at": "updated_at", "confidence": "confidence", "provenance": "source"}, "percent": "0.1", "severity": {"info": "0", "warning": "5", "critical": "20"}, "overrides": [], "confidence": 1.0, "emit_first": false, "min_change": "0", "compare_with": "last_event"}', '5a6831809ef141d44fbec9f75afbab59', 1, NULL);
INSERT INTO rtp.watch VALUES (3, 'protocols', 'protocol', 'public.protocols', '{"kind": "protocol", "table": "public.protocols", "columns": {"chain": "chain", "protocol": "protocol", "changed_at": "updated_at", "provenance": "source"}, "watched": ["name", "category", "url", "audits", "parent"], "confidence": 1.0}', '2fc68dac208b180f757668255dbf19d7', 1, NULL);

SELECT pg_catalog.setval('rtp.dead_letter_id_seq', 1, false);

SELECT pg_catalog.setval('rtp.event_id', 1, false);

SELECT pg_catalog.setval('rtp.quarantine_id_seq', 1, false);

SELECT pg_catalog.setval('rtp.sample_id_seq', 1, false);

SELECT pg_catalog.setval('rtp.trigger_error_id_seq', 1, false);

ALTER TABLE ONLY public.prices
    ADD CONSTRAINT prices_pkey PRIMARY KEY (chain, token);

ALTER TABLE ONLY public.protocols
    ADD CONSTRAINT protocols_pkey PRIMARY KEY (protocol);

ALTER TABLE ONLY public.tvl
    ADD CONSTRAINT tvl_pkey PRIMARY KEY (chain, protocol);

ALTER TABLE ONLY rtp.baseline
    ADD CONSTRAINT baseline_pkey PRIMARY KEY (watch, chain, entity);

ALTER TABLE ONLY rtp.cursor
    ADD CONSTRAINT cursor_pkey PRIMARY KEY (sink);

ALTER TABLE ONLY rtp.dead_letter
    ADD CONSTRAINT dead_letter_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rtp.event
    ADD CONSTRAINT event_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rtp.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY rtp.quarantine
    ADD CONSTRAINT quarantine_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rtp.sample
    ADD CONSTRAINT sample_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rtp.trigger_error
    ADD CONSTRAINT trigger_error_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rtp.watch
    ADD CONSTRAINT watch_name_key UNIQUE (name);

ALTER TABLE ONLY rtp.watch
    ADD CONSTRAINT watch_pkey PRIMARY KEY (id);

CREATE INDEX baseline_due_at ON rtp.baseline USING btree (due_at) WHERE (due_at IS NOT NULL);

CREATE INDEX event_xid_id ON rtp.event USING btree (xid, id);

CREATE INDEX sample_entity ON rtp.sample USING btree (watch, chain, entity, sampled_at, id);

CREATE TRIGGER rtp_prices_delete AFTER DELETE ON public.prices REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION rtp.watch_prices();

CREATE TRIGGER rtp_prices_insert AFTER INSERT ON public.prices REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION rtp.watch_prices();

CREATE TRIGGER rtp_prices_truncate AFTER TRUNCATE ON public.prices FOR EACH STATEMENT EXECUTE FUNCTION rtp.watch_prices();

CREATE TRIGGER rtp_prices_update AFTER UPDATE ON public.prices REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION rtp.watch_prices();

CREATE TRIGGER rtp_protocols_delete AFTER DELETE ON public.protocols REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION rtp.watch_protocols();

CREATE TRIGGER rtp_protocols_insert AFTER INSERT ON public.protocols REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION rtp.watch_protocols();

CREATE TRIGGER rtp_protocols_truncate AFTER TRUNCATE ON public.protocols FOR EACH STATEMENT EXECUTE FUNCTION rtp.watch_protocols();

CREATE TRIGGER rtp_protocols_update AFTER UPDATE ON public.protocols REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION rtp.watch_protocols();

CREATE TRIGGER rtp_tvl_delete AFTER DELETE ON public.tvl REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION rtp.watch_tvl();

CREATE TRIGGER rtp_tvl_insert AFTER INSERT ON public.tvl REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION rtp.watch_tvl();

CREATE TRIGGER rtp_tvl_truncate AFTER TRUNCATE ON public.tvl FOR EACH STATEMENT EXECUTE FUNCTION rtp.watch_tvl();

CREATE TRIGGER rtp_tvl_update AFTER UPDATE ON public.tvl REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION rtp.watch_tvl();
