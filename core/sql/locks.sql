-- Who has what rtp waits for: process id, the name that the application gives itself, and role.

-- name: holders_of_table
-- The sessions that have locked a table, or rows of it, for more than reading.
SELECT DISTINCT l.pid, coalesce(nullif(a.application_name, ''), 'application unknown'), coalesce(a.usename, 'unknown')
FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.relation = to_regclass(%(table)s) AND l.granted AND l.mode <> 'AccessShareLock'
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.pid <> pg_backend_pid()
ORDER BY l.pid

-- name: holders_of_key
-- The sessions that have an advisory lock of rtp's.
SELECT DISTINCT l.pid, coalesce(nullif(a.application_name, ''), 'application unknown'), coalesce(a.usename, 'unknown')
FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND (l.classid, l.objid, l.objsubid) = (7500912, %(key)s, 2) AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.pid <> pg_backend_pid()
ORDER BY l.pid
