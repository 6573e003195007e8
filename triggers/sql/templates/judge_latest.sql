WITH touched AS MATERIALIZED (
    SELECT n.*, b.place, b.value AS previous, b.entity IS NULL AS is_unseen
    FROM ({new_sample}) AS n
    {lookup}
    WHERE (n.value > b.lower AND n.value < b.upper AND b.rules = {rules}) IS NOT TRUE
), judged AS MATERIALIZED (
    SELECT t.*, v.reason, CASE WHEN v.reason IS NULL THEN t.previous ELSE t.value END AS reported
    FROM touched AS t
    CROSS JOIN LATERAL (SELECT rtp.verdict(t.previous, t.value, t.percent, t.min_change) AS reason) AS v
    WHERE NOT t.is_unseen
), moved AS (
    -- By place, not by key, which would be looked up a second time. The place holds: this is the statement that read it.
    UPDATE rtp.baseline AS b
    SET value = j.reported, rules = {rules},
        reported_at = CASE WHEN j.reason IS NULL THEN b.reported_at ELSE clock_timestamp() END,
        lower = rtp.lower_bound(j.reported, j.percent, j.min_change),
        upper = rtp.upper_bound(j.reported, j.percent, j.min_change)
    FROM judged AS j
    WHERE b.ctid = j.place AND (j.reason IS NOT NULL OR b.rules <> {rules})
), appended AS (
    INSERT INTO rtp.event
        (watch, chain, entity, previous, current, reason, severity, confidence, provenance, changed_at)
    SELECT {watch}, chain, entity, previous, value, reason,
           rtp.severity(previous, value, reason, warning, critical), confidence, provenance, changed_at
    FROM judged WHERE reason IS NOT NULL
    RETURNING 1
)
SELECT (SELECT count(*) FROM appended), count(*) FILTER (WHERE t.is_unseen)
{into}
FROM touched AS t
