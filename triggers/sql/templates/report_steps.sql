WITH step AS (
            {step}
        ), named AS MATERIALIZED (
            SELECT * FROM step WHERE rtp.is_name(chain) AND rtp.is_name(entity)
        ), known AS (
            INSERT INTO rtp.baseline (watch, chain, entity, reported_at, rules)
            SELECT {watch}, chain, entity, clock_timestamp(), 0 FROM named WHERE reason = 'added'
            ON CONFLICT DO NOTHING
        ), forgotten AS (
            DELETE FROM rtp.baseline AS k
            USING named AS n {lookup}
            WHERE n.reason = 'removed' AND k.ctid = b.place
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, provenance, changed_at)
            SELECT {watch}, chain, entity, fields, reason, confidence, provenance, changed_at
            FROM named ORDER BY chain, entity
            RETURNING 1
        )
        SELECT count(*) {into} FROM appended
