-- Putting a sink's cursor elsewhere, by hand. core/log/reset.py says in which order.

-- name: forget
-- A sink that is no longer used.
DELETE FROM rtp.cursor WHERE sink = %(sink)s

-- name: last_sequence
-- The highest sequence so far; a restored log may hold some above its own counter.
SELECT greatest(coalesce(pg_sequence_last_value('rtp.event_id'::regclass), 0), (SELECT id FROM rtp.event ORDER BY id DESC LIMIT 1))

-- name: mend_log
-- A log from another server: what its transactions are called there may be in this server's future, where no snapshot sees
-- it. They get this transaction's id. Another sink that has got them already gets them again: better twice than never.
WITH server AS MATERIALIZED (
    SELECT ((pg_snapshot_xmax(now.snapshot)::text::bigint + age(pg_snapshot_xmax(now.snapshot)::xid))::text)::xid8 AS next_xid
    FROM (SELECT pg_current_snapshot() AS snapshot) AS now
), events AS (
    UPDATE rtp.event SET xid = pg_current_xact_id() FROM server WHERE xid >= server.next_xid RETURNING 1
)
SELECT count(*) FROM events

-- name: forget_judged_samples
-- Which samples of another server's log were judged, only its own cursors can tell. This server's transactions may have the same
-- numbers; their samples have ids above all that the cursors have passed.
DELETE FROM rtp.sample AS s USING rtp.judge_cursor AS c
WHERE c.watch = coalesce((SELECT own.watch FROM rtp.judge_cursor AS own WHERE own.watch = s.watch), 0)
  AND s.id <= greatest(c.floor_id, c.after_id, c.piece_end)
  AND (pg_visible_in_snapshot(s.xid, c.snapshot) OR pg_visible_in_snapshot(s.xid, c.until) AND (
{is_judged_within}
  ))

-- name: take_over_samples
-- All that is left is this transaction's, in the order in which it was.
UPDATE rtp.sample SET xid = pg_current_xact_id()

-- name: renew_judge_cursors
-- Nothing of what is left is judged, and no watch is ahead of another.
WITH behind AS (
    DELETE FROM rtp.judge_cursor WHERE watch <> 0
)
UPDATE rtp.judge_cursor
SET snapshot = '1:1:', until = NULL, after_id = 0, floor_id = 0, table_oid = 'rtp.judge_cursor'::regclass
WHERE watch = 0

-- name: take_over_looks
-- Nobody whom a look waited for is left.
UPDATE rtp.look SET waits_for = '{}'

-- name: raise_sample_id
-- A restored log may hold ids above its own counter.
SELECT setval('rtp.sample_id', greatest(pg_sequence_last_value('rtp.sample_id'::regclass), (SELECT max(id) FROM rtp.sample)))
WHERE EXISTS (SELECT FROM rtp.sample)

-- name: place
-- Of all that is committed, events up to a sequence are delivered, later ones are not. What commits from now on is not,
-- whatever its sequence.
INSERT INTO rtp.cursor AS c (sink, snapshot, until, after_id, floor_id, table_oid)
VALUES (%(sink)s, '1:1:', pg_current_snapshot(), %(after_id)s::bigint, 0, 'rtp.cursor'::regclass)
ON CONFLICT (sink) DO UPDATE
SET snapshot = excluded.snapshot, until = excluded.until, after_id = excluded.after_id, floor_id = excluded.floor_id,
    table_oid = excluded.table_oid, updated_at = clock_timestamp()

-- name: count_waiting
-- How many events the sink gets now.
SELECT count(*) FROM rtp.event WHERE id > %(after_id)s::bigint
