WITH judged AS MATERIALIZED (
            SELECT n.*, b.value AS previous, b.entity IS NULL AS unseen,
                   rtp.verdict(b.value, n.value, {percent}, {min_change}) AS reason
            FROM ({new_sample}) AS n
            LEFT JOIN rtp.baseline AS b ON b.watch = {watch} AND b.chain = n.chain AND b.entity = n.entity
            WHERE b.entity IS NULL OR rtp.verdict(b.value, n.value, {percent}, {min_change}) IS NOT NULL
        ), moved AS (
            UPDATE rtp.baseline AS b
            SET value = j.value, reported_at = clock_timestamp()
            FROM judged AS j
            WHERE NOT j.unseen AND b.watch = {watch} AND b.chain = j.chain AND b.entity = j.entity
        ), appended AS (
            INSERT INTO rtp.event (watch, chain, entity, previous, current, reason, confidence, provenance, changed_at)
            SELECT {watch}, chain, entity, previous, value, reason, confidence, provenance, changed_at
            FROM judged WHERE NOT unseen
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM appended), count(*) FILTER (WHERE judged.unseen) INTO {reported}, unseen_rows FROM judged;
