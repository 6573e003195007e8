-- Who leads: the one row of rtp.leader is the lease. It names the session that has it, by its process id and start, counts the
-- epochs, and holds the heartbeat. Only who may write to rtp's schema can have it. core/leading/election.py says how it is used.

-- name: look
-- Who has the lead, and whether that session is still there; and the version of the schema, which somebody may migrate at any
-- time. Of another role's session only the process id can be seen.
SELECT l.epoch, coalesce(l.host, ''), coalesce(l.pid, 0), l.since, l.renewed_at, extract(epoch FROM l.lease)::double precision,
       l.backend_pid, l.backend_start,
       EXISTS (
           SELECT FROM pg_stat_get_activity(coalesce(l.backend_pid, 0)) AS s
           WHERE s.pid = l.backend_pid AND (s.backend_start = l.backend_start) IS NOT FALSE
             AND s.datid = (SELECT oid FROM pg_database WHERE datname = current_database())
       ),
       (SELECT schema_version FROM rtp.installation)
FROM rtp.leader AS l

-- name: may_lead
-- Whether this role could have the lead, and which role it is.
SELECT has_table_privilege('rtp.leader', 'UPDATE'), current_user

-- name: take_the_lead
-- A new epoch, above every epoch that was ever seen, also where the database is older than what it once wrote elsewhere. No
-- row where anything has changed since the look: a sign of life, or somebody else's epoch.
UPDATE rtp.leader AS l
SET epoch = greatest(l.epoch, (SELECT max(c.epoch) FROM rtp.cursor AS c), %(above)s::bigint) + 1,
    host = %(host)s, pid = %(pid)s, lease = make_interval(secs => %(lease)s::double precision),
    backend_pid = pg_backend_pid(),
    backend_start = (SELECT s.backend_start FROM pg_stat_get_activity(pg_backend_pid()) AS s),
    since = clock_timestamp(), renewed_at = clock_timestamp()
WHERE l.epoch = %(epoch)s AND l.renewed_at IS NOT DISTINCT FROM %(renewed_at)s::timestamptz
  AND l.backend_pid IS NOT DISTINCT FROM %(backend_pid)s::integer
RETURNING l.epoch

-- name: renew
-- The heartbeat; no row where somebody else leads. It returns the version of the schema.
UPDATE rtp.leader SET renewed_at = clock_timestamp() WHERE epoch = %(epoch)s AND backend_pid = pg_backend_pid()
RETURNING (SELECT schema_version FROM rtp.installation)

-- name: end_predecessors
-- End the sessions that worked for leaders before: the one that had the lead, which may be stopped and come back, and those
-- of the loops, which hold cursors, the lock AWAKE, and open windows. Whoever leads now has not started its own yet.
SELECT count(pg_terminate_backend(s.pid)) FROM pg_stat_activity AS s
WHERE s.datname = current_database() AND s.usename = current_user AND s.pid <> pg_backend_pid()
  AND (s.application_name = ANY (%(names)s)
       OR (s.pid, s.backend_start) = (%(backend_pid)s::integer, %(backend_start)s::timestamptz))
  AND EXISTS (SELECT FROM rtp.leader AS l WHERE l.epoch = %(epoch)s)

-- name: rename_session
-- How a session calls itself, for `rtp status`.
SELECT set_config('application_name', %(name)s, false)

-- name: wait_no_longer
-- For how long to wait for somebody's lock.
SELECT set_config('lock_timeout', %(milliseconds)s, false)

-- name: let_come
-- The command that kept leaders away is done. Nobody else has had its epoch, whichever session this statement is given.
UPDATE rtp.leader SET backend_pid = NULL, backend_start = NULL WHERE epoch = %(epoch)s
