UPDATE rtp.baseline AS b SET rules = {rules} - 1
FROM ({gone}) AS o (chain, entity)
CROSS JOIN LATERAL (
    -- By its whole key, whatever the planner knows of the table, as in lookup.sql.
    SELECT k.ctid FROM rtp.baseline AS k
    WHERE k.watch = {watch} AND k.chain = o.chain AND k.entity = o.entity LIMIT 1
) AS known (place)
WHERE b.ctid = known.place AND b.rules = {rules}
