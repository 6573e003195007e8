WITH touched AS MATERIALIZED (
    SELECT n.*, b.place, b.value AS previous, b.entity IS NULL AS is_unseen, b.rules <> {rules} AS is_older,
           -- One positive number has become another, outside the band of today's rule: a deviation. That is nearly every event, and
           -- to know it early spares each two thirds of the arithmetic.
           (b.rules = {rules} AND n.value > 0 AND n.value < 'Infinity' AND n.value <> b.value
            AND b.value > 0 AND b.value < 'Infinity') IS TRUE AS is_plain
    FROM ({new_sample}) AS n
    {lookup}
    WHERE (n.value > b.lower AND n.value < b.upper AND b.rules = {rules}) IS NOT TRUE
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
    SET value = j.reported, rules = {rules}, came_xid = CASE WHEN j.reason IS NULL THEN b.came_xid END,
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
    SELECT {watch}, chain, entity, previous, value, reason,
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
{into}
FROM touched AS t
