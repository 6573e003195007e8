-- Reading the log of samples, as core/sql/log.sql reads that of events, and keeping how far it is judged. One cursor, that of
-- watch 0, stands for all watches that keep up: the front. A watch that has fallen behind has a cursor of its own, until it
-- has caught up with the front.

-- name: read_samples
-- The next rows of a window. There is always at least one row; without samples its id is null.
WITH reach AS MATERIALIZED (
{reach}
)
SELECT reach.until::text, reach.xids_above, reach.last_id,
       s.id, s.watch, s.chain, s.entity, s.what, s.value, s.sampled_at, s.changed_at,
       s.confidence, s.provenance, s.traceparent, s.tracestate, s.appended_at, s.xid::text, s.source, s.former_chain, s.former_entity
FROM reach
LEFT JOIN LATERAL (
{rows}
) AS s ON true
ORDER BY s.id

-- name: of_watches
-- Which rows of a window are read: those of some watches, or those of all others, up to an id.
(watch = ANY (%(watches)s::smallint[])) = %(are_read)s::boolean AND id <= %(through_id)s::bigint

-- name: count_samples
-- Of the next rows of a window: how many are of each watch, and up to which id. One row with a null where there are none.
WITH reach AS MATERIALIZED (
{reach}
)
SELECT reach.until::text, reach.xids_above, reach.last_id, s.watch, s.samples, s.last_id
FROM reach
LEFT JOIN LATERAL (
    SELECT watch, count(*) AS samples, max(id) AS last_id
    FROM (
{rows}
    ) AS next
    GROUP BY watch
) AS s ON true

-- name: is_judged_within
-- Whether a sample `s` of the window that a cursor `c` is inside is judged: all are up to after_id, and of the piece behind
-- that, which is judged entity by entity, those up to the last one judged.
s.id <= c.after_id
OR s.id <= c.piece_end AND CASE
    WHEN c.after_at IS NULL THEN (s.chain, s.entity, s.id) <= (c.after_chain, c.after_entity, c.after_sample)
    ELSE (s.chain, s.entity, s.sampled_at, s.id) <= (c.after_chain, c.after_entity, c.after_at, c.after_sample)
END

-- name: create_front
-- Where nothing was ever judged, all of the log is still to be judged.
INSERT INTO rtp.judge_cursor (watch, snapshot, table_oid) VALUES (0, '1:1:', 'rtp.judge_cursor'::regclass) ON CONFLICT DO NOTHING

-- name: take_front
-- The epoch goes into the front's row, which fences all rows: whoever saves any, moves the front's in the same statement, and a
-- leader of an earlier epoch no longer can. No row where a later epoch has it.
UPDATE rtp.judge_cursor SET epoch = greatest(epoch, %(epoch)s::bigint)
WHERE watch = 0 AND (epoch <= %(epoch)s::bigint OR %(epoch)s::bigint = 0)
RETURNING epoch

-- name: read_cursors
-- How far all watches are judged. To be asked after take_front, in a statement of its own: what an earlier leader saved at that
-- moment is seen here, and only here.
SELECT watch, snapshot::text, until::text, after_id, floor_id, piece_end, after_chain, after_entity, after_at, after_sample
FROM rtp.judge_cursor

-- name: front_epoch
-- In which epoch the cursors were taken.
SELECT epoch FROM rtp.judge_cursor WHERE watch = 0

-- name: save_front
-- Note how far the front has got, where no watch that is behind has moved. It fails, by a division by zero, where another epoch has
-- the cursors: then nothing that is sent behind it, in the same transaction, is done.
WITH front AS (
    UPDATE rtp.judge_cursor
    SET snapshot = %(snapshot)s::pg_snapshot, until = %(until)s::pg_snapshot,
        after_id = %(after_id)s, floor_id = %(floor_id)s, updated_at = clock_timestamp()
    WHERE watch = 0 AND (epoch = %(epoch)s::bigint OR %(epoch)s::bigint = 0)
    RETURNING epoch
)
SELECT 1 / count(*) FROM front

-- name: save_all
-- The same where watches that are behind have moved, began to be behind, or have caught up: all of it, or nothing.
WITH front AS (
    UPDATE rtp.judge_cursor
    SET snapshot = %(snapshot)s::pg_snapshot, until = %(until)s::pg_snapshot,
        after_id = %(after_id)s, floor_id = %(floor_id)s, updated_at = clock_timestamp()
    WHERE watch = 0 AND (epoch = %(epoch)s::bigint OR %(epoch)s::bigint = 0)
    RETURNING epoch
), behind AS (
    INSERT INTO rtp.judge_cursor AS before (
        watch, snapshot, until, after_id, floor_id, piece_end, after_chain, after_entity, after_at, after_sample, epoch, table_oid
    )
    SELECT moved.*, front.epoch, 'rtp.judge_cursor'::regclass
    FROM front, unnest(
        %(watches)s::smallint[], %(snapshots)s::pg_snapshot[], %(untils)s::pg_snapshot[], %(after_ids)s::bigint[],
        %(floor_ids)s::bigint[], %(piece_ends)s::bigint[], %(chains)s::text[], %(entities)s::text[], %(times)s::timestamptz[],
        %(samples)s::bigint[]
    ) AS moved
    ON CONFLICT (watch) DO UPDATE
    SET snapshot = excluded.snapshot, until = excluded.until, after_id = excluded.after_id, floor_id = excluded.floor_id,
        piece_end = excluded.piece_end, after_chain = excluded.after_chain, after_entity = excluded.after_entity,
        after_at = excluded.after_at, after_sample = excluded.after_sample, epoch = excluded.epoch,
        updated_at = clock_timestamp()
), caught_up AS (
    DELETE FROM rtp.judge_cursor USING front WHERE watch = ANY (%(caught_up)s::smallint[])
)
SELECT 1 / count(*) FROM front
