INSERT INTO rtp.sample (watch, what, chain, entity, sampled_at)
            SELECT {watch}, 'deleted', e.chain, e.entity, clock_timestamp()
            FROM (
                SELECT b.chain, b.entity FROM rtp.baseline AS b WHERE b.watch = {watch}
                UNION
                -- Those that were seen and not judged so far; a look at some more does no harm.
                SELECT s.chain, s.entity FROM rtp.sample AS s
                WHERE s.watch = {watch}
                  AND s.xid >= (SELECT pg_snapshot_xmin(c.snapshot) FROM rtp.judge_cursor AS c ORDER BY 1 LIMIT 1)
            ) AS e
            WHERE {is_gone}
