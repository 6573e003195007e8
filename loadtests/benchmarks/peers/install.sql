-- How each peer comes to watch the table `tvl`, and what their consumers ask.

-- name: notify
-- One notification per change, the row in the payload.
CREATE FUNCTION peer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('peer', row_to_json(NEW)::text);
    RETURN NULL;
END
$$;
CREATE TRIGGER peer AFTER UPDATE ON tvl FOR EACH ROW EXECUTE FUNCTION peer();

-- name: outbox
-- The transactional outbox: a row per change, gone once it is handled.
CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload jsonb NOT NULL);
CREATE FUNCTION peer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (payload) VALUES (to_jsonb(NEW));
    RETURN NULL;
END
$$;
CREATE TRIGGER peer AFTER UPDATE ON tvl FOR EACH ROW EXECUTE FUNCTION peer();

-- name: claim_from_outbox
-- The oldest that nobody else is handling. Other rows become visible meanwhile: DELETE gives them in no certain order.
WITH claimed AS (SELECT id FROM outbox ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
DELETE FROM outbox USING claimed WHERE outbox.id = claimed.id RETURNING outbox.id, outbox.payload

-- name: pgq
-- PgQ's own trigger, which writes the row, URL-encoded, into its queue; and a queue that ticks as often as it can.
CREATE EXTENSION pgq;
SELECT pgq.create_queue('peer');
SELECT pgq.set_queue_config('peer', 'ticker_max_lag', '10 milliseconds');
SELECT pgq.register_consumer('peer', 'peer');
CREATE TRIGGER peer AFTER UPDATE ON tvl FOR EACH ROW EXECUTE FUNCTION pgq.logutriga('peer');

-- name: pgqueuer
-- A job per change: the two rows that PgQueuer's own function for SQL clients writes.
CREATE FUNCTION peer() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    job bigint;
BEGIN
    INSERT INTO pgqueuer (priority, entrypoint, payload, status)
    VALUES (0, 'changed', convert_to(row_to_json(NEW)::text, 'UTF8'), 'queued')
    RETURNING id INTO job;
    INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority) VALUES (job, 'queued', 'changed', 0);
    RETURN NULL;
END
$$;
CREATE TRIGGER peer AFTER UPDATE ON tvl FOR EACH ROW EXECUTE FUNCTION peer();

-- name: publication
-- What pgoutput is told to send.
CREATE PUBLICATION peer FOR TABLE tvl WITH (publish = 'update')

-- name: create_slot
-- From here on the server keeps its log until the consumer has confirmed it.
SELECT pg_create_logical_replication_slot('peer', %s)
