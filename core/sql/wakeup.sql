-- Sleep and wake-up. core/wakeup.py says how these work together, and proves that no wake-up is lost.

-- name: take_awake
-- Say that rtp is awake and polls: triggers need not notify. A try, never a wait.
SELECT pg_try_advisory_lock(7500912, 1)

-- name: release_awake
-- Say that rtp is about to sleep: triggers notify from now on.
SELECT pg_advisory_unlock(7500912, 1)

-- name: note_snapshot
-- Which transactions may have seen rtp awake and not notify: those before this xmax.
SELECT pg_snapshot_xmax(pg_current_snapshot())::text

-- name: all_ended
-- Have all of them ended?
SELECT pg_snapshot_xmin(pg_current_snapshot()) >= %s::xid8
