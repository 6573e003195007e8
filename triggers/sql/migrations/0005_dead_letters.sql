-- Dead letters that are kept, sent to the queue's own dead letter queue, and delivered again or dropped by hand. Migration 5.
--   status     `dead`; `redriven`, delivered after all (`rtp dlq retry`); `dropped` (`rtp dlq drop`)
--   queued_at  when its copy went to the SQS dead letter queue; null while that is still to be done, or where there is none
-- A row that was no valid event is kept as the log had it; hence two places to look for its names.

ALTER TABLE rtp.dead_letter RENAME COLUMN rejected_at TO last_attempt_at;
ALTER TABLE rtp.dead_letter
    ADD COLUMN first_attempt_at timestamptz DEFAULT clock_timestamp(),
    ADD COLUMN status     text NOT NULL DEFAULT 'dead' CHECK (status IN ('dead', 'redriven', 'dropped')),
    ADD COLUMN settled_at timestamptz,
    ADD COLUMN queued_at  timestamptz,
    ADD COLUMN kind       text GENERATED ALWAYS AS (coalesce(event #>> '{data,kind}', event ->> 'kind')) STORED,
    ADD COLUMN chain      text GENERATED ALWAYS AS (coalesce(event #>> '{data,chain}', event ->> 'chain')) STORED,
    ADD COLUMN entity     text GENERATED ALWAYS AS (coalesce(event #>> '{data,entity}', event ->> 'entity')) STORED;

UPDATE rtp.dead_letter SET first_attempt_at = last_attempt_at;
ALTER TABLE rtp.dead_letter ALTER COLUMN first_attempt_at SET NOT NULL;

-- A sink has one open letter for an event, however often a cursor is put back before it.
DELETE FROM rtp.dead_letter AS older USING rtp.dead_letter AS newer
WHERE newer.sink = older.sink AND newer.event_id = older.event_id AND newer.id > older.id;
CREATE UNIQUE INDEX dead_letter_open ON rtp.dead_letter (sink, event_id) WHERE status = 'dead';
CREATE INDEX dead_letter_unqueued ON rtp.dead_letter (id) WHERE status = 'dead' AND queued_at IS NULL;
