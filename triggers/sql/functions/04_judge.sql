-- The rule book of docs/detection.md as one function; core/detector.py is its twin.

-- judge: what a sample means for an entity that has a baseline.
--   before    the entity's baseline
--   value     the sample's value; at, its moment
--   previous  the value to compare with: the baseline's, or the previous row's (compare_with)
--   rule      the rule that applies; rules, its revision
--   released  the quarantine is over: no glitch guard this time
-- Returns the baseline as it is to be, what to report (reason null: nothing), and a note. Writes nothing.
CREATE OR REPLACE FUNCTION rtp.judge(
    before rtp.baseline, value numeric, at timestamptz, previous numeric, rule rtp.rule, rules integer, released boolean,
    OUT after rtp.baseline, OUT reason text, OUT severity text, OUT duration interval, OUT note text
)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    is_off   boolean;
    is_jump  boolean := false;
    is_fresh boolean;
BEGIN
    after := before;

    -- 3. Glitch guard.
    IF rule.glitch_factor IS NOT NULL AND NOT released THEN
        is_jump := coalesce(abs(value) < 'Infinity' AND abs(before.value) < 'Infinity' AND before.value <> 0
                            AND abs(value) > rule.glitch_factor * abs(before.value), false);
        IF is_jump AND before.suspect_count < rule.glitch_confirmations THEN
            after.suspect_value := value;
            after.suspect_since := coalesce(before.suspect_since, at);
            after.suspect_count := before.suspect_count + 1;
            after := rtp.with_band(after, rule, rules);
            note := 'held';
            RETURN;
        ELSIF before.suspect_count > 0 THEN
            note := CASE WHEN is_jump THEN 'confirmed' ELSE 'dismissed' END;
        END IF;
    ELSIF before.suspect_count > 0 THEN
        note := 'released';
    END IF;
    after.suspect_value := NULL;
    after.suspect_since := NULL;
    after.suspect_count := 0;

    -- 4. Peg.
    IF rule.peg IS NOT NULL AND abs(value) < 'Infinity' THEN
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
    is_fresh := rule.cooldown IS NOT NULL AND at - before.reported_at < rule.cooldown;
    reason := coalesce(reason, rtp.verdict(previous, value, rule.percent, rule.min_change));
    IF reason IS NULL AND at - before.reported_at >= rule.heartbeat THEN
        reason := 'heartbeat';
    END IF;
    after.is_held := is_fresh AND reason IN ('deviation', 'heartbeat');
    IF after.is_held THEN
        reason := NULL;
        note := coalesce(note, 'cooldown');
    END IF;
    IF reason IS NOT NULL THEN
        severity := rtp.severity(previous, value, reason, rule.warning, rule.critical);
        after.value := value;
        after.reported_at := at;
    END IF;
    after := rtp.with_band(after, rule, rules);
END
$$;

-- with_band: a baseline with its band and its next appointment made anew.
CREATE OR REPLACE FUNCTION rtp.with_band(state rtp.baseline, rule rtp.rule, rules integer)
RETURNS rtp.baseline LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    state.rules := rules;
    state.lower := rtp.lower_bound(state.value, rule.percent, rule.min_change);
    state.upper := rtp.upper_bound(state.value, rule.percent, rule.min_change);
    IF state.is_held OR state.suspect_count > 0 OR state.off_peg_since IS NOT NULL THEN
        state.lower := NULL;
    ELSIF rule.peg IS NOT NULL THEN
        state.lower := greatest(state.lower, rule.peg - rule.peg * rule.peg_bps / 10000);
        state.upper := least(state.upper, rule.peg + rule.peg * rule.peg_bps / 10000);
    END IF;
    IF rule.glitch_factor IS NOT NULL THEN
        state.upper := least(state.upper, abs(state.value) * rule.glitch_factor);
        state.lower := greatest(state.lower, -abs(state.value) * rule.glitch_factor);
    END IF;
    state.due_at := least(
        state.reported_at + rule.heartbeat,
        CASE WHEN state.is_held THEN state.reported_at + rule.cooldown END,
        CASE WHEN state.suspect_count > 0 THEN state.suspect_since + rule.glitch_release END
    );
    RETURN state;
END
$$;
