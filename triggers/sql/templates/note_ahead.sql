INSERT INTO rtp.set_aside (watch, why, chain, entity, value, at, weight)
SELECT {watch}, 'future', n.chain, n.entity, n.value, n.changed_at, n.rows * line.weight
FROM (
    SELECT DISTINCT ON (n.chain, n.entity) n.*, count(*) OVER (PARTITION BY n.chain, n.entity) AS rows
    FROM ({ahead_sample}) AS n
    ORDER BY n.chain, n.entity, n.changed_at DESC
) AS n
CROSS JOIN rtp.set_aside_line() AS line (weight)
