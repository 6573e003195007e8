-- Rows that were written unseen: all that are newer than the newest sample of their entity, judged or not.
INSERT INTO rtp.sample ({columns})
SELECT {samples}
FROM {table} AS r
LEFT JOIN rtp.baseline AS b ON b.watch = {watch} AND b.chain = {chain} AND b.entity = {entity}
LEFT JOIN (
    SELECT chain, entity, max(sampled_at) AS sampled_at FROM rtp.sample WHERE watch = {watch} GROUP BY chain, entity
) AS s ON s.chain = {chain} AND s.entity = {entity}
WHERE {usable} AND {sampled_at} > coalesce(greatest(s.sampled_at, b.sampled_at, b.reported_at), '-infinity')
ORDER BY {sampled_at}
