-- Two histories beside the demo's tables, and their samples: of p0, p1 ... in turn. A quiet sample is within the band, a significant one
-- 2 % away from the entity's one before.

-- name: create
CREATE TABLE public.history (chain text NOT NULL, protocol text NOT NULL, tvl_usd numeric NOT NULL, at timestamptz NOT NULL);
CREATE SEQUENCE public.sample_number;
INSERT INTO public.history SELECT 'history', 'p' || number, 1000, clock_timestamp() FROM generate_series(0, 999) AS number;
CREATE TABLE public.neighbour (LIKE public.history);
INSERT INTO public.neighbour SELECT 'neighbour', 'p' || number, 1000, clock_timestamp() FROM generate_series(0, 99) AS number;
CREATE SEQUENCE public.neighbour_number MINVALUE 0

-- name: append_quiet
INSERT INTO public.history
SELECT 'history', 'p' || mod(number, 1000), 1000 + mod(number / 1000, 9) * 0.5, clock_timestamp()
FROM generate_series(1, %(samples)s::bigint) AS number

-- name: append_significant
INSERT INTO public.history
SELECT 'history', 'p' || mod(number, 1000), CASE WHEN mod(number / 1000, 2) = 0 THEN 1020 ELSE 1000 END, clock_timestamp()
FROM generate_series(0, %(samples)s::bigint - 1) AS number

-- name: append_one_quiet
-- For pgbench, as the next.
INSERT INTO public.history
SELECT 'history', 'p' || mod(number, 1000), 1000 + mod(number / 1000, 9) * 0.5, clock_timestamp() FROM nextval('public.sample_number') AS number

-- name: append_one_significant
INSERT INTO public.history
SELECT 'history', 'p' || mod(number, 1000), CASE WHEN mod(number / 1000, 2) = 0 THEN 1020 ELSE 1000 END, clock_timestamp()
FROM nextval('public.sample_number') AS number

-- name: append_one_to_neighbour
INSERT INTO public.neighbour
SELECT 'neighbour', 'p' || mod(number, 100), CASE WHEN mod(number / 100, 2) = 0 THEN 1020 ELSE 1000 END, clock_timestamp()
FROM nextval('public.neighbour_number') AS number

-- name: restart
-- The next sample of each entity is significant whatever was its last: `append_one_significant` begins with 1020 again.
INSERT INTO public.history SELECT 'history', 'p' || number, 1000, clock_timestamp() FROM generate_series(0, 999) AS number;
SELECT setval('public.sample_number', 2000, false)

-- name: commits
-- When the judge committed each event, and its sample's writer the sample (Unix time). `at` is the sample's own: of an entity no two are alike.
SELECT e.id, extract(epoch FROM pg_xact_commit_timestamp(s.xid::xid))::float8, extract(epoch FROM pg_xact_commit_timestamp(e.xid::xid))::float8
FROM rtp.event AS e
JOIN rtp.sample AS s ON (s.watch, s.chain, s.entity, coalesce(s.changed_at, s.sampled_at)) = (e.watch, e.chain, e.entity, e.changed_at)
WHERE e.id > %(after_id)s AND e.chain = %(chain)s
