-- The newest event of every entity, from what a rotation has kept and what is in the log.

-- name: declare_latest_events
-- All of them, as core/sql/log.sql's read_window gives its rows. The log is scanned for ids, and only the newest are looked up:
-- sorting its rows took 3 to 6 times as long. It is read page by page, until the transaction ends. It may include events that a
-- sink has not got yet. A rotation that is under way has kept rows that are still in the log, hence DISTINCT.
DECLARE latest_events NO SCROLL CURSOR FOR
SELECT DISTINCT ON (e.id)
       e.id, e.xid::text, w.name, CASE WHEN e.reason = 'market_moved' THEN 'market' ELSE w.kind END, e.chain, e.entity,
       e.previous::text, e.current::text,
       rtp.change(e.previous, e.current), rtp.change_pct(e.previous, e.current),
       e.fields::text, e.reason, e.severity, e.confidence, e.provenance, e.changed_at, e.detected_at,
       extract(epoch FROM e.duration)::double precision, e.traceparent, e.tracestate,
       e.details::text
FROM (
    SELECT max(id) AS id
    FROM (
        SELECT watch, chain, entity, id FROM rtp.latest_event
        UNION ALL
        SELECT watch, chain, entity, id FROM rtp.event
    ) AS every
    -- What was told of a former name was told of the entity that is called otherwise now.
    WHERE NOT EXISTS (
        SELECT FROM rtp.rename AS r
        WHERE r.watch = every.watch AND r.former_chain = every.chain AND r.former_entity = every.entity AND every.id < r.event_id
    )
    GROUP BY watch, chain COLLATE "C", entity COLLATE "C"
) AS newest
JOIN (SELECT * FROM rtp.latest_event UNION ALL SELECT * FROM rtp.event) AS e USING (id)
JOIN rtp.watch AS w ON w.id = e.watch AND w.removed_at IS NULL
ORDER BY e.id
