-- What version 6 left in a database, after migrations 1 to 6: two watches whose samples wait, and what the judge in SQL had there.
-- Not to be changed. The tables are public.samples, of which each row is a sample, and public.rates, updated in place.

SET check_function_bodies = false;

-- Some of the judge's functions, by their heads: of each sort one, by what an upgrade must know to remove it.
CREATE FUNCTION rtp.take(sample rtp.sample, state rtp.baseline, what text, rule rtp.rule, rules integer,
    is_history boolean, by_previous_row boolean)
    RETURNS integer LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.judge_waiting(max_samples integer, max_samples_per_entity integer, OUT judged integer,
    OUT events integer, OUT has_more boolean)
    RETURNS record LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.rule_samples(chain text, entity text)
    RETURNS TABLE (rule rtp.rule, rules integer, is_history boolean, by_previous_row boolean) LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.wake() RETURNS void LANGUAGE plpgsql AS '';

-- The watches' functions, as they are where nothing can be judged at once. They work: writers use them until the upgrade commits.
CREATE FUNCTION rtp.leave(sample rtp.sample) RETURNS void LANGUAGE sql AS $$
    INSERT INTO rtp.sample (watch, chain, entity, what, value, sampled_at, changed_at, confidence, provenance)
    VALUES (sample.watch, sample.chain, sample.entity, sample.what, sample.value, sample.sampled_at,
             sample.changed_at, sample.confidence, sample.provenance)
$$;
CREATE FUNCTION rtp.watch_samples() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    sample rtp.sample;
BEGIN
    FOR sample IN SELECT NULL, 1, r.chain, r.token, 'sample', r.price, r.at, r.at, 1, NULL, NULL, NULL, NULL FROM new_rows AS r LOOP
        PERFORM rtp.leave(sample);
    END LOOP;
    RETURN NULL;
END
$$;
CREATE FUNCTION rtp.watch_rates() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    sample rtp.sample;
BEGIN
    FOR sample IN
        SELECT NULL, 2, r.chain, r.token, 'sample', r.price, clock_timestamp(), now(), 1, NULL, NULL, NULL, NULL FROM new_rows AS r
        JOIN rtp.baseline AS b ON b.watch = 2 AND b.entity = r.token AND (r.price > b.lower AND r.price < b.upper) IS NOT TRUE
    LOOP
        PERFORM rtp.leave(sample);
    END LOOP;
    RETURN NULL;
END
$$;

CREATE TABLE public.samples (chain text, token text, price numeric, at timestamptz);
CREATE TABLE public.rates (chain text, token text, price numeric, PRIMARY KEY (chain, token));
CREATE TRIGGER rtp_samples_insert AFTER INSERT ON public.samples REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rtp.watch_samples();
CREATE TRIGGER rtp_rates_update AFTER UPDATE ON public.rates REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rtp.watch_rates();

INSERT INTO rtp.installation (schema_version, functions_md5) VALUES (6, 'that of version 6');
INSERT INTO rtp.watch VALUES
    (1, 'samples', 'price', 'public.samples', '{
        "kind": "price", "shape": "history", "table": "public.samples", "percent": "1", "min_change": "0",
        "compare_with": "last_event", "columns": {"chain": "chain", "token": "token", "value": "price", "changed_at": "at"},
        "severity": {"info": "0", "warning": "5", "critical": "20"}, "overrides": [], "confidence": 1.0, "emit_first": false
    }', 'that of version 6', 1, NULL),
    (2, 'rates', 'price', 'public.rates', '{
        "kind": "price", "shape": "latest", "table": "public.rates", "percent": "1", "min_change": "0", "heartbeat": "PT1H",
        "compare_with": "last_event", "columns": {"chain": "chain", "token": "token", "value": "price"},
        "severity": {"info": "0", "warning": "5", "critical": "20"}, "overrides": [], "confidence": 1.0, "emit_first": false
    }', 'that of version 6', 1, NULL);

-- An entity in place, whose value has moved within its band since the last report; and a tick for it that waits.
INSERT INTO public.rates VALUES ('base', 'dai', 100);
INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, lower, upper, last_value, sampled_at)
    VALUES (2, 'base', 'dai', 100, now() - interval '2 hours', 1, 99, 101, 100, now() - interval '2 hours');
UPDATE public.rates SET price = 100.5;
INSERT INTO rtp.sample (watch, chain, entity, what, sampled_at, changed_at, confidence)
    VALUES (2, 'base', 'dai', 'tick', now(), now(), 1);

-- Samples that wait, later ones of their time before earlier ones of their id; of a token that was seen, and of one that was not.
INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, lower, upper, last_value, sampled_at)
    VALUES (1, 'base', 'eth', 100, '2026-01-01', 1, 99, 101, 100, '2026-01-01');
INSERT INTO public.samples VALUES ('base', 'eth', 120, '2026-01-03'), ('base', 'eth', 110, '2026-01-02');
INSERT INTO public.samples VALUES ('base', 'btc', 1000, '2026-01-02'), ('base', 'btc', 2000, '2026-01-03');

RESET check_function_bodies;
