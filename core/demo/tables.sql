-- The demo's tables, as configs/default.yaml maps them. They stand for the user's own: rtp adds only its triggers.

CREATE TABLE IF NOT EXISTS public.tvl (
    chain text NOT NULL,
    protocol text NOT NULL,
    tvl_usd numeric,
    source text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (chain, protocol)
);

CREATE TABLE IF NOT EXISTS public.prices (
    chain text NOT NULL,
    token text NOT NULL,
    price_usd numeric,
    confidence double precision CHECK (confidence BETWEEN 0 AND 1),
    source text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (chain, token)
);

CREATE TABLE IF NOT EXISTS public.protocols (
    protocol text PRIMARY KEY,
    name text NOT NULL,
    category text,
    chain text NOT NULL DEFAULT 'all',
    url text,
    audits int,
    parent text,
    source text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
