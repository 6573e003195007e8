INSERT INTO rtp.sample (watch, chain, entity, sampled_at, confidence, provenance)
        SELECT {watch}, {chain}, {entity}, clock_timestamp(), {confidence}, {provenance}
        FROM new_rows AS r WHERE {is_named}
