INSERT INTO rtp.baseline AS b (watch, chain, entity, reported_at, rules)
        SELECT DISTINCT {watch}, {chain}, {entity}, clock_timestamp(), -1 FROM new_rows AS r WHERE {is_named}
        ON CONFLICT (watch, chain, entity) DO UPDATE SET rules = b.rules
