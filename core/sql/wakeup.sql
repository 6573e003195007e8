-- Sleep and wake-up. core/processor/wakeup.py says how these work together, and proves that no wake-up is lost.

-- name: take_awake
-- Say that rtp is awake and polls: triggers need not notify. A try, never a wait.
SELECT pg_try_advisory_lock(7500912, 1)

-- name: release_awake
-- Say that rtp is about to sleep: triggers notify from now on.
SELECT pg_advisory_unlock(7500912, 1)

-- name: triggers_notify
-- While rtp sleeps: can a trigger have the lock? It notifies only then.
SELECT CASE WHEN pg_try_advisory_lock_shared(7500912, 1) THEN pg_advisory_unlock_shared(7500912, 1) ELSE false END

-- name: still_there
-- Is the connection, and with it the lock, still there? The answer is in getting one.
SELECT true

-- name: note_next_xid
-- Which transactions may have seen rtp awake and not notify: those with an id below the next one. The snapshot's xmax
-- would be too low (core/sql/log.sql says why): transactions above it may be in progress, and age() counts up to the next.
SELECT (pg_snapshot_xmax(pg_current_snapshot())::text::bigint
        + age(pg_snapshot_xmax(pg_current_snapshot())::xid))::text

-- name: all_ended
-- Have all of them ended?
SELECT pg_snapshot_xmin(pg_current_snapshot()) >= %s::xid8
