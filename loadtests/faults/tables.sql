-- The tables of the fault suite. Every entity's values are 1, 2, 3 ... and every step is an event, so that what must
-- arrive can be read off the tables at any time: all values from 2 up to the newest one that is committed.

-- name: create
CREATE TABLE public.tvl (
    chain text NOT NULL, protocol text NOT NULL, tvl_usd numeric NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (chain, protocol)
);
CREATE TABLE public.prices (
    token text NOT NULL, price_usd numeric NOT NULL, sampled_at timestamptz NOT NULL, PRIMARY KEY (token, sampled_at)
);
CREATE TABLE public.protocols (
    protocol text PRIMARY KEY, name text NOT NULL, updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- name: seed_tvl
INSERT INTO public.tvl SELECT 'ethereum', 'p' || n, 1 FROM generate_series(0, %s - 1) AS n

-- name: seed_prices
INSERT INTO public.prices SELECT 't' || n, 1, '2026-01-01' FROM generate_series(0, %s - 1) AS n

-- name: seed_protocols
INSERT INTO public.protocols SELECT 'm' || n, 'v1' FROM generate_series(0, %s - 1) AS n

-- name: step_tvl
-- The row lock puts writers of one entity in line; in one order, or two statements could wait for each other.
UPDATE public.tvl SET tvl_usd = tvl_usd + 1, updated_at = clock_timestamp()
WHERE chain = 'ethereum' AND protocol IN
      (SELECT protocol FROM public.tvl WHERE protocol = ANY(%s) ORDER BY protocol FOR UPDATE)

-- name: step_prices
-- The samples' own time, one second a step: a clock that goes back must not make them late.
INSERT INTO public.prices
SELECT token, newest.price_usd + 1, newest.sampled_at + interval '1 second'
FROM unnest(%s::text[]) AS token
CROSS JOIN LATERAL (
    SELECT price_usd, sampled_at FROM public.prices WHERE prices.token = token.token ORDER BY sampled_at DESC LIMIT 1
) AS newest

-- name: step_protocols
UPDATE public.protocols SET name = 'v' || (substr(name, 2)::bigint + 1), updated_at = clock_timestamp()
WHERE protocol IN (SELECT protocol FROM public.protocols WHERE protocol = ANY(%s) ORDER BY protocol FOR UPDATE)

-- name: committed
-- How many steps of every entity are committed, by the name of its cache entry.
SELECT 'tvl:' || chain || ':' || protocol, tvl_usd::bigint - 1 FROM public.tvl
UNION ALL
SELECT 'protocol:all:' || protocol, substr(name, 2)::bigint - 1 FROM public.protocols
UNION ALL
SELECT 'price:all:t' || n, newest.price_usd::bigint - 1
FROM generate_series(0, %s - 1) AS n
CROSS JOIN LATERAL (
    SELECT price_usd FROM public.prices WHERE prices.token = 't' || n ORDER BY sampled_at DESC LIMIT 1
) AS newest

-- name: leader
-- The process that leads, and how many stand by to follow it.
SELECT leader.pid, (SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'rtp standby %')
FROM rtp.leader JOIN pg_stat_activity AS session ON session.pid = leader.backend_pid
WHERE session.application_name = 'rtp leader'

-- name: dead_letters
SELECT count(*) FROM rtp.dead_letter

-- name: trigger_errors
SELECT coalesce(sum(weight), 0)::bigint, max(sqlstate || ' ' || message) FROM rtp.trigger_error

-- name: backends
-- rtp's own sessions.
SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'rtp %' ORDER BY pid
