-- Rows that were written unseen: all that differ from what was last known of their entity. Where one of its samples is still in the
-- log, that may be newer than what is known.
INSERT INTO rtp.sample ({columns})
SELECT {samples}
FROM {table} AS r
LEFT JOIN rtp.baseline AS b ON b.watch = {watch} AND b.chain = {chain} AND b.entity = {entity}
WHERE {usable} AND (
    b.last_value IS NULL OR b.last_value IS DISTINCT FROM {value}
    OR EXISTS (SELECT FROM rtp.sample AS s WHERE s.watch = {watch} AND s.chain = {chain} AND s.entity = {entity})
)
