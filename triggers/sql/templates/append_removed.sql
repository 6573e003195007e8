INSERT INTO rtp.sample (watch, what, chain, entity, sampled_at, confidence, provenance, fields)
        SELECT {watch}, 'deleted', {chain}, {entity}, clock_timestamp(), {confidence}, {provenance},
               CASE WHEN current_setting('transaction_isolation') NOT LIKE 'read %' THEN {fields} END
        FROM old_rows AS r WHERE {is_named}
