, appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT {watch}, chain, entity, fields, reason, confidence, provenance, changed_at
            FROM step
            WHERE chain <> '' AND entity <> '' AND octet_length(chain) + octet_length(entity) <= 1000
            ORDER BY chain, entity
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM appended),
               count(*) FILTER (WHERE (chain <> '' AND entity <> '' AND octet_length(chain) + octet_length(entity) <= 1000) IS NOT TRUE)
        INTO reported, nameless FROM step;
