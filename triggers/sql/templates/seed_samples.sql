-- What the table holds at installation is the first baseline: the first sample after it is judged like any other. An entity with
-- samples in the log is left to those. No rule is 0: the judge makes the appointments by its own.
INSERT INTO rtp.baseline
    (watch, chain, entity, value, reported_at, rules, last_value, sampled_at, last_changed_at, last_confidence, last_provenance)
SELECT DISTINCT ON (n.chain, n.entity) {watch}, n.chain, n.entity, {value}, n.sampled_at, 0, {value}, n.sampled_at, n.changed_at,
       n.confidence, n.provenance
FROM ({sample}) AS n
WHERE NOT EXISTS (SELECT FROM rtp.sample AS s WHERE s.watch = {watch} AND s.chain = n.chain AND s.entity = n.entity)
ORDER BY n.chain, n.entity, n.sampled_at DESC
ON CONFLICT DO NOTHING
