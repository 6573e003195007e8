-- Who leads. The session-level advisory lock (7500912, 2) tells at once when a leader is gone: it vanishes with its session. The
-- table rtp.leader counts the epochs (epoch) and holds the heartbeat. core/leading/election.py says how they work together.

-- name: try_to_lead
-- Try to get the lock, and see who has it: the holder of rtp.leader, or a command that keeps leaders away.
SELECT pg_try_advisory_lock(7500912, 2), epoch, coalesce(host, ''), coalesce(pid, 0), since,
       coalesce(renewed_at::text, ''), coalesce(extract(epoch FROM lease), 5)::double precision
FROM rtp.leader

-- name: take_the_lead
-- A new epoch, above every epoch that was ever seen, also where the database is older than what it once wrote elsewhere.
UPDATE rtp.leader
SET epoch = greatest(epoch, (SELECT max(c.epoch) FROM rtp.cursor AS c), %(above)s::bigint) + 1,
    host = %(host)s, pid = %(pid)s, backend_pid = pg_backend_pid(), lease = make_interval(secs => %(lease)s::double precision),
    since = clock_timestamp(), renewed_at = clock_timestamp()
RETURNING epoch

-- name: renew
-- The heartbeat; no row where somebody else leads.
UPDATE rtp.leader SET renewed_at = clock_timestamp() WHERE epoch = %(epoch)s AND backend_pid = pg_backend_pid() RETURNING true

-- name: end_predecessors
-- End the sessions of the loops that worked for leaders before: they hold cursors, the lock AWAKE, and open windows. Whoever
-- leads now has not started its own yet.
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
  AND application_name = ANY (%(names)s)

-- name: depose
-- End the session of a leader that holds the lock and does not answer. Only its own: whoever else holds it leads nobody.
SELECT pg_terminate_backend(held.pid)
FROM pg_locks AS held JOIN rtp.leader ON leader.backend_pid = held.pid
WHERE held.locktype = 'advisory' AND (held.classid, held.objid, held.objsubid) = (7500912, 2, 2) AND held.granted
  AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND leader.epoch = %(epoch)s

-- name: rename_session
-- How a session calls itself, for `rtp status`.
SELECT set_config('application_name', %(name)s, false)

-- name: keep_away
-- For a command that must be alone: nobody leads, or begins to, while the session holds this.
SELECT pg_try_advisory_lock(7500912, 2)

-- name: let_come
-- The command is done.
SELECT pg_advisory_unlock(7500912, 2)
