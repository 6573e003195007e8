-- What `rtp status` shows: read from rtp's schema and the server's own statistics, never changed.

-- name: moment
-- When all of this was so.
SELECT now()

-- name: installation
-- Which log this is, since when, and which rtp has installed something last.
SELECT log_id, schema_version, installed_at, installed_by FROM rtp.installation

-- name: watches
-- The watches that are installed, and what is remembered of their entities.
SELECT w.name AS watch, w.kind, w.table_name AS "table", coalesce(w.settings ->> 'shape', 'latest') AS shape, w.is_sampled,
       w.rules, coalesce(b.entities, 0) AS entities, coalesce(b.held, 0) AS held, coalesce(b.off_peg, 0) AS off_peg
FROM rtp.watch AS w
LEFT JOIN (
    SELECT watch, count(*) AS entities, count(*) FILTER (WHERE is_held) AS held, count(off_peg_since) AS off_peg
    FROM rtp.baseline GROUP BY watch
) AS b ON b.watch = w.id
WHERE w.removed_at IS NULL
ORDER BY w.id

-- name: entities
-- Every protocol, token or other entity that the watches' triggers have seen.
SELECT w.name, w.kind, b.chain, b.entity FROM rtp.baseline AS b JOIN rtp.watch AS w ON w.id = b.watch WHERE w.removed_at IS NULL

-- name: off_peg
-- Of these watches, the entities that are off their peg, and since when.
SELECT w.name AS watch, b.chain, b.entity, b.off_peg_since AS since
FROM rtp.baseline AS b JOIN rtp.watch AS w ON w.id = b.watch
WHERE b.off_peg_since IS NOT NULL AND w.removed_at IS NULL AND w.name = ANY (%(watches)s)

-- name: log
-- How long the log is. A large one is not counted: the planner's estimate serves as well.
SELECT CASE WHEN is_large THEN greatest(planned, 0) ELSE (SELECT count(*) FROM rtp.event) END AS events,
       is_large AS is_estimate, bytes,
       (SELECT detected_at FROM rtp.event ORDER BY id LIMIT 1) AS oldest_at,
       (SELECT detected_at FROM rtp.event ORDER BY id DESC LIMIT 1) AS newest_at
FROM (
    SELECT sum(pg_total_relation_size(c.oid))::bigint AS bytes, sum(c.reltuples)::bigint AS planned,
           sum(pg_relation_size(c.oid)) > 200000000 AS is_large
    FROM pg_class AS c
    WHERE c.oid = 'rtp.event'::regclass
       OR c.oid IN (SELECT i.inhrelid FROM pg_inherits AS i WHERE i.inhparent = 'rtp.event'::regclass)
) AS size

-- name: sinks
-- How far behind each sink is, from its saved cursor; exact. What a sink has not got are the two sets of core/sql/log.sql:
-- rows of transactions that were in progress in its snapshot, and rows of later ones, which are all above floor_id.
-- Of both, what the window being read has delivered already does not count.
-- A row takes its own size and 60 bytes more: its line pointer, and its entries in two indexes that are about nine tenths full.
SELECT c.sink, lag.waiting AS lag_events, lag.bytes AS lag_bytes,
       coalesce(greatest(extract(epoch FROM clock_timestamp() - lag.oldest_at), 0), 0)::double precision AS lag_seconds,
       c.updated_at AS moved_at, letters.count AS dead_letters, letters.newest_at AS newest_dead_letter_at,
       newest.error AS newest_dead_letter
FROM rtp.cursor AS c
CROSS JOIN LATERAL (
    SELECT count(*) AS waiting, coalesce(sum(e.size), 0)::bigint + count(*) * 60 AS bytes, min(e.detected_at) AS oldest_at
    FROM (
        SELECT id, xid, detected_at, pg_column_size(event.*) AS size FROM rtp.event
        WHERE id > c.floor_id AND xid >= pg_snapshot_xmax(c.snapshot)
        UNION ALL
        SELECT late.* FROM pg_snapshot_xip(c.snapshot) AS straggler (xid)
        CROSS JOIN LATERAL (
            -- OFFSET: one look-up for each of the few, instead of a join that reads the log.
            SELECT id, xid, detected_at, pg_column_size(event.*) FROM rtp.event WHERE event.xid = straggler.xid OFFSET 0
        ) AS late
    ) AS e
    WHERE (c.until IS NOT NULL AND pg_visible_in_snapshot(e.xid, c.until) AND e.id <= c.after_id) IS NOT TRUE
) AS lag
CROSS JOIN LATERAL (
    SELECT count(*), max(d.last_attempt_at) AS newest_at, max(d.id) AS newest_id
    FROM rtp.dead_letter AS d WHERE d.sink = c.sink AND d.status = 'dead'
) AS letters
LEFT JOIN rtp.dead_letter AS newest ON newest.id = letters.newest_id
ORDER BY c.sink

-- name: quarantined
-- The values that the glitch guard holds back now, the longest held first.
SELECT w.name AS watch, b.chain, b.entity, b.value AS baseline, b.suspect_value AS value, b.suspect_since AS since,
       b.suspect_count AS confirmations, count(*) OVER () AS among
FROM rtp.baseline AS b JOIN rtp.watch AS w ON w.id = b.watch
WHERE b.suspect_since IS NOT NULL
ORDER BY b.suspect_since LIMIT %(limit)s

-- name: outcomes
-- What became of the jumps before, newest first.
SELECT coalesce(w.name, '?') AS watch, q.chain, q.entity, q.what, q.baseline, q.value, q.noted_at
FROM rtp.quarantine AS q LEFT JOIN rtp.watch AS w ON w.id = q.watch
ORDER BY q.id DESC LIMIT %(limit)s

-- name: trigger_errors
-- What the triggers could not judge: how often, and the newest message of each watch.
SELECT DISTINCT ON (e.watch) e.watch, sum(e.weight) OVER (PARTITION BY e.watch) AS errors,
       e.operation, e.sqlstate, e.message, e.occurred_at
FROM rtp.trigger_error AS e
ORDER BY e.watch, e.id DESC

-- name: set_aside
-- The rows that were set aside: how many of each watch, why, and the last of them.
SELECT DISTINCT ON (w.id, s.why) w.name AS watch, s.why, sum(s.weight) OVER (PARTITION BY w.id, s.why)::bigint AS rows,
       s.chain, s.entity, s.value, s.at, s.noted_at
FROM rtp.set_aside AS s JOIN rtp.watch AS w ON w.id = s.watch
ORDER BY w.id, s.why, s.noted_at DESC, s.id DESC

-- name: trigger_costs
-- What the triggers cost in the last hour, estimated from the measured statements.
SELECT w.name AS watch, sum(t.weight)::bigint AS statements, sum(t.rows * t.weight)::bigint AS rows,
       sum(t.events * t.weight)::bigint AS events, sum(t.microseconds * t.weight)::bigint AS total_us,
       (sum(t.microseconds * t.weight) / sum(t.weight))::double precision AS mean_us, max(t.microseconds) AS max_us,
       min(t.measured_at) AS since
FROM rtp.trigger_timing AS t JOIN rtp.watch AS w ON w.id = t.watch
WHERE t.measured_at > now() - interval '1 hour'
GROUP BY w.id, w.name
ORDER BY w.id

-- name: function_costs
-- The same as the server counts it, exactly, where track_functions is on.
SELECT f.funcname AS function, f.calls, f.total_time AS total_ms, f.total_time / greatest(f.calls, 1) AS mean_ms
FROM pg_stat_user_functions AS f
WHERE f.schemaname = 'rtp' AND f.funcname LIKE 'watch!_%%' ESCAPE '!'
ORDER BY f.funcname

-- name: processes
-- The rtp runs that told of themselves, and whether each has done so lately; it does every 2 s.
SELECT host, pid, started_at, seen_at, seen_at > now() - interval '10 s' AS is_alive, version, figures
FROM rtp.process ORDER BY started_at, host, pid

-- name: leader
-- Who leads, or did last, and who stands by: each standby's session is called `rtp standby <pid>@<host>`. The row is that of a
-- command that keeps leaders away where it has no lease.
SELECT l.epoch, l.host, l.pid, l.since, l.renewed_at, held.has_session AND l.lease IS NOT NULL AS is_leading,
       held.has_session AND l.lease IS NULL AS is_kept_away,
       ARRAY(
           SELECT substr(application_name, length('rtp standby ') + 1) FROM pg_stat_activity
           WHERE datname = current_database() AND application_name LIKE 'rtp standby %%'
             AND has_table_privilege(usesysid, 'rtp.leader', 'UPDATE')
           ORDER BY backend_start
       ) AS standbys
FROM rtp.leader AS l
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM pg_stat_activity AS s
        WHERE s.pid = l.backend_pid AND s.datname = current_database() AND (s.backend_start = l.backend_start) IS NOT FALSE
    ) AS has_session
) AS held

-- name: processor
-- Is somebody running? An awake rtp holds the advisory lock; a sleeping one listens in a session called `rtp wakeup`. Anybody can
-- take that lock or that name: only roles count that could lead.
WITH own AS MATERIALIZED (
    SELECT pid, application_name FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND has_table_privilege(usesysid, 'rtp.leader', 'UPDATE')
)
SELECT is_awake, is_awake OR 'rtp wakeup' = ANY (sessions) AS is_running, sessions
FROM (
    SELECT EXISTS (
               SELECT FROM pg_locks JOIN own USING (pid)
               WHERE locktype = 'advisory' AND (classid, objid, objsubid) = (7500912, 1, 2) AND mode = 'ExclusiveLock'
                 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
           ) AS is_awake,
           ARRAY(
               SELECT application_name FROM own WHERE application_name LIKE 'rtp %%' ORDER BY application_name
           ) AS sessions
) AS seen
