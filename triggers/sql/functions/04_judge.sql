-- The rule book of docs/detection.md; core/detection/judge.py is its twin.

-- judge: what a sample, or time alone, means for an entity that has a baseline.
--   what   `sample`: rules 3 to 7; `released`: rules 4 to 7, the quarantine is over; `tick`: rules 5 to 7, time has passed
--   value, at          the value, and its moment
--   by_previous_row    compare_with: every sample becomes the baseline, reported or not
--   rules              the revision of the watch's rules, which the new band will hold for
-- Returns the baseline as it is to be, what to report (reason null: nothing), and what became of a quarantine. Writes nothing.
CREATE OR REPLACE FUNCTION rtp.judge(
    before rtp.baseline, what text, value numeric, at timestamptz, rule rtp.rule, rules integer, by_previous_row boolean,
    OUT after rtp.baseline, OUT reason text, OUT severity text, OUT duration interval, OUT guard text
)
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

-- later: a moment and a pause after it. A day is 24 hours here, whatever the clocks of the session's time zone do at night.
CREATE OR REPLACE FUNCTION rtp.later(moment timestamptz, pause interval)
RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT moment + make_interval(secs => extract(epoch FROM pause)::double precision)
$$;

-- with_band: a baseline with its band, and its next appointment, made anew.
-- No band where every sample needs a closer look. One reason is not obvious: a heartbeat during a quarantine reports the value
-- before it, which must therefore be remembered even when it is within the band.
CREATE OR REPLACE FUNCTION rtp.with_band(state rtp.baseline, rule rtp.rule, rules integer, by_previous_row boolean)
RETURNS rtp.baseline LANGUAGE plpgsql STABLE
AS $$
BEGIN
    state.rules := rules;
    state.lower := NULL;
    state.upper := NULL;
    IF NOT (by_previous_row OR state.is_held OR state.suspect_since IS NOT NULL OR state.off_peg_since IS NOT NULL
            OR rule.glitch_factor IS NOT NULL AND rule.heartbeat IS NOT NULL) THEN
        state.lower := rtp.lower_bound(state.value, rule.percent, rule.min_change);
        state.upper := rtp.upper_bound(state.value, rule.percent, rule.min_change);
        -- greatest() and least() pass over a null, which must stay one.
        IF state.lower IS NOT NULL AND state.upper IS NOT NULL THEN
            state.lower := greatest(
                state.lower, rule.peg - rule.peg * rule.peg_bps * 0.0001, -abs(state.value) * rule.glitch_factor);
            state.upper := least(
                state.upper, rule.peg + rule.peg * rule.peg_bps * 0.0001, abs(state.value) * rule.glitch_factor);
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
