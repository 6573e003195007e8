#!/bin/sh
# The role that rtp runs as, with what `rtp grants` asks for and no more; and a market to begin with.
set -eu
psql --set=ON_ERROR_STOP=1 --set=password="$RTP_PASSWORD" --username=postgres --dbname=defi <<'SQL'
CREATE ROLE rtp_owner LOGIN PASSWORD :'password';
GRANT CREATE ON DATABASE defi TO rtp_owner;
GRANT USAGE ON SCHEMA public TO rtp_owner;
GRANT SELECT, TRIGGER ON public.tvl, public.prices, public.protocols TO rtp_owner;

INSERT INTO public.protocols (protocol, name, category, source) VALUES
    ('lido', 'Lido', 'liquid staking', 'compose'), ('aave', 'Aave', 'lending', 'compose'), ('curve', 'Curve', 'dex', 'compose');
INSERT INTO public.tvl (chain, protocol, tvl_usd, source) VALUES
    ('ethereum', 'lido', 31000000000, 'compose'), ('ethereum', 'aave', 21000000000, 'compose'), ('ethereum', 'curve', 2100000000, 'compose');
INSERT INTO public.prices (chain, token, price_usd, confidence, source) VALUES
    ('ethereum', 'usdc', 1.0, 0.99, 'compose'), ('ethereum', 'eth', 3000, 0.99, 'compose'), ('ethereum', 'crv', 0.41, 0.95, 'compose');
SQL
