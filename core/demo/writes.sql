-- How the feed writes: one statement per table and step, so that a step costs each table's triggers one call.
-- Rows come as one array per column. Without a time of the step's own, the database's clock is the row's time.
-- Sorted by key: two feeds on one database take their row locks in the same order and cannot deadlock.

-- name: upsert_tvl
-- Write a step's TVL rows, new or known.
INSERT INTO public.tvl (chain, protocol, tvl_usd, source, updated_at)
SELECT chain, protocol, tvl_usd, source, coalesce(%(at)s::timestamptz, clock_timestamp())
FROM unnest(%(chain)s::text[], %(protocol)s::text[], %(tvl_usd)s::numeric[], %(source)s::text[])
    AS step (chain, protocol, tvl_usd, source)
ORDER BY chain, protocol
ON CONFLICT (chain, protocol) DO UPDATE SET
    tvl_usd = excluded.tvl_usd,
    source = excluded.source,
    updated_at = excluded.updated_at;

-- name: upsert_prices
-- Write a step's price rows, new or known.
INSERT INTO public.prices (chain, token, price_usd, confidence, source, updated_at)
SELECT chain, token, price_usd, confidence, source, coalesce(%(at)s::timestamptz, clock_timestamp())
FROM unnest(
    %(chain)s::text[], %(token)s::text[], %(price_usd)s::numeric[], %(confidence)s::double precision[],
    %(source)s::text[]
) AS step (chain, token, price_usd, confidence, source)
ORDER BY chain, token
ON CONFLICT (chain, token) DO UPDATE SET
    price_usd = excluded.price_usd,
    confidence = excluded.confidence,
    source = excluded.source,
    updated_at = excluded.updated_at;

-- name: upsert_protocols
-- Write a step's protocol rows, new or known; a field the feed does not know (null) keeps the table's value.
INSERT INTO public.protocols AS known (protocol, name, category, chain, url, audits, parent, source, updated_at)
SELECT protocol, name, category, coalesce(chain, 'all'), url, audits, parent, source,
    coalesce(%(at)s::timestamptz, clock_timestamp())
FROM unnest(
    %(protocol)s::text[], %(name)s::text[], %(category)s::text[], %(chain)s::text[], %(url)s::text[],
    %(audits)s::int[], %(parent)s::text[], %(source)s::text[]
) AS step (protocol, name, category, chain, url, audits, parent, source)
ORDER BY protocol
ON CONFLICT (protocol) DO UPDATE SET
    name = excluded.name,
    category = coalesce(excluded.category, known.category),
    chain = CASE WHEN excluded.chain = 'all' THEN known.chain ELSE excluded.chain END,
    url = coalesce(excluded.url, known.url),
    audits = coalesce(excluded.audits, known.audits),
    parent = coalesce(excluded.parent, known.parent),
    source = excluded.source,
    updated_at = excluded.updated_at;
