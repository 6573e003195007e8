-- What rtp run does besides delivering: it judges the samples that triggers left, and looks again where time has passed.

-- judge_waiting: judge waiting samples, per entity by time, then id; about max_samples, and of one entity at
-- most max_samples_per_entity.
-- Entities whose baseline some transaction has locked are passed over until the next call: nobody waits, nor does the rest.
-- Returns how many samples were judged, how many events that made, and whether there is more to do at once.
-- Writes rtp.baseline, rtp.event, rtp.quarantine; deletes from rtp.sample. Call it in a transaction of its own.
CREATE OR REPLACE FUNCTION rtp.judge_waiting(
    max_samples integer, max_samples_per_entity integer, OUT judged integer, OUT events integer, OUT has_more boolean
)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    waiting record;
    made    record;
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
        SELECT e.watch, e.chain, e.entity, w.name FROM entity AS e JOIN rtp.watch AS w ON w.id = e.watch
    LOOP
        EXIT WHEN judged >= max_samples;
        made := rtp.judge_entity(waiting.watch, waiting.chain, waiting.entity, waiting.name, max_samples_per_entity);
        judged := judged + made.judged;
        events := events + made.events;
        has_more := has_more OR made.judged >= max_samples_per_entity;
    END LOOP;
    has_more := has_more OR judged >= max_samples;
END
$$;

-- judge_entity: the same for one entity.
CREATE OR REPLACE FUNCTION rtp.judge_entity(
    of_watch smallint, of_chain text, of_entity text, watch_name text, max_samples integer, OUT judged integer, OUT events integer
)
LANGUAGE plpgsql
AS $$
DECLARE
    state  rtp.baseline;
    sample rtp.sample;
    terms  record;
BEGIN
    judged := 0;
    events := 0;
    SELECT b.* INTO state FROM rtp.baseline AS b
    WHERE b.watch = of_watch AND b.chain = of_chain AND b.entity = of_entity
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND AND EXISTS (
        SELECT FROM rtp.baseline AS b WHERE b.watch = of_watch AND b.chain = of_chain AND b.entity = of_entity
    ) THEN
        RETURN;
    END IF;

    -- The watch's compiled half: its rule for this entity, its shape, and how to look the value of now up.
    EXECUTE format('SELECT * FROM rtp.%I($1, $2)', 'terms_' || watch_name) INTO terms USING of_chain, of_entity;
    FOR sample IN
        SELECT s.* FROM rtp.sample AS s
        WHERE s.watch = of_watch AND s.chain = of_chain AND s.entity = of_entity
        ORDER BY s.sampled_at, s.id LIMIT max_samples
    LOOP
        IF sample.what = 'tick' THEN
            CONTINUE WHEN sample.recheck_after >= pg_snapshot_xmin(pg_current_snapshot());
            events := events + rtp.take_tick(sample, state, watch_name, terms.rule, terms.rules, terms.is_history, terms.by_previous_row);
        ELSE
            events := events
                + rtp.take(sample, state, sample.what, terms.rule, terms.rules, terms.is_history, terms.by_previous_row);
            DELETE FROM rtp.sample AS s WHERE s.id = sample.id;
        END IF;
        judged := judged + 1;
        state := NULL;
        SELECT b.* INTO state FROM rtp.baseline AS b
        WHERE b.watch = of_watch AND b.chain = of_chain AND b.entity = of_entity;
    END LOOP;
END
$$;

-- take_tick: judge the value of now, because time has passed; then the tick is done with.
-- In a table updated in place it stays a while longer: a transaction that does not see the tick may have found its value
-- within a band that is no more. Once all of those have ended, the value of then is judged once again.
CREATE OR REPLACE FUNCTION rtp.take_tick(
    tick rtp.sample, state rtp.baseline, watch_name text, rule rtp.rule, rules integer, is_history boolean,
    by_previous_row boolean
)
RETURNS integer LANGUAGE plpgsql
AS $$
DECLARE
    is_released boolean;
BEGIN
    IF is_history OR tick.recheck_after IS NOT NULL OR state.entity IS NULL THEN
        DELETE FROM rtp.sample AS s WHERE s.id = tick.id;
    ELSE
        UPDATE rtp.sample AS s SET recheck_after = pg_current_xact_id() WHERE s.id = tick.id;
    END IF;
    IF state.entity IS NULL THEN
        RETURN 0;
    END IF;
    tick.sampled_at := clock_timestamp();
    tick.changed_at := tick.sampled_at;
    is_released := coalesce(state.suspect_since + rule.glitch_release <= tick.sampled_at, false);
    tick.value := CASE
        WHEN is_released THEN state.suspect_value
        WHEN is_history OR state.suspect_since IS NOT NULL THEN state.last_value
        ELSE rtp.value_now(watch_name, tick.chain, tick.entity, state.last_value)
    END;
    RETURN rtp.take(
        tick, state, CASE WHEN is_released THEN 'released' ELSE 'tick' END, rule, rules, is_history, by_previous_row
    );
END
$$;

-- value_now: what a table updated in place holds for an entity; `otherwise` where the row is gone.
CREATE OR REPLACE FUNCTION rtp.value_now(watch_name text, of_chain text, of_entity text, otherwise numeric)
RETURNS numeric LANGUAGE plpgsql
AS $$
DECLARE
    found_value numeric;
    found_rows  bigint;
BEGIN
    EXECUTE format('SELECT * FROM rtp.%I($1, $2)', 'now_' || watch_name) INTO found_value USING of_chain, of_entity;
    GET DIAGNOSTICS found_rows = ROW_COUNT;
    RETURN CASE WHEN found_rows > 0 THEN found_value ELSE otherwise END;
END
$$;

-- put_ticks: for each entity whose appointment has come, a tick among its waiting samples; at most max_ticks.
-- Returns how many. Writes rtp.sample and rtp.baseline.
CREATE OR REPLACE FUNCTION rtp.put_ticks(max_ticks integer)
RETURNS integer LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    WITH due AS (
        SELECT b.watch, b.chain, b.entity FROM rtp.baseline AS b
        WHERE b.due_at <= clock_timestamp()
        ORDER BY b.due_at LIMIT max_ticks
        FOR UPDATE SKIP LOCKED
    ), noted AS (
        UPDATE rtp.baseline AS b SET due_at = NULL, lower = NULL
        FROM due WHERE (b.watch, b.chain, b.entity) = (due.watch, due.chain, due.entity)
    ), put AS (
        INSERT INTO rtp.sample (watch, chain, entity, what, sampled_at, changed_at, confidence, provenance)
        SELECT due.watch, due.chain, due.entity, 'tick', clock_timestamp(), clock_timestamp(),
               coalesce((w.settings ->> 'confidence')::double precision, 1), w.settings ->> 'provenance'
        FROM due JOIN rtp.watch AS w ON w.id = due.watch
        RETURNING 1
    )
    SELECT count(*)::integer FROM put
$$;
