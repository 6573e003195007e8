-- Samples that wait for rtp run to judge them: what the judge's cursors have not passed (core/sql/samples.sql).

-- name: waiting_samples
-- The samples behind one cursor `c`. As of a sink and its cursor (core/sql/inspection.sql), but a watch that is behind is
-- judged entity by entity within a piece of its window. Those of the first million are looked for: whoever asks has no need to know more.
SELECT s.* FROM (
    SELECT sample.*, pg_column_size(sample.*) + 60 AS size FROM rtp.sample
    WHERE id > c.floor_id AND xid >= pg_snapshot_xmax(c.snapshot)
    UNION ALL
    SELECT late.* FROM pg_snapshot_xip(c.snapshot) AS straggler (xid)
    CROSS JOIN LATERAL (
        SELECT sample.*, pg_column_size(sample.*) + 60 FROM rtp.sample WHERE sample.xid = straggler.xid OFFSET 0
    ) AS late
) AS s
WHERE CASE
        WHEN c.watch = 0 THEN s.watch <> ALL (ARRAY(SELECT watch FROM rtp.judge_cursor))
        ELSE s.watch = c.watch
    END
  AND (c.until IS NOT NULL AND pg_visible_in_snapshot(s.xid, c.until) AND (
{is_judged_within}
    )) IS NOT TRUE
LIMIT 1000000

-- name: waiting
-- Of each watch: how many samples wait, whether it may be more, for how long the oldest waits, how many bytes of the log they take,
-- and whether the watch has fallen behind the others. Looks that are put off count among them; nearly all are taken within a second.
SELECT w.name, coalesce(s.samples, 0) + l.looks, coalesce(s.has_more, false),
       coalesce(greatest(extract(epoch FROM clock_timestamp() - least(s.oldest_at, l.oldest_at)), 0), 0)::double precision,
       coalesce(s.bytes, 0)::bigint, EXISTS (SELECT FROM rtp.judge_cursor AS own WHERE own.watch = w.id)
FROM rtp.watch AS w
LEFT JOIN (
    SELECT s.watch, count(*) AS samples, sum(count(*)) OVER (PARTITION BY c.watch) >= 1000000 AS has_more,
           min(s.appended_at) AS oldest_at, sum(s.size) AS bytes
    FROM rtp.judge_cursor AS c
    CROSS JOIN LATERAL (
{waiting_samples}
    ) AS s
    GROUP BY c.watch, s.watch
) AS s ON s.watch = w.id
CROSS JOIN LATERAL (
    SELECT count(*) AS looks, min(noted_at) AS oldest_at FROM rtp.look
    WHERE watch = w.id AND noted_at < clock_timestamp() - '1 second'::interval
) AS l
WHERE w.removed_at IS NULL

-- name: waiting_of_entity
-- How many samples of an entity wait.
SELECT count(*)
FROM rtp.judge_cursor AS c
CROSS JOIN LATERAL (
{waiting_samples}
) AS s
WHERE s.watch = %(watch)s AND s.chain = %(chain)s AND s.entity = %(entity)s
