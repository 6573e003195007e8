-- What a running rtp asks its database for the metrics; in the background, never for a scrape.

-- name: quarantined
-- Entities of each watch whose value the glitch guard holds back. They have an appointment, and those have an index.
SELECT w.name, count(b.entity)
FROM rtp.watch AS w
LEFT JOIN rtp.baseline AS b ON b.watch = w.id AND b.due_at IS NOT NULL AND b.suspect_since IS NOT NULL
WHERE w.removed_at IS NULL GROUP BY w.name

-- name: trigger_errors
-- What the triggers could not judge, since the installation.
SELECT w.name, coalesce(sum(e.weight), 0)::bigint
FROM rtp.watch AS w LEFT JOIN rtp.trigger_error AS e ON e.watch = w.name
WHERE w.removed_at IS NULL GROUP BY w.name

-- name: set_aside
-- The rows that were set aside, by watch and cause.
SELECT w.name, known.why, coalesce(sum(s.weight), 0)::bigint
FROM rtp.watch AS w
CROSS JOIN (VALUES ('future'), ('late'), ('rejected')) AS known (why)
LEFT JOIN rtp.set_aside AS s ON s.watch = w.id AND s.why = known.why
WHERE w.removed_at IS NULL GROUP BY w.name, known.why

-- name: trigger_costs
-- What the triggers cost in the last hour, estimated from the measured statements: statements, rows, events, and seconds.
SELECT w.name, coalesce(sum(t.weight), 0)::bigint, coalesce(sum(t.rows * t.weight), 0)::bigint,
       coalesce(sum(t.events * t.weight), 0)::bigint, coalesce(sum(t.microseconds * t.weight) / 1e6, 0)::double precision,
       coalesce(max(t.microseconds) / 1e6, 0)::double precision
FROM rtp.watch AS w
LEFT JOIN rtp.trigger_timing AS t ON t.watch = w.id AND t.measured_at > now() - interval '1 hour'
WHERE w.removed_at IS NULL GROUP BY w.name

-- name: dead_letters
-- The dead letters that wait for somebody, of each sink with a cursor.
SELECT c.sink, count(d.id) FROM rtp.cursor AS c LEFT JOIN rtp.dead_letter AS d ON d.sink = c.sink AND d.status = 'dead'
GROUP BY c.sink

-- name: log_bytes
-- How much the logs take on disk, with their indexes: that of events, and that of samples.
SELECT sum(pg_total_relation_size(inhrelid)) FILTER (WHERE inhparent = 'rtp.event'::regclass)::bigint,
       sum(pg_total_relation_size(inhrelid)) FILTER (WHERE inhparent = 'rtp.sample'::regclass)::bigint
FROM pg_inherits WHERE inhparent IN ('rtp.event'::regclass, 'rtp.sample'::regclass)

-- name: show_process
-- Tell what this process does, for `rtp status`; the first time, forget processes that ended without a word.
WITH gone AS (
    DELETE FROM rtp.process WHERE %(is_first)s AND seen_at < now() - interval '1 day'
)
INSERT INTO rtp.process (host, pid, started_at, seen_at, version, figures)
VALUES (%(host)s, %(pid)s, %(started_at)s, clock_timestamp(), %(version)s, %(figures)s::jsonb)
ON CONFLICT (host, pid) DO UPDATE
SET started_at = excluded.started_at, seen_at = excluded.seen_at, version = excluded.version, figures = excluded.figures

-- name: forget_process
-- This process ends.
DELETE FROM rtp.process WHERE host = %(host)s AND pid = %(pid)s
