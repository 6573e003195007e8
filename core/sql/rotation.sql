-- Emptying a log's slots behind the slowest cursor, as PgQ does it: TRUNCATE, which leaves no dead rows, and no DDL at run
-- time. Ids come in blocks of 262,144 (id >> 18), blocks go to the slots event_0, event_1 and event_2 in turn, and samples
-- likewise (triggers/sql/migrations/0002_rotation.sql). While ids are drawn from block b, a slot other than b's own that still
-- holds something older than block b - 1 is due. So one to two blocks of what is passed remain, and the slot that the ids
-- enter next is emptied before they do. If a reader is behind, several blocks share a slot until it has passed all of them.
--
-- A slot may be emptied when every cursor's snapshot sees all of its rows, and its newest events are kept. Both are asked
-- under the lock that TRUNCATE takes: whoever has written there has ended, or the lock would not be free. A transaction
-- that has drawn an id and not yet inserted its row does so afterwards, and is read, kept and removed like any other.
-- The lock is taken only if it is free at once, so nobody ever waits behind a request for it;
-- for the TRUNCATE and its commit a reader waits, 5 to 15 ms, and of the writers only one that is late by two blocks.

-- name: due_slots
-- The slots to empty, if their rows are passed. The blocks of the rows' ids decide, as the slots do not know theirs.
SELECT slot FROM (
    SELECT 0 AS slot, (SELECT id FROM {slot_0} ORDER BY id LIMIT 1) AS first_id
    UNION ALL SELECT 1, (SELECT id FROM {slot_1} ORDER BY id LIMIT 1)
    UNION ALL SELECT 2, (SELECT id FROM {slot_2} ORDER BY id LIMIT 1)
) AS slots, coalesce(pg_sequence_last_value({sequence}::regclass), 0) AS ids (last_value)
WHERE slot <> (ids.last_value >> 18) % 3 AND first_id >> 18 < (ids.last_value >> 18) - 1

-- name: cursors
-- What each reader has got. It only ever grows while rtp runs.
SELECT snapshot::text FROM {cursors}

-- name: now
-- What there is by now.
SELECT pg_current_snapshot()::text

-- name: keep_newest
-- Keep each entity's newest event of the next rows of a slot, from the newest back; the last one's id, null where there was
-- none. A piece at a time, as samples wait for the same thread; newest first, so that an entity is written once, not per piece.
WITH piece AS MATERIALIZED (
    SELECT * FROM {slot} WHERE id < %(before_id)s::bigint ORDER BY id DESC LIMIT 10000
), newest AS (
    SELECT max(id) AS id FROM piece GROUP BY watch, chain, entity
), kept AS (
    INSERT INTO {latest} AS before
    SELECT piece.* FROM newest JOIN piece USING (id)
    LEFT JOIN {latest} AS known USING (watch, chain, entity)
    WHERE known.id IS NULL OR known.id < piece.id
    ON CONFLICT (watch, chain, entity) DO UPDATE
    SET id = excluded.id, xid = excluded.xid, previous = excluded.previous, current = excluded.current,
        fields = excluded.fields, reason = excluded.reason, severity = excluded.severity, duration = excluded.duration,
        confidence = excluded.confidence, provenance = excluded.provenance, changed_at = excluded.changed_at,
        detected_at = excluded.detected_at, traceparent = excluded.traceparent, tracestate = excluded.tracestate,
        details = excluded.details
    WHERE before.id < excluded.id
)
SELECT min(id) FROM piece

-- name: lock
-- Nobody reads or writes the slot from here to the end of the transaction. Fails at once where somebody does.
LOCK TABLE {slot} IN ACCESS EXCLUSIVE MODE NOWAIT

-- name: is_seen
-- Do all of the snapshots see all of the slot? Two look-ups for each: the newest transaction, and those that were in progress
-- in it. (Written so that only an index can answer, whatever the planner believes about the slot's size.)
SELECT bool_and(
    coalesce((SELECT e.xid FROM {slot} AS e ORDER BY e.xid DESC LIMIT 1) < pg_snapshot_xmax(seen.by), true)
    AND 0 = (
        SELECT count(*) FROM pg_snapshot_xip(seen.by) AS straggler (xid)
        CROSS JOIN LATERAL (SELECT FROM {slot} AS e WHERE e.xid = straggler.xid OFFSET 0) AS late
    )
)
FROM unnest(%(snapshots)s::pg_snapshot[]) AS seen (by)

-- name: empty
-- Give the slot's space back.
TRUNCATE {slot}
