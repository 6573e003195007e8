-- The entities that are there at installation are known.
INSERT INTO rtp.baseline (watch, chain, entity, reported_at, rules)
SELECT DISTINCT {watch}, {chain}, {entity}, clock_timestamp(), 0
FROM {table} AS r
WHERE rtp.is_name({chain}) AND rtp.is_name({entity})
ON CONFLICT DO NOTHING
