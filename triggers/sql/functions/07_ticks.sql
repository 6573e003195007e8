-- The passing of time: rtp run looks again where a heartbeat, the end of a cooldown or of a quarantine is due.

-- put_ticks: for each entity whose appointment has come, a tick among its waiting samples; at most max_ticks.
-- One tick is enough: where the last one still waits to look a second time, it starts over.
-- Returns how many. Writes rtp.sample and rtp.baseline.
CREATE OR REPLACE FUNCTION rtp.put_ticks(max_ticks integer)
RETURNS integer LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
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

-- postpone_tick: a tick that failed comes again in a minute. Writes rtp.sample and rtp.baseline.
CREATE OR REPLACE FUNCTION rtp.postpone_tick(tick rtp.sample)
RETURNS void LANGUAGE sql
AS $$
    DELETE FROM rtp.sample AS s WHERE s.id = tick.id;
    UPDATE rtp.baseline AS b SET due_at = clock_timestamp() + interval '1 minute'
    WHERE b.watch = tick.watch AND b.chain = tick.chain AND b.entity = tick.entity
$$;

-- value_now: what a table updated in place holds for an entity, as the caller's snapshot sees it (STABLE: no newer one of its
-- own); `otherwise` where the row is gone.
CREATE OR REPLACE FUNCTION rtp.value_now(watch_name text, of_chain text, of_entity text, otherwise numeric)
RETURNS numeric LANGUAGE plpgsql STABLE
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
