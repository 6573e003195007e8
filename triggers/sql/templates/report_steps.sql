WITH step AS (
            {step}
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT {watch}, chain, entity, fields, 'changed', confidence, provenance, changed_at
            FROM step WHERE rtp.is_name(chain) AND rtp.is_name(entity) ORDER BY chain, entity
            RETURNING 1
        )
        SELECT count(*) {into} FROM appended
