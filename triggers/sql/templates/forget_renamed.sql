SELECT rtp.forget({watch}, array_agg(o.chain), array_agg(o.entity), {default_confidence}, {default_provenance})
FROM ({old_sample}) AS o LEFT JOIN ({new_sample}) AS n USING (chain, entity)
WHERE n.entity IS NULL
