INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, lower, upper)
SELECT {watch}, o.chain, o.entity, o.value, clock_timestamp(), {rules},
       rtp.lower_bound(o.value, o.percent, o.min_change), rtp.upper_bound(o.value, o.percent, o.min_change)
FROM ({old_sample}) AS o JOIN ({new_sample}) AS n USING (chain, entity)
{unless_told}ON CONFLICT DO NOTHING
