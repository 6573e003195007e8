-- Databases of other people, as `rtp init` meets them: a schema each.

-- As DefiLlama keeps it: protocols, their TVL by chain, pools with yields, coins with prices.
CREATE SCHEMA llama;
CREATE TABLE llama.protocol_tvl (
    slug text NOT NULL, network text NOT NULL, tvl numeric, tvl_prev_day numeric, change_1d numeric,
    updated_at timestamptz, source text, PRIMARY KEY (slug, network)
);
INSERT INTO llama.protocol_tvl
SELECT slug, network, 1000000, 900000, 11, now(), 'defillama'
FROM unnest('{lido,aave}'::text[]) AS slug, unnest('{ethereum,base}'::text[]) AS network;
CREATE TABLE llama.protocols (
    id serial PRIMARY KEY, slug text UNIQUE, name text, category text, url text, "parentProtocol" text, chains text[]
);
INSERT INTO llama.protocols (slug, name, category, url) VALUES ('lido', 'Lido', 'Liquid Staking', 'https://lido.fi');
CREATE TABLE llama.pools (
    pool uuid PRIMARY KEY, chain text, project text, symbol text, "tvlUsd" double precision, apy double precision,
    "apyBase" double precision, "apyPct1D" double precision, ts timestamp
);
INSERT INTO llama.pools VALUES (gen_random_uuid(), 'base', 'aave-v3', 'USDC', 1e6, 4.2, 4, 0.1, now() AT TIME ZONE 'UTC');
CREATE TABLE llama.coins (coin text PRIMARY KEY, symbol text, price double precision, decimals int, confidence real, "timestamp" timestamptz);
INSERT INTO llama.coins VALUES ('ethereum:0xa0b8', 'USDC', 0.9998, 6, 0.99, now()), ('ethereum:0xc02a', 'WETH', 3000.5, 18, 0.99, now());

-- Rounds of Chainlink's feeds, as the contracts have them: whole numbers with eight decimals, seconds since 1970.
CREATE SCHEMA chainlink;
CREATE TABLE chainlink.rounds (
    feed text, round_id numeric, answer numeric(78, 0), started_at bigint, updated_at bigint, PRIMARY KEY (feed, round_id)
);
INSERT INTO chainlink.rounds
SELECT feed, round, price + round, 1764000000 + round * 60, 1764000000 + round * 60
FROM generate_series(1, 20) AS round, (VALUES ('USDC / USD', 100000000), ('ETH / USD', 300000000000)) AS f (feed, price);

-- A history by partitions, as one keeps it for TimescaleDB: two days of prices.
CREATE SCHEMA series;
CREATE TABLE series.prices (time timestamptz NOT NULL, symbol text NOT NULL, chain text NOT NULL, price double precision, source text)
    PARTITION BY RANGE (time);
CREATE TABLE series.prices_past PARTITION OF series.prices FOR VALUES FROM ('-infinity') TO ('2026-01-01');
CREATE TABLE series.prices_now PARTITION OF series.prices FOR VALUES FROM ('2026-01-01') TO ('infinity');
CREATE INDEX ON series.prices (symbol, time DESC);
CREATE INDEX ON series.prices (time);
INSERT INTO series.prices
SELECT now() - interval '2 days' + i * interval '10 minutes', symbol, 'ethereum',
       CASE symbol WHEN 'USDC' THEN 1 + (i % 7) * 0.0001 ELSE 3000 + 200 * sin(i / 30.0) END, 'coingecko'
FROM generate_series(1, 280) AS i, unnest('{USDC,WETH}'::text[]) AS symbol;

-- Tables of an ORM: quoted names, keys of its own, times without a zone, here written by a server in Berlin.
CREATE SCHEMA app;
CREATE TYPE app."Chain" AS ENUM ('arbitrum', 'base');
CREATE TABLE app."ProtocolTvl" (
    id serial PRIMARY KEY, "protocolSlug" text, "chainName" app."Chain", "tvlUsd" numeric(30, 2), "createdAt" timestamp(3) DEFAULT now(),
    "updatedAt" timestamp(3), UNIQUE ("protocolSlug", "chainName")
);
INSERT INTO app."ProtocolTvl" ("protocolSlug", "chainName", "tvlUsd", "updatedAt")
VALUES ('gmx', 'arbitrum', 5e8, now() AT TIME ZONE 'Asia/Tokyo');
CREATE TABLE app."Lending ""Market"" $rtp$" (id uuid PRIMARY KEY, "pool: #id" text UNIQUE, "supply Apy %s" numeric, "at {0}" timestamptz);
INSERT INTO app."Lending ""Market"" $rtp$" VALUES (gen_random_uuid(), 'usdc', 3.1, now());

-- Nothing of it.
CREATE SCHEMA shop;
CREATE TABLE shop.products (id serial PRIMARY KEY, sku text UNIQUE, name text, price numeric, description text);
INSERT INTO shop.products (sku, name, price) VALUES ('c1', 'Chair', 80);
CREATE TABLE shop.orders (id serial PRIMARY KEY, customer text, price numeric, volume numeric, created_at timestamptz);
