INSERT INTO rtp.sample (watch, chain, entity, what, value, sampled_at, changed_at, confidence, provenance)
        SELECT (s.row).watch, (s.row).chain, (s.row).entity, (s.row).what, (s.row).value, (s.row).sampled_at,
               (s.row).changed_at, (s.row).confidence, (s.row).provenance
        FROM ({samples}) AS s (row)
