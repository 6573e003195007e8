-- A market that moves: a price and a TVL in each round, until stopped.
UPDATE public.prices SET price_usd = price_usd * (1 + (random() - 0.5)::numeric / 50), updated_at = clock_timestamp()
    WHERE (chain, token) = (SELECT chain, token FROM public.prices WHERE token <> 'usdc' ORDER BY random() LIMIT 1) \;
UPDATE public.tvl SET tvl_usd = tvl_usd * (1 + (random() - 0.5)::numeric / 10), updated_at = clock_timestamp()
    WHERE (chain, protocol) = (SELECT chain, protocol FROM public.tvl ORDER BY random() LIMIT 1) \watch 0.5
