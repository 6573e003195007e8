-- What the table holds at installation is the first baseline: the first change after it is judged like any other.
INSERT INTO rtp.baseline (watch, chain, entity, value)
SELECT DISTINCT ON (chain, entity) {watch}, chain, entity, value
FROM ({sample}) AS sample
WHERE chain <> '' AND entity <> '' AND octet_length(chain) + octet_length(entity) <= 1000
ON CONFLICT DO NOTHING
