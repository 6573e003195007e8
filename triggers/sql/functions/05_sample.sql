-- Samples one by one: for rules with a memory beyond the baseline's value, for tables of history, and for rtp run.

-- first_baseline: the baseline of an entity that was never seen before.
CREATE OR REPLACE FUNCTION rtp.first_baseline(sample rtp.sample, rule rtp.rule, rules integer, by_previous_row boolean)
RETURNS rtp.baseline LANGUAGE plpgsql STABLE
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

-- append: one event into the log. Writes rtp.event.
CREATE OR REPLACE FUNCTION rtp.append(
    sample rtp.sample, previous numeric, current numeric, reason text, severity text, duration interval
)
RETURNS void LANGUAGE sql
AS $$
    INSERT INTO rtp.event (watch, chain, entity, previous, current, reason, severity, duration, confidence, provenance, changed_at)
    VALUES (sample.watch, sample.chain, sample.entity, previous, current, reason, severity, duration,
            sample.confidence, sample.provenance, sample.changed_at)
$$;

-- take: judge one sample of an entity whose baseline the caller has locked; `state` is null for one never seen before.
--   what   `sample` or `deleted`; `tick` or `released` where time has passed
-- Returns how many events that made. Writes rtp.baseline, rtp.event, rtp.quarantine.
CREATE OR REPLACE FUNCTION rtp.take(
    sample rtp.sample, state rtp.baseline, what text, rule rtp.rule, rules integer, is_history boolean, by_previous_row boolean
)
RETURNS integer LANGUAGE plpgsql
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

-- leave: put a sample where rtp run will find it. Writes rtp.sample.
CREATE OR REPLACE FUNCTION rtp.leave(sample rtp.sample)
RETURNS void LANGUAGE sql
AS $$
    INSERT INTO rtp.sample (watch, chain, entity, what, value, sampled_at, changed_at, confidence, provenance)
    VALUES (sample.watch, sample.chain, sample.entity, sample.what, sample.value, sample.sampled_at,
             sample.changed_at, sample.confidence, sample.provenance)
$$;

-- take_or_leave: judge a sample at once if that asks nobody to wait, else leave it to rtp run. For triggers.
-- At once means: the entity is known, none of its samples is waiting, its baseline is not locked, and the transaction sees the
-- newest of all that (READ COMMITTED). Returns how many events that made, null where it was left. Writes what `take` does, or
-- rtp.sample.
CREATE OR REPLACE FUNCTION rtp.take_or_leave(
    sample rtp.sample, rule rtp.rule, rules integer, is_history boolean, by_previous_row boolean
)
RETURNS integer LANGUAGE plpgsql
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

-- forget: entities whose rows are gone: an event each, and no baseline. Returns how many. Writes rtp.event and rtp.baseline.
CREATE OR REPLACE FUNCTION rtp.forget(
    of_watch smallint, chains text[], entities text[], with_confidence double precision, with_provenance text
)
RETURNS bigint LANGUAGE sql
AS $$
    WITH gone AS (
        -- Looked up by their whole key, whatever the planner knows of the table, as in templates/lookup.sql.
        DELETE FROM rtp.baseline AS b
        USING unnest(chains, entities) AS e (chain, entity)
        CROSS JOIN LATERAL (
            SELECT k.ctid FROM rtp.baseline AS k
            WHERE k.watch = of_watch AND k.chain = e.chain AND k.entity = e.entity LIMIT 1
        ) AS known (place)
        WHERE b.ctid = known.place
        RETURNING b.chain, b.entity, b.value
    ), appended AS (
        INSERT INTO rtp.event (watch, chain, entity, previous, reason, severity, confidence, provenance, changed_at)
        SELECT of_watch, chain, entity, value, 'deleted', 'warning', with_confidence, with_provenance, statement_timestamp()
        FROM gone ORDER BY chain, entity
        RETURNING 1
    )
    SELECT count(*) FROM appended
$$;
