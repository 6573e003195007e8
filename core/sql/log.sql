-- Reading the log by snapshots, as PgQ does.
--
-- The plain query would be `WHERE id > last ORDER BY id`. It loses events: ids are drawn before commit, so a
-- transaction may commit an id smaller than one that was already read. A reader's position is therefore a snapshot:
-- everything that snapshot sees is delivered, nothing else is. The next window is what the current snapshot sees and
-- the last one did not, which is two sets:
--   1. rows of transactions that were in progress in the last snapshot and have committed since: one range of
--      (xid, id) for each such transaction. One held open for hours costs a poll one look-up, and delays nobody.
--   2. rows of transactions that began later: xid >= the last snapshot's xmax. They drew their ids after that snapshot
--      was taken, hence after every id visible in it: id > floor_id, the highest id known by then, finds them as one
--      range of the primary key. (The floor makes each poll read only the tail of the log, and a backlog is read in
--      chunks, in order, without sorting it.)
-- "Began later" needs care. The xmax of pg_current_snapshot() is the last completed transaction plus one; transactions
-- above it may be in progress, with ids drawn long ago. So the reader asks for the next transaction id as well (age()
-- counts up to it; read after the snapshot was taken), and counts all between the two as in progress (core/processor/log.py).
-- Within a window, order by id: the writer's row lock makes the id order of one entity its commit order.

-- name: read_window
-- The next rows of a window, and how far it reaches. The window stays as it is (`until`) until it is read to its end;
-- without one, a new window is opened, up to now. There is always at least one row; without events its id is null.
-- The change in percent is left out where the numbers are so far apart that NUMERIC cannot hold it.
WITH reach AS MATERIALIZED (
    SELECT coalesce(%(until)s::pg_snapshot, pg_current_snapshot()) AS until,
           age(pg_snapshot_xmax(pg_current_snapshot())::xid) AS xids_above,
           (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM rtp.event_id) AS last_id
)
SELECT reach.until::text, reach.xids_above, reach.last_id,
       e.id, e.xid::text, w.name, w.kind, e.chain, e.entity, e.previous::text, e.current::text,
       CASE WHEN abs(e.previous) < 'Infinity' AND abs(e.current) < 'Infinity'
            THEN (e.current - e.previous)::text END,
       CASE WHEN abs(e.previous) BETWEEN 1e-1000 AND 1e1000 AND abs(e.current) <= 1e1000
            -- Rounded once, half away from zero, to six decimals: div() cuts off exactly, where / would round before round().
            THEN trim_scale(
                sign(e.current - e.previous)
                * div(abs(e.current - e.previous) * 200000000 + abs(e.previous), abs(e.previous) * 2) * 0.000001
            )::text END,
       e.fields::text, e.reason, e.severity, e.confidence, e.provenance, e.changed_at, e.detected_at,
       extract(epoch FROM e.duration)::double precision
FROM reach
LEFT JOIN LATERAL (
    (
        SELECT * FROM rtp.event
        WHERE id > greatest(%(after_id)s::bigint, %(floor_id)s::bigint)
          AND xid >= pg_snapshot_xmax(%(snapshot)s::pg_snapshot)
          AND pg_visible_in_snapshot(xid, reach.until)
        ORDER BY id LIMIT %(limit)s::bigint
    )
    UNION ALL
    (
        SELECT late.*
        FROM pg_snapshot_xip(%(snapshot)s::pg_snapshot) AS straggler (xid)
        CROSS JOIN LATERAL (
            SELECT * FROM rtp.event
            WHERE event.xid = straggler.xid AND id > %(after_id)s::bigint
            ORDER BY id LIMIT %(limit)s::bigint
        ) AS late
        WHERE pg_visible_in_snapshot(straggler.xid, reach.until)
    )
    ORDER BY id LIMIT %(limit)s::bigint
) AS e ON true
LEFT JOIN rtp.watch AS w ON w.id = e.watch
ORDER BY e.id

-- name: newest_id
-- The highest event id drawn so far, committed or not.
SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM rtp.event_id

-- name: load_cursor
-- Where a sink stands.
SELECT snapshot::text, until::text, after_id, floor_id FROM rtp.cursor WHERE sink = %(sink)s

-- name: create_cursor
-- A new sink starts at the beginning of the log: the snapshot before every transaction.
INSERT INTO rtp.cursor (sink, snapshot) VALUES (%(sink)s, '1:1:') ON CONFLICT DO NOTHING

-- name: save_cursor
-- Note how far a sink has got. May commit asynchronously: a crash then only repeats deliveries.
UPDATE rtp.cursor
SET snapshot = %(snapshot)s::pg_snapshot, until = %(until)s::pg_snapshot,
    after_id = %(after_id)s, floor_id = %(floor_id)s, updated_at = clock_timestamp()
WHERE sink = %(sink)s

-- name: add_dead_letter
-- Keep what a sink can never take.
INSERT INTO rtp.dead_letter (sink, event_id, event, error, attempts)
VALUES (%(sink)s, %(event_id)s, %(event)s, %(error)s, %(attempts)s)

-- name: read_installation
-- Which log this is.
SELECT log_id, schema_version FROM rtp.installation

-- name: count_waiting
-- How many events a sink has not got yet; exact, so for people and scripts, not for every poll.
SELECT count(*)
FROM rtp.event AS e, rtp.cursor AS c
WHERE c.sink = %(sink)s
  AND NOT pg_visible_in_snapshot(e.xid, c.snapshot)
  AND NOT (c.until IS NOT NULL AND pg_visible_in_snapshot(e.xid, c.until) AND e.id <= c.after_id)
