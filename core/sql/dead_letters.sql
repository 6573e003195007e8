-- Dead letters after they were written down: their copies in SQS, and what people do with them (`rtp dlq`).

-- name: sinks_with_unqueued
-- Which of these sinks have letters without a copy.
SELECT DISTINCT sink FROM rtp.dead_letter WHERE status = 'dead' AND queued_at IS NULL AND sink = ANY(%(sinks)s)

-- name: unqueued
-- The next letters without a copy in their queue's dead letter queue.
SELECT id, sink, event_id, coalesce(event ->> 'id', event_id::text) AS cloud_id, kind, chain, entity, error, attempts,
       first_attempt_at, last_attempt_at, status, settled_at, queued_at, event
FROM rtp.dead_letter
WHERE status = 'dead' AND queued_at IS NULL AND sink = ANY(%(sinks)s) AND id > %(after_id)s
ORDER BY id LIMIT 10

-- name: mark_queued
-- The copy is there.
UPDATE rtp.dead_letter SET queued_at = clock_timestamp() WHERE id = %(id)s

-- name: letters
-- All letters that are still dead, or, on request, the others as well; without their events, which may be large.
SELECT id, sink, event_id, coalesce(event ->> 'id', event_id::text) AS cloud_id, kind, chain, entity, error, attempts,
       first_attempt_at, last_attempt_at, status, settled_at, queued_at
FROM rtp.dead_letter
WHERE status = 'dead' OR %(settled)s
ORDER BY event_id, id

-- name: letter_event
-- The event of one letter, or the row that was none.
SELECT event FROM rtp.dead_letter WHERE id = %(id)s

-- name: settle
-- Nothing is left to do about these letters; how many of them were still dead.
UPDATE rtp.dead_letter SET status = %(status)s, settled_at = clock_timestamp() WHERE id = ANY(%(ids)s) AND status = 'dead'

-- name: note_refusal
-- A letter was refused once more.
UPDATE rtp.dead_letter SET attempts = attempts + 1, error = %(error)s, last_attempt_at = clock_timestamp() WHERE id = %(id)s

-- name: open_ids
-- The letters that are still dead.
SELECT id FROM rtp.dead_letter WHERE status = 'dead'

-- name: lock
-- One at a time may redrive or drop, until the transaction ends. Of the table's locks this one alone is in nobody else's way, and
-- only who has rights in rtp's schema can take it.
SET LOCAL lock_timeout = '2s';
SET LOCAL idle_in_transaction_session_timeout = 0;
LOCK TABLE rtp.dead_letter IN SHARE UPDATE EXCLUSIVE MODE

-- name: tidy
-- Forget what was settled more than a week ago.
DELETE FROM rtp.dead_letter WHERE status <> 'dead' AND settled_at < now() - interval '7 days'
