-- The newest event of every entity, from what a rotation has kept and what is in the log.

-- name: latest_events
-- All of them, as core/sql/log.sql's read_window gives its rows. One scan of the log and one sort: read it through a
-- server-side cursor, page by page. It may include events that a sink has not got yet.
SELECT e.id, e.xid::text, w.name, w.kind, e.chain, e.entity, e.previous::text, e.current::text,
       rtp.change(e.previous, e.current), rtp.change_pct(e.previous, e.current),
       e.fields::text, e.reason, e.severity, e.confidence, e.provenance, e.changed_at, e.detected_at,
       extract(epoch FROM e.duration)::double precision, e.traceparent, e.tracestate
FROM (
    SELECT DISTINCT ON (watch, chain COLLATE "C", entity COLLATE "C") *
    FROM (SELECT * FROM rtp.latest_event UNION ALL SELECT * FROM rtp.event) AS every
    ORDER BY watch, chain COLLATE "C", entity COLLATE "C", id DESC
) AS e
JOIN rtp.watch AS w ON w.id = e.watch AND w.removed_at IS NULL
ORDER BY e.id
