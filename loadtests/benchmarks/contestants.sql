-- Other ways to learn of changes with a trigger, as their users write them; for overhead.py.

-- name: notify
-- One pg_notify per change, the row in the payload: the usual LISTEN/NOTIFY recipe.
CREATE FUNCTION peer_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('peer', row_to_json(NEW)::text);
    RETURN NULL;
END
$$;
CREATE TRIGGER peer AFTER UPDATE ON updated_notify FOR EACH ROW EXECUTE FUNCTION peer_notify();
CREATE TRIGGER peer AFTER INSERT ON appended_notify FOR EACH ROW EXECUTE FUNCTION peer_notify();

-- name: outbox
-- A row-level JSON outbox, old and new row, as Hasura's event triggers write it.
CREATE TABLE peer_outbox (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), schema_name text, table_name text, trigger_name text, payload jsonb,
    delivered boolean NOT NULL DEFAULT false, tries int NOT NULL DEFAULT 0, created_at timestamptz NOT NULL DEFAULT now(),
    locked timestamptz, next_retry_at timestamp, archived boolean NOT NULL DEFAULT false
);
CREATE INDEX ON peer_outbox (created_at) WHERE NOT delivered;
CREATE FUNCTION peer_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO peer_outbox (schema_name, table_name, trigger_name, payload)
    VALUES (TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_NAME,
            jsonb_build_object('op', TG_OP, 'data', jsonb_build_object('old', row_to_json(OLD), 'new', row_to_json(NEW))));
    RETURN NULL;
END
$$;
CREATE TRIGGER peer AFTER UPDATE ON updated_outbox FOR EACH ROW EXECUTE FUNCTION peer_outbox();
CREATE TRIGGER peer AFTER INSERT ON appended_outbox FOR EACH ROW EXECUTE FUNCTION peer_outbox();

-- name: pgq
-- PgQ's own trigger, which writes the whole row into its queue's tables.
CREATE EXTENSION pgq;
SELECT pgq.create_queue('peer');
CREATE TRIGGER peer AFTER UPDATE ON updated_pgq FOR EACH ROW EXECUTE FUNCTION pgq.logutriga('peer');
CREATE TRIGGER peer AFTER INSERT ON appended_pgq FOR EACH ROW EXECUTE FUNCTION pgq.logutriga('peer');
