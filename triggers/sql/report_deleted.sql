WITH gone AS (
            DELETE FROM rtp.baseline AS b
            WHERE b.watch = {watch} AND {is_gone}
            RETURNING b.chain, b.entity, b.value
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, previous, reason, confidence, provenance, changed_at)
            SELECT {watch}, chain, entity, value, 'deleted', {default_confidence}, {default_provenance}, statement_timestamp()
            FROM gone ORDER BY chain, entity
            RETURNING 1
        )
        SELECT reported + count(*) INTO reported FROM appended;
