-- What a database holds that rtp has kept since version 1, and has been upgraded ever since: each block is run behind the migration
-- of its number, and adds what rtp of that version could leave first. Not to be changed; a new version adds a block.
-- The triggers are those of version 1 as far as an upgrade has to do with them: they work, and write columns that every version has.

-- version 1
BEGIN;
CREATE TABLE public.pools (chain text, protocol text, tvl numeric, PRIMARY KEY (chain, protocol));
CREATE TABLE public.ticks (chain text, token text, price numeric, at timestamptz);
INSERT INTO public.pools VALUES ('base', 'aave', 100);

CREATE FUNCTION rtp.watch_pools() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    WITH moved AS (
        INSERT INTO rtp.baseline AS b (watch, chain, entity, value, reported_at, rules, lower, upper, last_value)
        SELECT 1, chain, protocol, tvl, clock_timestamp(), 1, tvl, tvl, tvl FROM new_rows
        ON CONFLICT (watch, chain, entity) DO UPDATE
        SET value = excluded.value, reported_at = excluded.reported_at, lower = excluded.lower, upper = excluded.upper,
            last_value = excluded.last_value
        RETURNING b.chain, b.entity, b.value
    )
    INSERT INTO rtp.event (watch, chain, entity, previous, current, reason, severity, confidence, changed_at)
    SELECT 1, m.chain, m.entity, o.tvl, m.value, 'deviation', 'critical', 1, statement_timestamp()
    FROM moved AS m JOIN old_rows AS o ON o.chain = m.chain AND o.protocol = m.entity;
    RETURN NULL;
END
$$;
CREATE FUNCTION rtp.watch_ticks() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO rtp.sample (watch, chain, entity, value, sampled_at, changed_at, confidence)
    SELECT 2, chain, token, price, at, at, 1 FROM new_rows;
    RETURN NULL;
END
$$;
CREATE TRIGGER rtp_pools_update AFTER UPDATE ON public.pools REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rtp.watch_pools();
CREATE TRIGGER rtp_ticks_insert AFTER INSERT ON public.ticks REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rtp.watch_ticks();

INSERT INTO rtp.installation (log_id, schema_version, functions_md5) VALUES ('1ce4fa4878cc', 1, 'that of version 1');
INSERT INTO rtp.watch VALUES
    (1, 'pools', 'tvl', 'public.pools', '{
        "kind": "tvl", "shape": "latest", "table": "public.pools", "percent": "0.001", "min_change": "0",
        "compare_with": "last_event", "columns": {"chain": "chain", "protocol": "protocol", "value": "tvl"},
        "severity": {"info": "0", "warning": "5", "critical": "20"}, "overrides": [], "confidence": 1.0, "emit_first": false
    }', 'that of version 1', 1, NULL),
    (2, 'ticks', 'price', 'public.ticks', '{
        "kind": "price", "shape": "history", "table": "public.ticks", "percent": "0.001", "min_change": "0",
        "compare_with": "last_event", "columns": {"chain": "chain", "token": "token", "value": "price", "changed_at": "at"},
        "severity": {"info": "0", "warning": "5", "critical": "20"}, "overrides": [], "confidence": 1.0, "emit_first": false
    }', 'that of version 1', 1, NULL);

COMMIT;

-- An event that redis has got, and one that it has not, which became a dead letter elsewhere.
BEGIN;
UPDATE public.pools SET tvl = 200;
COMMIT;
BEGIN;
INSERT INTO rtp.cursor (sink, snapshot) VALUES ('redis', pg_current_snapshot());
COMMIT;
BEGIN;
UPDATE public.pools SET tvl = 300;
INSERT INTO rtp.dead_letter (sink, event_id, event, error, attempts)
    SELECT 'sqs', max(id), '{"data": {"kind": "tvl", "chain": "base", "entity": "aave"}}', 'refused', 3 FROM rtp.event;

-- A price that was reported, and one that waits to be judged.
INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, lower, upper, last_value, sampled_at)
    VALUES (2, 'base', 'eth', 1000, '2026-01-01', 1, 1000, 1000, 1000, '2026-01-01');
INSERT INTO public.ticks VALUES ('base', 'eth', 1050, '2026-01-02');
COMMIT;

-- version 2
INSERT INTO rtp.latest_event (id, xid, watch, chain, entity, previous, current, reason, severity, confidence, changed_at, detected_at)
    VALUES (1, '3', 1, 'base', 'sushi', 1, 2, 'deviation', 'critical', 1, '2026-01-01', '2026-01-01');

-- version 3
SELECT set_config('rtp.traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', false);
UPDATE public.pools SET tvl = 400;
SELECT set_config('rtp.traceparent', '', false);

-- version 4
INSERT INTO rtp.process VALUES ('there', 7, '2026-01-01', '2026-01-01', '0.0.4', '{}');

-- version 5
INSERT INTO rtp.dead_letter (sink, event_id, event, error, attempts, status, settled_at)
    VALUES ('sqs', 1, '{"data": {"kind": "tvl", "chain": "base", "entity": "sushi"}}', 'refused', 3, 'dropped', now());

-- version 6
UPDATE rtp.leader SET epoch = 6, host = 'there', pid = 7, lease = '5 s', since = '2026-01-01', renewed_at = '2026-01-01';
UPDATE rtp.cursor SET epoch = 6;

-- version 7
INSERT INTO public.ticks VALUES ('base', 'eth', 1100, '2026-01-03');
UPDATE rtp.watch SET is_sampled = true WHERE name = 'ticks';
UPDATE rtp.installation SET revision = 7;

-- version 8
INSERT INTO rtp.set_aside (watch, why, chain, entity, value, at, weight) VALUES (2, 'late', 'base', 'eth', 1, '2025-01-01', 8);
INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, lower, upper, last_value, gone_at, due_at)
    VALUES (1, 'base', 'gone', 800, '2026-01-01', 1, 800, 800, 800, '2026-01-02', '2026-01-02');

-- version 9
INSERT INTO public.pools VALUES ('base', 'new', 900);
INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, lower, upper, last_value, came_xid)
    VALUES (1, 'base', 'new', 900, now(), 1, 900, 900, 900, '3');
