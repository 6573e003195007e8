WITH first AS (
    INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, lower, upper, came_xid)
    SELECT {watch}, n.chain, n.entity, n.value, clock_timestamp(), {rules},
           rtp.lower_bound(n.value, n.percent, n.min_change), rtp.upper_bound(n.value, n.percent, n.min_change),
           CASE WHEN NOT n.emit_first THEN pg_current_xact_id() END
    FROM ({new_sample}) AS n
    ON CONFLICT DO NOTHING
    RETURNING chain, entity
), appended AS (
    INSERT INTO rtp.event (watch, chain, entity, current, reason, confidence, provenance, changed_at)
    SELECT {watch}, n.chain, n.entity, n.value, 'first_seen', n.confidence, n.provenance, n.changed_at
    FROM first JOIN ({new_sample}) AS n USING (chain, entity)
    WHERE n.emit_first
    RETURNING 1
)
SELECT count(*) FROM appended
