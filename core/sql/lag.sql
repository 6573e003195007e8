-- How far behind the sinks are, cheaply enough to ask every few seconds however long the backlog. `rtp status` counts.

-- name: lags
-- Each sink's oldest event that it has not got, in seconds, and about how many bytes of the log wait for it: of each slot as
-- much of its size as of its ids. What waits are the two sets of core/sql/log.sql.
WITH slots AS MATERIALIZED (
    SELECT pg_total_relation_size('rtp.event_0') AS bytes, first.id AS first_id, last.id AS last_id
    FROM (SELECT id FROM rtp.event_0 ORDER BY id LIMIT 1) AS first,
         (SELECT id FROM rtp.event_0 ORDER BY id DESC LIMIT 1) AS last
    UNION ALL
    SELECT pg_total_relation_size('rtp.event_1'), first.id, last.id
    FROM (SELECT id FROM rtp.event_1 ORDER BY id LIMIT 1) AS first,
         (SELECT id FROM rtp.event_1 ORDER BY id DESC LIMIT 1) AS last
    UNION ALL
    SELECT pg_total_relation_size('rtp.event_2'), first.id, last.id
    FROM (SELECT id FROM rtp.event_2 ORDER BY id LIMIT 1) AS first,
         (SELECT id FROM rtp.event_2 ORDER BY id DESC LIMIT 1) AS last
)
SELECT c.sink,
       coalesce(greatest(extract(epoch FROM clock_timestamp() - least(newer.detected_at, late.detected_at)), 0), 0)::float8,
       (
           SELECT coalesce(sum(bytes * least(1, (last_id - passed.id)::float8 / (last_id - first_id + 1))), 0)
           FROM slots WHERE last_id > passed.id
       )::bigint
FROM rtp.cursor AS c
CROSS JOIN LATERAL (SELECT greatest(c.after_id, c.floor_id) AS id) AS passed
LEFT JOIN LATERAL (
    SELECT detected_at FROM rtp.event
    WHERE id > passed.id AND xid >= pg_snapshot_xmax(c.snapshot)
    ORDER BY id LIMIT 1
) AS newer ON true
CROSS JOIN LATERAL (
    SELECT min(e.detected_at) AS detected_at FROM pg_snapshot_xip(c.snapshot) AS straggler (xid)
    CROSS JOIN LATERAL (
        SELECT id, detected_at FROM rtp.event WHERE event.xid = straggler.xid OFFSET 0
    ) AS e
    WHERE (c.until IS NOT NULL AND pg_visible_in_snapshot(straggler.xid, c.until) AND e.id <= c.after_id) IS NOT TRUE
) AS late
ORDER BY c.sink
