-- Who has what rtp waits for: process id, the name that the application gives itself, and role.

-- name: holders_of_table
-- The sessions that have locked a table, or rows of it, for more than reading.
SELECT DISTINCT l.pid, coalesce(nullif(a.application_name, ''), 'application unknown'), coalesce(a.usename, 'unknown')
FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.relation = to_regclass(%(table)s) AND l.granted AND l.mode <> 'AccessShareLock'
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.pid <> pg_backend_pid()
ORDER BY l.pid

-- name: holders_of_tables
-- The sessions that have locked any of these tables, those that only read it last.
SELECT l.pid, coalesce(nullif(a.application_name, ''), 'application unknown'), coalesce(a.usename, 'unknown')
FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
JOIN pg_class AS c ON c.oid = l.relation JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE l.locktype = 'relation' AND n.nspname || '.' || c.relname = ANY (%(tables)s) AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.pid <> pg_backend_pid()
GROUP BY 1, 2, 3
ORDER BY bool_and(l.mode = 'AccessShareLock'), l.pid

-- name: holders_of_key
-- The sessions that have an advisory lock of rtp's.
SELECT DISTINCT l.pid, coalesce(nullif(a.application_name, ''), 'application unknown'), coalesce(a.usename, 'unknown')
FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND (l.classid, l.objid, l.objsubid) = (7500912, %(key)s, 2) AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.pid <> pg_backend_pid()
ORDER BY l.pid

-- name: blocked
-- The sessions of rtp's that have waited for a lock for more than a second: which of its tables they wait for, and who has it.
SELECT substr(a.application_name, 5), coalesce(wanted.name, 'what another transaction has written'), blocker.pid,
       coalesce(nullif(b.application_name, ''), 'application unknown'), coalesce(b.usename, 'unknown')
FROM pg_stat_activity AS a
CROSS JOIN LATERAL unnest(pg_blocking_pids(a.pid)) AS blocker (pid)
LEFT JOIN pg_stat_activity AS b ON b.pid = blocker.pid
LEFT JOIN LATERAL (
    SELECT n.nspname || '.' || c.relname AS name
    FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE l.pid = a.pid AND NOT l.granted LIMIT 1
) AS wanted ON true
WHERE a.datname = current_database() AND a.usename = current_user AND a.application_name LIKE 'rtp %%'
  AND a.wait_event_type = 'Lock' AND a.query_start < clock_timestamp() - interval '1 s'
