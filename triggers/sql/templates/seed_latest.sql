-- What the table holds at installation is the first baseline: the first change after it is judged like any other.
INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, lower, upper)
SELECT {watch}, n.chain, n.entity, n.value, clock_timestamp(), {rules},
       rtp.lower_bound(n.value, n.percent, n.min_change), rtp.upper_bound(n.value, n.percent, n.min_change)
FROM ({sample}) AS n
ON CONFLICT DO NOTHING
