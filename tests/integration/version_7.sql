-- What version 7 left in a database, after migrations 1 to 7: a watch that is judged by its trigger, one whose samples wait, and one
-- that was removed. Not to be changed. The tables are public."Rates", updated in place, and public.samples, of which each row is one.

BEGIN;

-- The watches' functions, as far as the upgrade has to do with them. They work: writers use them until it commits.
CREATE FUNCTION rtp.watch_rates() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    WITH moved AS (
        UPDATE rtp.baseline AS b SET value = r.price, lower = r.price * 0.99, upper = r.price * 1.01, reported_at = clock_timestamp()
        FROM new_rows AS r JOIN old_rows AS o USING (chain, token)
        WHERE b.watch = 1 AND b.chain = r.chain AND b.entity = r.token AND (r.price > b.lower AND r.price < b.upper) IS NOT TRUE
        RETURNING r.chain, r.token, o.price AS previous, r.price
    )
    INSERT INTO rtp.event (watch, chain, entity, previous, current, reason, severity, confidence, changed_at)
    SELECT 1, chain, token, previous, price, 'deviation', 'critical', 1, statement_timestamp() FROM moved;
    RETURN NULL;
END
$$;
CREATE FUNCTION rtp.rare_rates(what text) RETURNS text LANGUAGE sql AS 'SELECT NULL::text';
CREATE FUNCTION rtp.now_rates(chain text, entity text) RETURNS SETOF numeric LANGUAGE sql AS 'SELECT NULL::numeric';
CREATE FUNCTION rtp.watch_samples() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO rtp.sample (watch, chain, entity, value, sampled_at, confidence, provenance)
    SELECT 2, r.chain, r.token, r.price, r.at, 1, 'desk' FROM new_rows AS r;
    RETURN NULL;
END
$$;
CREATE FUNCTION rtp.now_samples(chain text, entity text) RETURNS SETOF numeric LANGUAGE sql AS 'SELECT NULL::numeric';

CREATE TABLE public."Rates" (chain text, token text, price numeric, PRIMARY KEY (chain, token));
CREATE TABLE public.samples (chain text, token text, price numeric, at timestamptz);
INSERT INTO public."Rates" VALUES ('base', 'dai', 100);
CREATE TRIGGER rtp_rates_update AFTER UPDATE ON public."Rates" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rtp.watch_rates();
CREATE TRIGGER rtp_samples_insert AFTER INSERT ON public.samples REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rtp.watch_samples();

INSERT INTO rtp.installation (log_id, schema_version, functions_md5, revision) VALUES ('7ce4fa4878cc', 7, 'that of version 7', 3);
INSERT INTO rtp.watch (id, name, kind, table_name, settings, function_md5, rules, removed_at, is_sampled) VALUES
    (1, 'rates', 'price', 'Rates', '{
        "kind": "price", "shape": "latest", "table": "Rates", "percent": "1", "min_change": "0",
        "compare_with": "last_event", "columns": {"chain": "chain", "token": "token", "value": "price"},
        "severity": {"info": "0", "warning": "5", "critical": "20"}, "overrides": [], "confidence": 1.0, "emit_first": false
    }', 'that of version 7', 1, NULL, false),
    (2, 'samples', 'price', 'public.samples', '{
        "kind": "price", "shape": "history", "table": "public.samples", "percent": "1", "min_change": "0",
        "compare_with": "last_event", "columns": {"chain": "chain", "token": "token", "value": "price", "changed_at": "at"},
        "glitch_guard": {"factor": "2", "confirmations": 1, "release_after": "PT5M"},
        "severity": {"info": "0", "warning": "5", "critical": "20"}, "overrides": [], "confidence": 0.5, "emit_first": false
    }', 'that of version 7', 1, NULL, true),
    (3, 'gone', 'price', 'public.samples', '{}', 'that of version 7', 1, '2026-01-01', true);

-- Two events, of which a sink has got the first.
INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, lower, upper)
    VALUES (1, 'base', 'dai', 100, '2026-01-01', 1, 99, 101);
UPDATE public."Rates" SET price = 200;
COMMIT;
BEGIN;
INSERT INTO rtp.cursor (sink, snapshot, table_oid) VALUES ('redis', pg_current_snapshot(), 'rtp.cursor'::regclass);
COMMIT;
BEGIN;
UPDATE public."Rates" SET price = 400;
INSERT INTO rtp.dead_letter (sink, event_id, event, error, attempts)
    VALUES ('redis', 1, '{"data": {"kind": "price", "chain": "base", "entity": "dai"}}', 'refused', 3);

-- A jump in quarantine since long ago; and samples that wait, of this token and of one that was only sighted.
INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, last_value, sampled_at, suspect_value, suspect_since,
                          suspect_count, due_at)
    VALUES (2, 'base', 'btc', 1000, '2026-01-01', 1, 1000, '2026-01-02', 5000, '2026-01-02', 1, '2026-01-02 00:05'),
           (2, 'base', 'eth', 100, '2026-01-01', 1, 100, '2026-01-01', NULL, NULL, 0, NULL);
INSERT INTO public.samples VALUES ('base', 'eth', 110, '2026-01-02'), ('base', 'eth', 120, '2026-01-03');
COMMIT;
