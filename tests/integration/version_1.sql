-- What version 1 left in a database, after migration 1: its functions, one watch, and a row of everything an upgrade must keep.
-- Not to be changed. The tables are the demo's and those of triggers/sql/migrations/0001_schema.sql.

SET check_function_bodies = false;

-- The shared functions, by their heads. An upgrade runs CREATE OR REPLACE over them, which a parameter of another name or a
-- result of another type makes fail; what they did in version 1 does not matter to it.
CREATE FUNCTION rtp.append(sample rtp.sample, previous numeric, current numeric, reason text, severity text, duration interval)
    RETURNS void LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.first_baseline(sample rtp.sample, rule rtp.rule, rules integer, by_previous_row boolean)
    RETURNS rtp.baseline LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.forget(of_watch smallint, chains text[], entities text[], with_confidence double precision,
    with_provenance text)
    RETURNS bigint LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.forget_all(of_watch smallint, with_confidence double precision, with_provenance text)
    RETURNS bigint LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.is_name(name text) RETURNS boolean LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.is_number(value text) RETURNS boolean LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.is_only_judge() RETURNS boolean LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.judge(before rtp.baseline, what text, value numeric, at timestamptz, rule rtp.rule, rules integer,
    by_previous_row boolean, OUT after rtp.baseline, OUT reason text, OUT severity text, OUT duration interval, OUT guard text)
    RETURNS record LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.judge_entities(max_samples integer, max_samples_per_entity integer, is_careful boolean,
    OUT judged integer, OUT events integer, OUT has_more boolean)
    RETURNS record LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.judge_entity(of_watch smallint, of_chain text, of_entity text, watch_name text,
    max_samples integer, is_careful boolean, OUT judged integer, OUT events integer)
    RETURNS record LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.judge_one(sample rtp.sample, watch_name text, rule rtp.rule, rules integer, is_history boolean,
    by_previous_row boolean, is_careful boolean)
    RETURNS integer LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.judge_waiting(max_samples integer, max_samples_per_entity integer, OUT judged integer,
    OUT events integer, OUT has_more boolean)
    RETURNS record LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.later(moment timestamptz, pause interval) RETURNS timestamptz LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.leave(sample rtp.sample) RETURNS void LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.lower_bound(value numeric, percent numeric, min_change numeric)
    RETURNS numeric LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.note_error(watch text, operation text, sqlstate text, message text)
    RETURNS void LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.note_stuck(watch_name text, sqlstate text, message text) RETURNS void LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.now_tvl(chain text, entity text) RETURNS SETOF numeric LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.postpone_tick(tick rtp.sample) RETURNS void LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.put_ticks(max_ticks integer) RETURNS integer LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.sane_confidence(confidence double precision, otherwise double precision)
    RETURNS double precision LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.sane_time(moment timestamptz) RETURNS timestamptz LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.severity(previous numeric, current numeric, reason text, warning numeric, critical numeric)
    RETURNS text LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.take(sample rtp.sample, state rtp.baseline, what text, rule rtp.rule, rules integer,
    is_history boolean, by_previous_row boolean)
    RETURNS integer LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.take_or_leave(sample rtp.sample, rule rtp.rule, rules integer, is_history boolean, by_previous_row boolean)
    RETURNS integer LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.take_tick(tick rtp.sample, state rtp.baseline, watch_name text, rule rtp.rule, rules integer,
    is_history boolean, by_previous_row boolean)
    RETURNS integer LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.terms_tvl(chain text, entity text)
    RETURNS TABLE (rule rtp.rule, rules integer, is_history boolean, by_previous_row boolean) LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.to_number(value text) RETURNS numeric LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.upper_bound(value numeric, percent numeric, min_change numeric)
    RETURNS numeric LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.value_now(watch_name text, of_chain text, of_entity text, otherwise numeric)
    RETURNS numeric LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.verdict(previous numeric, current numeric, percent numeric, min_change numeric)
    RETURNS text LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.wake() RETURNS void LANGUAGE plpgsql AS '';
CREATE FUNCTION rtp.with_band(state rtp.baseline, rule rtp.rule, rules integer, by_previous_row boolean)
    RETURNS rtp.baseline LANGUAGE plpgsql AS '';

-- The function of the watch on tvl and two of its triggers. They work: a writer may use them until the upgrade commits.
CREATE FUNCTION rtp.watch_tvl() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO rtp.event (watch, chain, entity, previous, current, reason, confidence, changed_at)
    SELECT 1, n.chain, n.protocol, b.value, n.tvl_usd, 'deviation', 1, n.updated_at
    FROM new_rows AS n JOIN rtp.baseline AS b ON b.watch = 1 AND b.chain = n.chain AND b.entity = n.protocol;
    INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, lower, upper, last_value)
    SELECT 1, n.chain, n.protocol, n.tvl_usd, now(), 1, n.tvl_usd * 0.99, n.tvl_usd * 1.01, n.tvl_usd FROM new_rows AS n
    ON CONFLICT (watch, chain, entity) DO UPDATE
    SET value = excluded.value, lower = excluded.lower, upper = excluded.upper, last_value = excluded.last_value;
    RETURN NULL;
END
$$;

CREATE TRIGGER rtp_tvl_insert AFTER INSERT ON public.tvl REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rtp.watch_tvl();
CREATE TRIGGER rtp_tvl_update AFTER UPDATE ON public.tvl REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rtp.watch_tvl();

INSERT INTO rtp.installation (log_id, schema_version, functions_md5)
    VALUES ('1ce4fa4878cc', 1, 'c1b8bd373ee42efa4e3c68816c1e8742');

-- The settings decide whether the baselines still mean the same table and columns.
INSERT INTO rtp.watch VALUES (1, 'tvl', 'tvl', 'public.tvl', '{
    "kind": "tvl", "shape": "latest", "table": "public.tvl", "percent": "1", "min_change": "0", "compare_with": "last_event",
    "columns": {"chain": "chain", "protocol": "protocol", "value": "tvl_usd", "changed_at": "updated_at", "provenance": "source"},
    "severity": {"info": "0", "warning": "5", "critical": "20"}, "overrides": [], "confidence": 1.0, "emit_first": false
}', '866983a3a962e28aa11bd6e27180bed2', 1, NULL);

-- Two events that redis has got, and a third, some ids later, that it has not. BEGIN and COMMIT make the cursor one of the moment
-- between the two.
BEGIN;
INSERT INTO public.tvl VALUES ('ethereum', 'lido', 100, 'defillama', '2026-01-01 00:00:00Z');
UPDATE public.tvl SET tvl_usd = 200;
UPDATE public.tvl SET tvl_usd = 300;
COMMIT;
BEGIN;
INSERT INTO rtp.cursor (sink, snapshot) VALUES ('redis', pg_current_snapshot());
COMMIT;
BEGIN;
SELECT setval('rtp.event_id', 1000000);
UPDATE public.tvl SET tvl_usd = 400;

-- Dead letters: two of the first event, whose delivery was tried again from a cursor put back, and one that was no valid event.
INSERT INTO rtp.dead_letter (sink, event_id, event, error, attempts) VALUES
    ('sqs', 1, '{"id": "1ce4fa4878cc:1", "data": {"kind": "tvl", "chain": "ethereum", "entity": "lido"}}', 'first', 1),
    ('sqs', 1, '{"id": "1ce4fa4878cc:1", "data": {"kind": "tvl", "chain": "ethereum", "entity": "lido"}}', 'again', 1),
    ('sqs', 2, '{"id": 2, "kind": "tvl", "chain": "ethereum", "entity": "aave"}', 'no valid event', 1);

-- A sample that no trigger judged.
INSERT INTO rtp.sample (watch, chain, entity, value, sampled_at, changed_at, confidence)
    VALUES (1, 'ethereum', 'lido', 500, '2026-01-01 00:00:01Z', '2026-01-01 00:00:01Z', 1);
COMMIT;
