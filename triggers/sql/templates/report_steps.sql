WITH step AS (
            {step}
        ), named AS MATERIALIZED (
            SELECT s.*, EXISTS (
                SELECT FROM rtp.baseline AS b
                WHERE b.watch = {watch} AND b.chain = s.chain AND b.entity = s.entity AND b.fields IS NULL OFFSET 0
            ) AS is_known
            FROM step AS s WHERE rtp.is_name(chain) AND rtp.is_name(entity)
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT {watch}, chain, entity, fields, 'changed', confidence, provenance, changed_at
            FROM named WHERE is_known ORDER BY chain, entity
            RETURNING 1
        ), unseen AS (
            -- That it was added, or is back, is yet to be told.
            INSERT INTO rtp.sample (watch, chain, entity, sampled_at, confidence, provenance)
            SELECT {watch}, chain, entity, clock_timestamp(), confidence, provenance FROM named WHERE NOT is_known
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM appended), (SELECT count(*) FROM unseen) {into}
