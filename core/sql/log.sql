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
-- counts up to it; read after the snapshot was taken), and counts all between the two as in progress (core/log/window.py).
-- And "the highest id known" must have been drawn: the sequence's own row, read without its lock, is up to 32 ahead for the moment
-- in which nextval() logs it, and a floor from there loses what is drawn next. pg_sequence_last_value() takes the lock.
-- Within a window, order by id: the writer's row lock makes the id order of one entity its commit order.

-- name: read_window
-- The next rows of a window, and how far it reaches. The window stays as it is (`until`) until it is read to its end;
-- without one, a new window is opened, up to now. There is always at least one row; without events its id is null.
-- Its rows are found by one of the two queries that follow: the same rows, at different costs.
WITH reach AS MATERIALIZED (
{reach}
)
SELECT reach.until::text, reach.xids_above, reach.last_id,
       e.id, e.xid::text, w.name, CASE WHEN e.reason = 'market_moved' THEN 'market' ELSE w.kind END, e.chain, e.entity,
       e.previous::text, e.current::text,
       rtp.change(e.previous, e.current), rtp.change_pct(e.previous, e.current),
       e.fields::text, e.reason, e.severity, e.confidence, e.provenance, e.changed_at, e.detected_at,
       extract(epoch FROM e.duration)::double precision, e.traceparent, e.tracestate,
       e.details::text
FROM reach
LEFT JOIN LATERAL (
{rows}
) AS e ON true
LEFT JOIN rtp.watch AS w ON w.id = e.watch
ORDER BY e.id

-- name: reach
-- How far a window reaches, and how far the log has come.
SELECT coalesce(%(until)s::pg_snapshot, pg_current_snapshot()) AS until,
       age(pg_snapshot_xmax(pg_current_snapshot())::xid) AS xids_above,
       coalesce(pg_sequence_last_value({sequence}::regclass), 0) AS last_id

-- name: recent_rows
-- Both sets lie above one id, low_id: nothing in them is older than the last few windows (core/log/window.py), as nearly
-- always. So they are one range of the primary key, at two thirds of what the other query costs.
SELECT {columns} FROM {log}
WHERE id > %(low_id)s::bigint
  AND {which}
  AND NOT pg_visible_in_snapshot(xid, %(snapshot)s::pg_snapshot)
  AND pg_visible_in_snapshot(xid, reach.until)
ORDER BY id LIMIT %(limit)s::bigint

-- name: rows_of_stragglers
-- A transaction of the first set may have written anywhere in the log.
(
    SELECT {columns} FROM {log}
    WHERE id > greatest(%(after_id)s::bigint, %(floor_id)s::bigint)
      AND {which}
      AND xid >= pg_snapshot_xmax(%(snapshot)s::pg_snapshot)
      AND pg_visible_in_snapshot(xid, reach.until)
    ORDER BY id LIMIT %(limit)s::bigint
)
UNION ALL
(
    SELECT late.*
    FROM pg_snapshot_xip(%(snapshot)s::pg_snapshot) AS straggler (xid)
    CROSS JOIN LATERAL (
        SELECT {columns} FROM {log} AS logged
        WHERE logged.xid = straggler.xid AND id > %(after_id)s::bigint AND {which}
        ORDER BY id LIMIT %(limit)s::bigint
    ) AS late
    WHERE pg_visible_in_snapshot(straggler.xid, reach.until)
)
ORDER BY id LIMIT %(limit)s::bigint

-- name: wait
-- Wait for a reason to read again, looking every few milliseconds for as many times as told: an id that was drawn, or the end
-- of a transaction that was in progress. One call instead of a poll every time; each look costs the server what a timer costs.
-- All that is looked at is outside of the statement's snapshot. It may be an event that has not committed yet, or one that never
-- will, and an event may be missed for as long as the wait lasts; so it tells when to look, not what is there.
SELECT FROM generate_series(1, %(looks)s::bigint) AS look
CROSS JOIN LATERAL (SELECT pg_sleep(%(seconds)s::double precision)::text AS done WHERE look > 0) AS pause
WHERE pg_sequence_last_value({sequence}::regclass) > %(newest_id)s::bigint
   OR EXISTS (
       SELECT FROM pg_snapshot_xip(%(snapshot)s::pg_snapshot) AS straggler (xid)
       WHERE pause.done = '' AND pg_xact_status(straggler.xid) IS DISTINCT FROM 'in progress'
   )
LIMIT 1

-- name: read_through_indexes
-- For a reader's session. The log is read through its indexes whatever the statistics say: an empty log would otherwise get a
-- plan that reads all of it, and keep that plan. A lost cursor update only repeats deliveries: no need to wait for the disk.
SELECT set_config(name, value, false)
FROM (VALUES ('enable_seqscan', 'off'), ('jit', 'off'), ('plan_cache_mode', 'force_generic_plan'), ('synchronous_commit', 'off'))
    AS s (name, value)

-- name: newest_id
-- The highest event id drawn so far, committed or not.
SELECT coalesce(pg_sequence_last_value('rtp.event_id'::regclass), 0)

-- name: find_mismatch
-- Why the cursor, or the log, cannot be this server's; null where all is well. Transaction ids and sequences only grow,
-- so what is ahead of the server's own comes from another one, or from another time. Tables keep their oid in a copy of the
-- server's files, and get a new one from a dump: the only sign of it once the new server's ids have grown past the old ones'.
SELECT CASE
    WHEN c.table_oid <> {cursors_name}::regclass THEN 'the database was restored from a dump'
    WHEN pg_snapshot_xmax(c.snapshot) > server.next_xid OR pg_snapshot_xmax(c.until) > server.next_xid
        THEN 'its transactions are ahead of the server''s'
    WHEN greatest(c.after_id, c.floor_id) > server.last_id THEN 'its sequence is ahead of the log''s'
    WHEN (SELECT xid FROM {log} ORDER BY xid DESC LIMIT 1) >= server.next_xid
        THEN 'the log''s transactions are ahead of the server''s'
END
FROM {cursors} AS c
CROSS JOIN LATERAL (
    SELECT ((pg_snapshot_xmax(now.snapshot)::text::bigint + age(pg_snapshot_xmax(now.snapshot)::xid))::text)::xid8 AS next_xid,
           coalesce(pg_sequence_last_value({sequence}::regclass), 0) AS last_id
    FROM (SELECT pg_current_snapshot() AS snapshot) AS now
) AS server
WHERE c.{reader}::text = %(reader)s

-- name: take_cursor
-- Where a sink stands. The epoch goes into the row, so a leader of an earlier epoch can no longer move the cursor.
-- No row where a later epoch has the cursor.
UPDATE rtp.cursor SET epoch = greatest(epoch, %(epoch)s::bigint)
WHERE sink = %(sink)s AND (epoch <= %(epoch)s::bigint OR %(epoch)s::bigint = 0)
RETURNING snapshot::text, until::text, after_id, floor_id

-- name: known_sinks
-- The sinks that have a cursor.
SELECT sink FROM rtp.cursor ORDER BY sink

-- name: cursor_epoch
-- In which epoch a cursor was taken up.
SELECT epoch FROM rtp.cursor WHERE sink = %(sink)s

-- name: create_cursor
-- A new sink starts at the beginning of the log: the snapshot before every transaction.
INSERT INTO rtp.cursor (sink, snapshot, table_oid) VALUES (%(sink)s, '1:1:', 'rtp.cursor'::regclass) ON CONFLICT DO NOTHING

-- name: create_cursor_at_latest
-- A new sink that is not to get what was there before it: of what is visible now, all is passed.
INSERT INTO rtp.cursor (sink, snapshot, until, after_id, table_oid)
SELECT %(sink)s, '1:1:', pg_current_snapshot(), coalesce(pg_sequence_last_value('rtp.event_id'::regclass), 0),
       'rtp.cursor'::regclass
ON CONFLICT DO NOTHING

-- name: save_cursor
-- Note how far a sink has got; no row where the cursor was taken in another epoch. May commit asynchronously: a crash then
-- only repeats deliveries.
UPDATE rtp.cursor
SET snapshot = %(snapshot)s::pg_snapshot, until = %(until)s::pg_snapshot,
    after_id = %(after_id)s, floor_id = %(floor_id)s, updated_at = clock_timestamp()
WHERE sink = %(sink)s AND (epoch = %(epoch)s::bigint OR %(epoch)s::bigint = 0)
RETURNING true

-- name: add_dead_letter
-- Keep what a sink can never take. Read again, from a cursor that was put back, it is the same letter.
INSERT INTO rtp.dead_letter AS known (sink, event_id, event, error, attempts, first_attempt_at, last_attempt_at)
VALUES (%(sink)s, %(event_id)s, %(event)s, %(error)s, %(attempts)s, %(first_attempt_at)s, %(last_attempt_at)s)
ON CONFLICT (sink, event_id) WHERE status = 'dead' DO UPDATE
SET error = excluded.error, attempts = known.attempts + excluded.attempts, last_attempt_at = excluded.last_attempt_at

-- name: read_installation
-- Which log this is, of which version, and by which rtp: in JSON, as a schema of another version may not have that column.
SELECT log_id, schema_version, to_jsonb(i) ->> 'installed_by' FROM rtp.installation AS i
